using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Infinorm.Checkpoints;
using Infinorm.Constraints;
using Infinorm.Keras.Layers;
using Infinorm.Optimizers;
using Infinorm.Tests;
using Infinorm.Tests.Checkpoints;
using Infinorm.Variables;

namespace Infinorm.Keras.Tests;

/// <summary>Names, order and constraints of weights, seen through archives.</summary>
public class ModelWeightsTests
{
    [Fact]
    public void TheOrderIsTheConfigsAndNotTheFiles()
    {
        KerasArchive archive = Make(
            """[{"class_name": "Dense", "config": {"name": "z"}}, {"class_name": "Dense", "config": {"name": "a", "use_bias": false}}]""",
            ("layers/dense/vars/0", "z"), ("layers/dense/vars/1", "z"), ("layers/dense_1/vars/0", "a"));
        Assert.Equal(["z/kernel", "z/bias", "a/kernel"], Paths(archive));
    }

    [Fact]
    public void TenComesAfterTwo()
    {
        KerasArchive archive = Make(
            """[{"class_name": "Mine", "config": {"name": "mine"}}]""",
            [.. Enumerable.Range(0, 12).Select(i => ($"layers/mine/vars/{i}", "mine"))]);
        Assert.Equal(Enumerable.Range(0, 12).Select(i => $"mine/{i}"), Paths(archive));
    }

    [Fact]
    public void PartsOfKerassOwnLayersAreOrdered()
    {
        KerasArchive archive = Make(
            """
            [{"class_name": "Bidirectional", "config": {"name": "both", "layer": {"class_name": "LSTM", "config": {"name": "lstm"}}}},
             {"class_name": "MultiHeadAttention", "config": {"name": "heads", "use_bias": false}},
             {"class_name": "TimeDistributed", "config": {"name": "each", "layer": {"class_name": "Dense", "config": {"name": "d"}}}},
             {"class_name": "Sequential", "config": {"name": "inner", "layers": [{"class_name": "PReLU", "config": {"name": "prelu"}}]}}]
            """,
            ("layers/bidirectional/backward_layer/cell/vars/0", "cell"), ("layers/bidirectional/backward_layer/cell/vars/1", "cell"),
            ("layers/bidirectional/backward_layer/cell/vars/2", "cell"), ("layers/bidirectional/forward_layer/cell/vars/0", "cell"),
            ("layers/bidirectional/forward_layer/cell/vars/1", "cell"), ("layers/bidirectional/forward_layer/cell/vars/2", "cell"),
            ("layers/bidirectional/vars", "both"),
            ("layers/multi_head_attention/key_dense/vars/0", "key"), ("layers/multi_head_attention/query_dense/vars/0", "query"),
            ("layers/multi_head_attention/output_dense/vars/0", "attention_output"),
            ("layers/multi_head_attention/value_dense/vars/0", "value"), ("layers/multi_head_attention/vars", "heads"),
            ("layers/time_distributed/layer/vars/0", "d"), ("layers/time_distributed/layer/vars/1", "d"), ("layers/time_distributed/vars", "each"),
            ("layers/sequential/layers/p_re_lu/vars/0", "prelu"), ("layers/sequential/vars", "inner"));
        Assert.Equal(
            [
                "both/lstm/cell/kernel", "both/lstm/cell/recurrent_kernel", "both/lstm/cell/bias",
                "both/backward_lstm/cell/kernel", "both/backward_lstm/cell/recurrent_kernel", "both/backward_lstm/cell/bias",
                "heads/query/kernel", "heads/key/kernel", "heads/value/kernel", "heads/attention_output/kernel",
                "each/d/kernel", "each/d/bias", "inner/prelu/alpha",
            ],
            Paths(archive));
        Assert.Null(archive.UnorderedGroup);
    }

    [Fact]
    public void LayersWithoutNamesAreCountedByClass()
    {
        // Keras before 3.6 gave groups no names. That a layer is called as another's group does not matter.
        KerasArchive made = Open("made_in_other_order.keras"), named = Open("made_in_other_order.new.keras");
        foreach (KerasWeight weight in named.Weights)
            Assert.Equal(weight.Variable.ToNdArray().Bytes.ToArray(), made[weight.Variable.Path].ToNdArray().Bytes.ToArray());
        Assert.Equal(Paths(named), Paths(made));
        Assert.Equal(5.6689, ((Variable<float>)made["dense_1/kernel"]).Span.ToArray().Sum(value => Math.Abs((double)value)), 0.00005);
        Assert.Equal(6.3789, ((Variable<float>)made["dense/kernel"]).Span.ToArray().Sum(value => Math.Abs((double)value)), 0.00005);
        Optimizer former = named.LoadOptimizer(), now = made.LoadOptimizer();
        Assert.Equal(former.Variables.Select(variable => variable.Path), now.Variables.Select(variable => variable.Path));
        Assert.All(former.Variables.Zip(now.Variables), pair => Assert.Equal(pair.First.ToNdArray().Bytes.ToArray(), pair.Second.ToNdArray().Bytes.ToArray()));
    }

    [Theory]
    [InlineData("spectral_dense.keras", 4)]
    [InlineData("bn_renorm.keras", 6)]
    public void OnlyWhatKerasTrainsIsTrained(string file, int count)
    {
        KerasArchive archive = Open(file);
        Assert.Equal(count, archive.TrainableVariables.Count);
        archive.LoadOptimizer();
    }

    [Fact]
    public void ALayerNormalizationThatScalesByTheRootMeanSquareHasGamma() =>
        Assert.Contains("layer_normalization/gamma", Paths(Open("ln_rms.keras")));

    [Fact]
    public void ALayerOfOnesOwnWithTheNameOfKerassIsNotKerass()
    {
        KerasArchive archive = Make(
            """[{"module": null, "class_name": "Dense", "config": {"name": "a"}, "registered_name": "t>Dense"}]""",
            ("layers/dense/vars/0", "a"), ("layers/dense/vars/1", "a"));
        Assert.Equal(["a/0", "a/1"], Paths(archive));
    }

    [Fact]
    public void WeightsWithoutNumbersHaveNoOrder() =>
        Assert.Equal("layers/torch_module_wrapper/vars", Make(
            """[{"class_name": "TorchModuleWrapper", "config": {"name": "a"}}]""",
            ("layers/torch_module_wrapper/vars/bias", "a"), ("layers/torch_module_wrapper/vars/weight", "a")).UnorderedGroup);

    [Fact]
    public void AnOptimizerIsNotStoredWhereTheOrderIsNotKnown()
    {
        KerasArchive archive = Make(
            """[{"class_name": "Mine", "config": {"name": "mine"}}]""",
            ("layers/mine/a/vars/0", "x"), ("layers/mine/b/vars/0", "y"), ("layers/mine/vars", "mine"));
        var optimizer = new Adamax();
        optimizer.Build(archive.TrainableVariables);
        Assert.Contains("layers/mine in the model is unknown", Assert.Throws<InvalidOperationException>(() => archive.Optimizer = optimizer).Message);
        Assert.Null(archive.Optimizer);
    }

    [Fact]
    public void AnOptimizerForAnotherOrderIsNotStored()
    {
        KerasArchive archive = Open("made_in_other_order.keras");
        var optimizer = new Adamax { Name = "a" };
        optimizer.Build(archive.TrainableVariables.Reverse());
        Assert.StartsWith("a is built for the model's variables in another order", Assert.Throws<ArgumentException>(() => archive.Optimizer = optimizer).Message);
    }

    [Fact]
    public void PathsThatKerasPrintsCanHaveFewerModelsInThem()
    {
        const string inner = """{"class_name": "Sequential", "config": {"name": "NAME", "layers": [{"class_name": "Dense", "config": {"name": "d", "use_bias": false}}]}}""";
        (string, string)[] weights =
        [
            ("layers/sequential/layers/dense/vars/0", "d"), ("layers/sequential/vars", "a"),
            ("layers/sequential_1/layers/dense/vars/0", "d"), ("layers/sequential_1/vars", "b"),
        ];
        using var folder = new TemporaryFolder();
        Make($"[{inner.Replace("NAME", "a")}]", weights[..2]).Save(folder / "one.keras");
        Assert.Equal(["a/d/kernel"], Paths(KerasArchive.Open(folder / "one.keras", trainablePaths: ["d/kernel"])));
        Make($"[{inner.Replace("NAME", "a")}, {inner.Replace("NAME", "b")}]", weights).Save(folder / "two.keras");
        Assert.Contains("more than one weight is called 'd/kernel'", Assert.Throws<ArgumentException>(
            () => KerasArchive.Open(folder / "two.keras", trainablePaths: ["d/kernel"])).Message);
        Assert.Equal(["b/d/kernel", "a/d/kernel"], Paths(KerasArchive.Open(folder / "two.keras", trainablePaths: ["model/b/d/kernel", "a/d/kernel"])));
        Assert.Contains("or is given twice", Assert.Throws<ArgumentException>(
            () => KerasArchive.Open(folder / "two.keras", trainablePaths: ["a/d/kernel", "a/d/kernel"])).Message);
    }

    [Fact]
    public void AStatisticOfALayerOfOnesOwnIsNotTrainedByANewOptimizer()
    {
        KerasArchive archive = Make("""[{"class_name": "Mine", "config": {"name": "mine"}}]""", ("layers/mine/vars/0", "mine"), ("layers/mine/vars/1", "mine"));
        var former = new Adamax();
        former.Build(archive.TrainableVariables[0]);
        archive.Optimizer = former;
        using var folder = new TemporaryFolder();
        archive.Save(folder / "a.keras");

        archive = KerasArchive.Open(folder / "a.keras");
        var optimizer = new Adamax();
        optimizer.Build(archive.TrainableVariables);
        Assert.Contains("had 6 variables, and it has 4.", Assert.Throws<InvalidOperationException>(() => archive.Optimizer = optimizer).Message);
        archive = KerasArchive.Open(folder / "a.keras", trainablePaths: ["mine/gain"]);
        optimizer = new Adamax();
        optimizer.Build(archive.TrainableVariables);
        archive.Optimizer = optimizer;
        Assert.Equal(["mine/gain", "mine/1"], Paths(archive));
    }

    [Theory]
    [InlineData("model/nowhere/kernel", "'model/nowhere/kernel' is not one of the weights, or is given twice")]
    [InlineData("kernel", "'kernel' is not one of the weights")]
    public void APathOfNoWeightIsRefused(string path, string problem) =>
        Assert.Contains(problem, Assert.Throws<ArgumentException>(() => KerasArchive.Open(PathOf("made_in_other_order.keras"), trainablePaths: [path])).Message);

    [Fact]
    public void PathsSayWhatIsTrainedAndInWhichOrder()
    {
        KerasArchive archive = KerasArchive.Open(PathOf("made_in_other_order.keras"), trainablePaths: ["model/dense/bias", "dense_1/kernel"]);
        Assert.Equal(["dense/bias", "dense_1/kernel"], archive.TrainableVariables.Select(variable => variable.Path));
        var optimizer = new Adamax();
        optimizer.Build(archive.TrainableVariables);
        archive.Optimizer = optimizer;
    }

    [Theory]
    [InlineData("layer")]
    [InlineData("dense")]
    public void TheConstraintOfALayerInAWrapperOfOnesOwnIsNotDropped(string part)
    {
        KerasArchive archive = Make(
            """
            [{"module": null, "registered_name": "t>Wrap", "class_name": "Wrap", "config": {"name": "wrap", "layer":
                {"class_name": "Dense", "config": {"name": "d", "kernel_constraint": {"class_name": "NonNeg", "config": {}}}}}}]
            """,
            ($"layers/wrap/{part}/vars/0", "d"), ($"layers/wrap/{part}/vars/1", "d"), ("layers/wrap/vars", "wrap"));
        var optimizer = new Adamax();
        Assert.Contains(
            "the layer wrap has kernel_constraint NonNeg, but the file does not say for which of its weights.",
            Assert.Throws<ArgumentException>(() => optimizer.Build(archive.TrainableVariables)).Message);
        archive.TrainableVariables[0].Constraint = new NonNeg();
        archive.TrainableVariables[1].Constraint = null;
        optimizer.Build(archive.TrainableVariables);
    }

    [Fact]
    public void EachOfTwoLayersHasItsOwnConstraintInABidirectional()
    {
        KerasArchive archive = Make(
            """
            [{"class_name": "Bidirectional", "config": {"name": "both",
                "layer": {"class_name": "GRU", "config": {"name": "forward_gru", "bias_constraint": {"class_name": "UnitNorm", "config": {"axis": 0}}}},
                "backward_layer": {"class_name": "GRU", "config": {"name": "b", "trainable": false, "kernel_constraint": {"class_name": "NonNeg", "config": {}}}}}}]
            """,
            [.. from side in (string[])["forward", "backward"] from i in Enumerable.Range(0, 3) select ($"layers/bidirectional/{side}_layer/cell/vars/{i}", "cell"),
                ("layers/bidirectional/vars", "both")]);
        Assert.Equal([null, null, typeof(UnitNorm), typeof(NonNeg), null, null], archive.Weights.Select(weight => weight.Variable.Constraint?.GetType()));
        Assert.Equal([true, true, true, false, false, false], archive.Weights.Select(weight => weight.IsTrainable));
    }

    [Fact]
    public void QuantizedLayersTrainTheirBiases()
    {
        KerasArchive archive = Make(
            """
            [{"class_name": "Dense", "config": {"name": "d", "dtype": {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8", "source_name": "float32"}}}}]
            """,
            ("layers/dense/vars/0", "d"), ("layers/dense/vars/1", "d"), ("layers/dense/vars/2", "d"));
        Assert.Equal(["d/kernel", "d/bias", "d/kernel_scale"], Paths(archive));
        Assert.Equal(["d/bias"], archive.TrainableVariables.Select(variable => variable.Path));
    }

    [Fact]
    public void PathsAreNotTakenForTheKeysOfGroupsWithoutNames()
    {
        // Of Keras before 3.6 a weights file does not say which layer "dense" is.
        using var folder = new TemporaryFolder();
        KerasArchive.Create(Arrays(["layers/dense/vars/0", "layers/dense_1/vars/0"])).Save(folder / "a.weights.h5");
        Assert.Contains(
            "the weights are layers/dense/vars/0, layers/dense_1/vars/0.",
            Assert.Throws<ArgumentException>(() => KerasArchive.Open(folder / "a.weights.h5", trainablePaths: ["dense_1/kernel"])).Message);
        Assert.Null(KerasArchive.Open(folder / "a.weights.h5", trainablePaths: ["layers/dense_1/vars/0", "layers/dense/vars/0"]).UnorderedGroup);
    }

    [Fact]
    public void CellsThatAreStackedAreOrderedAsInTheConfig()
    {
        KerasArchive archive = Make(
            """
            [{"class_name": "RNN", "config": {"name": "rnn", "cell": {"class_name": "StackedRNNCells", "config": {"name": "stack", "cells": [
                {"class_name": "LSTMCell", "config": {"name": "z", "use_bias": false}}, {"class_name": "GRUCell", "config": {"name": "a"}}]}}}}]
            """,
            ("layers/rnn/cell/cells/gru_cell/vars/0", "a"), ("layers/rnn/cell/cells/gru_cell/vars/1", "a"), ("layers/rnn/cell/cells/gru_cell/vars/2", "a"),
            ("layers/rnn/cell/cells/lstm_cell/vars/0", "z"), ("layers/rnn/cell/cells/lstm_cell/vars/1", "z"), ("layers/rnn/cell/vars", "stack"),
            ("layers/rnn/vars", "rnn"));
        Assert.Equal(
            [
                "rnn/stack/z/kernel", "rnn/stack/z/recurrent_kernel",
                "rnn/stack/a/kernel", "rnn/stack/a/recurrent_kernel", "rnn/stack/a/bias",
            ],
            Paths(archive));
        Assert.Null(archive.UnorderedGroup);
    }

    [Fact]
    public void WhatAWrapperHoldsBesidesItsLayerIsNotTrained()
    {
        KerasArchive archive = Make(
            """
            [{"class_name": "SpectralNormalization", "config": {"name": "sn", "layer": {"class_name": "Dense", "config": {"name": "d"}}}},
             {"class_name": "Attention", "config": {"name": "att", "use_scale": true, "score_mode": "dot"}}]
            """,
            ("layers/attention/vars/0", "att"), ("layers/spectral_normalization/vars/0", "sn"),
            ("layers/spectral_normalization/layer/vars/0", "d"), ("layers/spectral_normalization/layer/vars/1", "d"));
        Assert.Equal(["sn/vector_u", "sn/d/kernel", "sn/d/bias", "att/scale"], Paths(archive));
        Assert.Equal(["sn/d/kernel", "sn/d/bias", "att/scale"], archive.TrainableVariables.Select(variable => variable.Path));
    }

    [Fact]
    public void PartsOfOtherLayersHaveNoOrder()
    {
        KerasArchive archive = Make(
            """[{"class_name": "Mine", "config": {"name": "mine"}}]""",
            ("layers/mine/a/vars/0", "x"), ("layers/mine/b/vars/0", "y"), ("layers/mine/vars", "mine"));
        Assert.Equal("layers/mine", archive.UnorderedGroup);
        string message = Assert.Throws<InvalidOperationException>(() => archive.LoadOptimizer(new Adamax())).Message;
        Assert.Equal("the archive: the order of the variables of layers/mine in the model is unknown. "
            + "Give Open the paths that [v.path for v in model.trainable_variables] has in Python, or LoadOptimizer the variables.", message);
    }

    [Fact]
    public void StatisticsAndFrozenLayersAreNotTrained()
    {
        KerasArchive archive = Make(
            """
            [{"class_name": "BatchNormalization", "config": {"name": "bn", "scale": false}},
             {"class_name": "Dense", "config": {"name": "frozen", "trainable": false}}]
            """,
            ("layers/batch_normalization/vars/0", "bn"), ("layers/batch_normalization/vars/1", "bn"),
            ("layers/batch_normalization/vars/2", "bn"), ("layers/dense/vars/0", "frozen"), ("layers/dense/vars/1", "frozen"));
        Assert.Equal(["bn/beta", "bn/moving_mean", "bn/moving_variance", "frozen/kernel", "frozen/bias"], Paths(archive));
        Assert.Equal(["bn/beta"], archive.TrainableVariables.Select(variable => variable.Path));
    }

    [Fact]
    public void WithoutConfigGroupsNameWhatTheyCan()
    {
        KerasArchive archive = KerasArchive.Create(Arrays(
            ["layers/dense_1/vars/0", "layers/batch_normalization_12/vars/0", "layers/batch_normalization_12/vars/1"]));
        Assert.Equal(["batch_normalization_12/moving_mean", "batch_normalization_12/moving_variance", "dense_1/kernel"], Paths(archive));
    }

    [Theory]
    [InlineData("", "x")]
    [InlineData("a/b", "x")]
    public void ANameThatIsNoneIsRefused(string name, string _) =>
        Assert.Throws<InvalidFileException>(() => Make("[]", ("layers/dense/vars/0", name)));

    [Fact]
    public void WhichOfTwoLayersOfOneNameIsFirstIsNotKnown()
    {
        // A model that is a class of its own may have them.
        const string dense = """{"class_name": "Dense", "config": {"name": "a"}}""";
        KerasArchive archive = Make($"[{dense}, {dense}]", "t>Own", ("layers/dense/vars/0", "a"), ("layers/dense_1/vars/0", "a"));
        Assert.Equal(["a/kernel", "a/kernel"], Paths(archive));
        Assert.Equal("layers", archive.UnorderedGroup);
        Assert.Equal(2, archive["layers/dense_1/vars/0"].Length);
    }

    [Fact]
    public void AFrozenCopyOfATrainedLayerOfOnesOwnIsAnotherVariable()
    {
        // A model that is trained towards a copy of itself begins with equal values.
        const string Layers = """
            [{"class_name": "Mine", "module": "t", "config": {"name": "online"}},
             {"class_name": "Copy", "module": "t", "config": {"name": "target", "trainable": false}}]
            """;
        using var folder = new TemporaryFolder();
        KerasArchive made = Make(Layers, ("layers/mine/vars/0", "online"), ("layers/copy/vars/0", "target"));
        var optimizer = new Adamax(0.1);
        optimizer.Build(made.TrainableVariables);
        made.Optimizer = optimizer;
        made.Save(folder / "model.keras");
        foreach (string[]? paths in new string[]?[] { null, ["online/w"] })
        {
            KerasArchive archive = KerasArchive.Open(folder / "model.keras", trainablePaths: paths);
            archive.LoadOptimizer().Apply([new[] { 1f, 1f }]);
            archive.Save(folder / "next.keras");
            KerasArchive next = KerasArchive.Open(folder / "next.keras");
            Assert.NotEqual([1f, 2f], next.Read("layers/mine/vars/0").AsSpan<float>().ToArray());
            Assert.Equal([1f, 2f], next.Read("layers/copy/vars/0").AsSpan<float>().ToArray());
        }
    }

    [Theory]
    [InlineData("gptq/4/-1", "d/bias", "d/quantized_kernel")]
    [InlineData("awq/4/-1", "d/bias", "d/quantized_kernel")]
    [InlineData("int8", "d/kernel", "d/bias")]
    [InlineData("ternary", "d/kernel", "d/bias")]
    public void OnlyTheBiasOfAQuantizedLayerIsTrained(string mode, string first, string second)
    {
        KerasArchive archive = Make(
            """[{"class_name": "Dense", "config": {"name": "d", "dtype": {"class_name": "QuantizedDTypePolicy", "config": {"mode": "MODE"}}}}]""".Replace("MODE", mode),
            ("layers/dense/vars/0", "d"), ("layers/dense/vars/1", "d"), ("layers/dense/vars/2", "d"));
        Assert.Equal([first, second, "d/kernel_scale"], Paths(archive));
        Assert.Equal(["d/bias"], archive.TrainableVariables.Select(variable => variable.Path));
    }

    [Theory]
    [InlineData("EinsumDense", "int8", "\"bias_axes\": null", "kernel kernel_scale", "")]
    [InlineData("EinsumDense", "int8", "\"bias_axes\": \"d\"", "kernel bias kernel_scale", "bias")]
    [InlineData("EinsumDense", "gptq/4/128", "\"bias_axes\": null", "quantized_kernel kernel_scale kernel_zero g_idx", "")]
    [InlineData("Dense", "awq/4/128", "\"use_bias\": true", "bias quantized_kernel kernel_scale kernel_zero awq_scales g_idx", "bias")]
    [InlineData("Dense", "int4/64", "\"use_bias\": true", "kernel bias kernel_scale kernel_zero g_idx", "bias")]
    [InlineData("TernaryDense", "ternary", "\"use_bias\": false", "kernel kernel_scale", "")]
    [InlineData("Embedding", "int4/64", "\"mask_zero\": true", "embeddings embeddings_scale embeddings_zero g_idx", "")]
    [InlineData("ReversibleEmbedding", "int8", "\"tie_weights\": true", "embeddings embeddings_scale", "")]
    [InlineData("ReversibleEmbedding", "int8", "\"tie_weights\": false", "embeddings embeddings_scale reverse_embeddings reverse_embeddings_scale", "")]
    [InlineData("BatchNormalization", "int8", "\"center\": true", "gamma beta moving_mean moving_variance", "gamma beta")] // is not quantized
    public void WeightsOfQuantizedLayersAreKerass(string layerClass, string mode, string setting, string names, string trained)
    {
        string group = $"layers/{Regex.Replace(layerClass, "(?<=.)([A-Z])", "_$1").ToLowerInvariant()}";
        KerasArchive archive = Make(
            $"[{Layer(layerClass, $"{setting}, \"dtype\": {Layer("QuantizedDTypePolicy", $"\"mode\": \"{mode}\"")}")}]",
            [.. names.Split(' ').Select((_, i) => ($"{group}/vars/{i}", "x"))]);
        Assert.Equal(names.Split(' '), archive.Weights.Select(weight => weight.Variable.Name));
        Assert.Equal(trained, string.Join(' ', archive.TrainableVariables.Select(variable => variable.Name)));
    }

    [Fact]
    public void TheOtherMatrixOfAReversibleEmbeddingWithLoraIsTrained()
    {
        KerasArchive archive = Make(
            """[{"class_name": "ReversibleEmbedding", "config": {"name": "e", "tie_weights": false, "lora_rank": 2}}]""",
            ("layers/reversible_embedding/vars/0", "e"), ("layers/reversible_embedding/vars/1", "e"));
        Assert.Equal(["e/reverse_embeddings"], archive.TrainableVariables.Select(variable => variable.Path));
    }

    [Theory]
    [InlineData("StringLookup", "\"output_mode\": \"tf_idf\"", "layers/string_lookup/vars/idf_weights")]
    [InlineData("IntegerLookup", "\"output_mode\": \"tf_idf\"", "layers/integer_lookup/vars/idf_weights")]
    [InlineData("TextVectorization", "\"output_mode\": \"tf_idf\"", "layers/text_vectorization/_lookup_layer/vars/idf_weights")]
    [InlineData("Discretization", "\"num_bins\": 4", "layers/discretization/vars/0")] // of early versions of Keras
    public void WhatPreprocessingKeepsIsNotTrained(string layerClass, string setting, string location)
    {
        KerasArchive archive = Make(
            $"[{Layer(layerClass, setting)}, {Layer("Dense", "\"use_bias\": false", name: "d")}]",
            (location, "inner"), OuterName(location), ("layers/dense/vars/0", "d"));
        Assert.Equal(["d/kernel"], archive.TrainableVariables.Select(variable => variable.Path));
        Assert.Null(archive.UnorderedGroup);
    }

    [Theory]
    [InlineData("JaxLayer", "layers/jax_layer/vars", "what the layer x (jax_layer) wraps is not in the file")]
    [InlineData("TFSMLayer", "layers/tfsm_layer/vars", "what the layer x (tfsm_layer) wraps is not in the file")]
    [InlineData("TorchModuleWrapper", "layers/torch_module_wrapper/vars", "what the layer x (torch_module_wrapper) wraps is not in the file")]
    [InlineData("Mine", "layers/mine/normalization/vars", "of what class the layer x/normalization is, is not in the file")]
    public void WhatIsTrainedOfALayerThatIsNotInTheFileMustBeGiven(string layerClass, string group, string problem)
    {
        int count = layerClass == "Mine" ? 3 : 1;
        KerasArchive archive = Make($"[{Layer(layerClass, "\"trainable\": true")}]", [.. Enumerable.Range(0, count).Select(i => ($"{group}/{i}", group.Split('/')[^2])), OuterName(group)]);
        var optimizer = new Adamax();
        optimizer.Build(archive.Weights.Select(weight => weight.Variable));
        Refusal.Is<InvalidOperationException>(
            $"the archive: {problem}, nor which of its weights are trained. Give Open the paths that [v.path for v in model.trainable_variables] has in Python.",
            () => archive.Optimizer = optimizer);
    }

    [Fact]
    public void ALayerThatWasNotBuiltHasNoWeights()
    {
        KerasArchive archive = Make(
            $"[{Layer("Bidirectional", $"\"layer\": {Layer("Dense", "\"units\": 1", name: "f")}")}, {Layer("Dense", "\"units\": 1", name: "d")}]",
            ("layers/dense/vars", "d"), ("layers/bidirectional/forward_layer/vars/0", "f"));
        var optimizer = new Adamax();
        optimizer.Build(archive.TrainableVariables);
        archive.Optimizer = optimizer;
    }

    [Fact]
    public void EveryLayerThatKerasExportsIsInTheDocumentation()
    {
        // The rows of a table: the layers' names, then how their weights are ordered, "none" or "refused".
        (string Name, string Weights)[] documented =
        [
            .. from line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "formats.md"))
               where line.StartsWith("| `", StringComparison.Ordinal) && line.Count(c => c == '|') == 3
               let cells = line.Split('|', StringSplitOptions.TrimEntries)
               from Match name in Regex.Matches(cells[1], "`([A-Z][A-Za-z0-9]*)`")
               select (name.Groups[1].Value, cells[2]),
        ];
        string[] exported = File.ReadAllLines(PathOf("exported.txt"));
        Assert.Equal(exported.Order(StringComparer.Ordinal), documented.Select(layer => layer.Name).Order(StringComparer.Ordinal));
        Assert.All(documented, layer =>
        {
            string? layerClass = ModelWeights.GroupClassOf(new JsonObject { ["class_name"] = layer.Name });
            Assert.Equal(
                (layer.Weights != "none" && !layer.Weights.StartsWith("refused", StringComparison.Ordinal), layer.Weights.StartsWith("refused", StringComparison.Ordinal)),
                (LayerWeight.IsKnown(layerClass), LayerWeight.IsForeign(layerClass)));
        });
    }

    [Fact]
    public void ALayerOfKerasWithMoreWeightsThanItsSettingsTellIsNotTrained()
    {
        // A map of policies says elsewhere that the layer is quantized.
        KerasArchive archive = Make(
            """[{"class_name": "Dense", "config": {"name": "d", "dtype": {"class_name": "DTypePolicyMap", "config": {}}}}]""",
            ("layers/dense/vars/0", "d"), ("layers/dense/vars/1", "d"), ("layers/dense/vars/2", "d"));
        var optimizer = new Adamax();
        optimizer.Build(archive.TrainableVariables);
        Refusal.Is<InvalidOperationException>(
            "the archive: the layer d has 3 weights, which does not match its settings: it is not known which of them Keras trains. Give the variables.",
            () => archive.Optimizer = optimizer);
    }

    [Fact]
    public void AModelOfOnesOwnCanListItsLayersAsItLikes()
    {
        KerasArchive archive = Make(
            """[{"class_name": "Dense", "config": {"name": "b"}}, {"class_name": "Dense", "config": {"name": "a"}}]""",
            registeredName: "t>Mine", ("layers/dense/vars/0", "a"), ("layers/dense_1/vars/0", "b"));
        Assert.Equal("layers", archive.UnorderedGroup);
    }

    [Fact]
    public void AKernelThatIsNoCopyIsNotTakenForOne()
    {
        // Of a layer of one's own the first weight need not be the kernel.
        const string Layer = "layers/spectral_normalization";
        KerasArchive archive = KerasArchive.Create(
            [
                KeyValuePair.Create($"{Layer}/vars/0", NdArray.Create([1f, 2f])), KeyValuePair.Create($"{Layer}/vars/1", NdArray.Create([5f, 6f])),
                KeyValuePair.Create($"{Layer}/layer/vars/0", NdArray.Create([3f, 4f])), KeyValuePair.Create($"{Layer}/layer/vars/1", NdArray.Create([1f, 2f])),
            ],
            modelConfig: (JsonObject)JsonNode.Parse("""
                {"class_name": "Sequential", "config": {"name": "m", "layers": [{"class_name": "SpectralNormalization", "config":
                    {"name": "s", "layer": {"class_name": "Mine", "module": "t", "config": {"name": "i"}}}}]}}
                """)!);
        Assert.Equal($"{Layer}/vars", archive.UnorderedGroup);
    }

    // The name of the layer of the model in whose group a location is.
    static (string, string) OuterName(string location) => (string.Join('/', location.Split('/')[..2]) + "/vars", "x");

    static string Layer(string layerClass, string setting, string name = "x") =>
        $"{{\"class_name\": \"{layerClass}\", \"config\": {{\"name\": \"{name}\", {setting}}}}}";

    static KerasArchive Make(string layers, params (string Location, string Name)[] weights) => Make(layers, registeredName: null, weights);

    static KerasArchive Make(string layers, string? registeredName, params (string Location, string Name)[] weights)
    {
        var config = new JsonObject
        {
            ["class_name"] = "Sequential",
            ["registered_name"] = registeredName,
            ["config"] = new JsonObject { ["name"] = "model", ["layers"] = JsonNode.Parse(layers) },
        };
        IEnumerable<(string Group, string Name)> names = weights
            .Select(weight => (weight.Location.EndsWith("vars", StringComparison.Ordinal) ? weight.Location : weight.Location[..weight.Location.LastIndexOf('/')], weight.Name))
            .Distinct();
        return KerasArchive.Create(
            Arrays(weights.Select(weight => weight.Location).Where(location => !location.EndsWith("vars", StringComparison.Ordinal))),
            names.Select(name => KeyValuePair.Create(name.Group, name.Name)), config);
    }

    static IEnumerable<KeyValuePair<string, NdArray>> Arrays(IEnumerable<string> locations) =>
        locations.Select(location => KeyValuePair.Create(location, NdArray.Create([1f, 2f])));

    static string PathOf(string file) => Path.Combine(AppContext.BaseDirectory, "Golden", "keras-layers", file);

    static KerasArchive Open(string file) => KerasArchive.Open(PathOf(file));

    static IEnumerable<string> Paths(KerasArchive archive) => archive.Weights.Select(weight => weight.Variable.Path);
}
