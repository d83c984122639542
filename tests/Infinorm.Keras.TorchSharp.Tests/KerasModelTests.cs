using Infinorm.Keras.Torch.Layers;
using Infinorm.Keras.Torch.Training;
using Infinorm.Optimizers;
using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Tests;

/// <summary>What a user does with a model besides what Keras has numbers for.</summary>
public sealed class KerasModelTests
{
    [Fact]
    public void TheDocumentsExampleTrains()
    {
        using var scope = NewDisposeScope();
        string folder = Directory.CreateTempSubdirectory().FullName, former = Directory.GetCurrentDirectory();
        GoldenModel golden = GoldenModel.Read("mlp");
        File.Copy(golden.Archive, Path.Combine(folder, "digits.keras"));
        Tensor images, labels;
        using (var opened = KerasModel.Open(golden.Archive))
            (images, labels) = (golden.Inputs(opened)[0], golden.PerOutput(opened, "y")[0]!);
        Directory.SetCurrentDirectory(folder);
        try
        {
            // snippet
            using var model = KerasModel.Open("digits.keras");              // network, weights, optimizer with state, loss, metrics
            Console.WriteLine(model.Summary());
            using Tensor before = model.Predict(images);                    // Keras's numbers
            var data = new KerasData(images, labels);
            History history = model.Fit(data, batchSize: 4, epochs: 3);     // the steps Keras would take next, but for the order of the examples
            Console.WriteLine($"loss {history["loss"][^1]:F3}, {model.Evaluate(data)["accuracy"]:P0} right");
            model.Save("digits.keras");                                     // Python can continue from it
            // end
            Assert.Equal(9 + 2, KerasArchive.Open("digits.keras").LoadOptimizer().Iterations);
            Assert.False(before.allclose(model.Predict(images)));
        }
        finally
        {
            Directory.SetCurrentDirectory(former);
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void WeightsAreOneMemory()
    {
        using var scope = NewDisposeScope();
        using var model = Open("mlp");
        var kernel = (Variables.Variable<float>)model.Archive["h1/kernel"];
        Tensor parameter = model.get_parameter("h1.kernel")!;
        Assert.Equal(kernel.Span[3], parameter[0, 3].item<float>());
        kernel.Span[3] = 42;
        Assert.Equal(42, parameter[0, 3].item<float>());
        Assert.Equal(42, model.Optimizer.Optimizer.TrainableVariables[0].ToNdArray().AsSpan<float>()[3]);
    }

    [Fact]
    public void ARegisteredLayerHasTheArchivesWeights()
    {
        using var scope = NewDisposeScope();
        GoldenModel golden = GoldenModel.Read("refuse_custom_layer");
        KerasArchive archive = KerasArchive.Open(golden.Archive);
        archive.ModelConfig!["config"]!["layers"]![2]!["registered_name"] = "own>Scale"; // another test has acme's refused
        KerasModel.Register("own>Scale", config => new Scale(config));
        using var model = KerasModel.Of(archive);
        Tensor input = golden.Inputs(model)[0];
        Tensor hidden = input.matmul(Of(model, "h/kernel")) + Of(model, "h/bias");
        Assert.True(model.Predict(input).allclose(hidden * Of(model, "scale/0") * 2.0));
        Assert.Contains(model.named_parameters(), named => named.name == "scale.0");
    }

    [Fact]
    public void InputsAndOutputsHaveNames()
    {
        using var scope = NewDisposeScope();
        using var model = Open("dict_io");
        GoldenModel golden = GoldenModel.Read("dict_io");
        Tensor[] inputs = golden.Inputs(model);
        var named = model.InputNames.Zip(inputs).ToDictionary(item => item.First, item => item.Second);
        Dictionary<string, Tensor> outputs = model.Predict(named);
        Assert.Equal(["a_prob", "z_score"], outputs.Keys.Order());
        Tensor[] listed = model.Predict(inputs);
        for (int i = 0; i < listed.Length; i++)
            Assert.Equal(listed[i].data<float>().ToArray(), outputs[model.OutputNames[i]].data<float>().ToArray());
        named.Remove("beta");
        Assert.Contains("beta", Assert.Throws<ArgumentException>(() => model.Predict(named)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PredictingInBatchesChangesNothing()
    {
        using var scope = NewDisposeScope();
        using var model = Open("cnn");
        Tensor input = GoldenModel.Read("cnn").Inputs(model)[0];
        Assert.True(model.Predict(input, batchSize: 3).allclose(model.Predict(input), rtol: 1e-6, atol: 1e-7));
    }

    [Fact]
    public void AnInputOfAnotherShapeIsRefusedWithItsName()
    {
        using var scope = NewDisposeScope();
        using var model = Open("mlp");
        string message = Assert.Throws<ArgumentException>(() => model.Predict(zeros(2, 5))).Message;
        Assert.Contains("[any, 6]", message, StringComparison.Ordinal);
        Assert.Contains("[2, 5]", message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFrozenLayerStaysAndTheOthersGoOn()
    {
        using var scope = NewDisposeScope();
        GoldenModel golden = GoldenModel.Read("mlp");
        using var model = KerasModel.Open(golden.Archive);
        using var reference = KerasModel.Open(golden.Archive);
        KerasData data = golden.Data(model);
        model.TrainOnBatch(data);
        reference.TrainOnBatch(data);
        model.Layers.Single(layer => layer.LayerName == "h1").IsTrainable = false;
        float[] frozen = Values(model, "h1/kernel");
        model.TrainOnBatch(data);
        reference.TrainOnBatch(data);
        Assert.Equal(frozen, Values(model, "h1/kernel"));
        Assert.Equal(Values(reference, "out/kernel"), Values(model, "out/kernel")); // with the momentum of the first step

        using var file = new MemoryStream();
        model.Save(file);
        file.Position = 0;
        using var again = KerasModel.Open(file);
        Assert.False(again.Layers.Single(layer => layer.LayerName == "h1").IsTrainable);
        Assert.Equal(4, again.Optimizer.Optimizer.TrainableVariables.Count);
        again.TrainOnBatch(data);
        model.TrainOnBatch(data);
        Assert.Equal(Values(model, "out/kernel"), Values(again, "out/kernel"));

        model.Layers.Single(layer => layer.LayerName == "h1").IsTrainable = true;
        model.TrainOnBatch(data);
        Assert.NotEqual(frozen, Values(model, "h1/kernel"));
    }

    [Fact]
    public void WhatIsExcludedFromWeightDecayStaysSoWhenLayersAreFrozen()
    {
        using var scope = NewDisposeScope();
        GoldenModel golden = GoldenModel.Read("mlp");
        using var model = KerasModel.Open(golden.Archive);
        var optimizer = new Adamax(0.0) { WeightDecay = 0.1 };
        optimizer.ExcludeFromWeightDecay([model.Archive["h1/kernel"]], ["bias"]);
        model.Compile(optimizer);
        model.Layers.Single(layer => layer.LayerName == "h1").IsTrainable = false;
        Assert.Equal(["h2/bias", "out/bias"], Excluded());
        model.Layers.Single(layer => layer.LayerName == "h1").IsTrainable = true;
        Assert.Equal(["h1/bias", "h1/kernel", "h2/bias", "out/bias"], Excluded());

        string[] Excluded() => [.. model.Optimizer.Optimizer.WeightDecayExclusions.Select(variable => variable.Path).Order(StringComparer.Ordinal)];
    }

    [Fact]
    public void ALossAndAnOptimizerCanBeGivenInCode()
    {
        using var scope = NewDisposeScope();
        GoldenModel golden = GoldenModel.Read("refuse_custom_loss");
        using var model = KerasModel.Open(golden.Archive);
        KerasData data = golden.Data(model);
        Assert.Throws<InvalidOperationException>(() => model.Fit(data));
        model.Compile(new Adamax(0.05), [KerasLoss.Of("mse")], metrics: [[KerasMetric.Of("mae"), KerasMetric.Mean("off", (y, p) => (y - p).abs().amax([1]))]]);
        History history = model.Fit(data, batchSize: 3, epochs: 20);
        Assert.True(history["loss"][^1] < history["loss"][0]);
        Assert.Equal(["loss", "mae", "off", "learning_rate"], history.Epochs[0].Values.Keys);
    }

    [Fact]
    public void ATrainersBatchesTrainTheModel()
    {
        using var scope = NewDisposeScope();
        GoldenModel golden = GoldenModel.Read("mlp");
        using var model = KerasModel.Open(golden.Archive);
        using var reference = KerasModel.Open(golden.Archive);
        KerasData data = golden.Data(model);
        History history = model.Fit(new TensorBatches(data.Inputs[0], data.Targets[0]!, batchSize: 4, shuffle: false), epochs: 2);
        History expected = reference.Fit(data, batchSize: 4, epochs: 2, shuffle: false);
        Assert.Equal(expected["loss"], history["loss"]);
        Assert.Equal(expected["accuracy"], history["accuracy"]);
        Assert.Equal(Values(reference, "h1/kernel"), Values(model, "h1/kernel"));
    }

    [Fact]
    public void DropoutIsForTrainingOnly()
    {
        using var scope = NewDisposeScope();
        using var model = Open("dropout_and_noise");
        Tensor[] inputs = GoldenModel.Read("dropout_and_noise").Inputs(model);
        model.train();
        Tensor[] noisy = model.Call(inputs), other = model.Call(inputs);
        model.eval();
        Tensor[] still = model.Call(inputs), same = model.Call(inputs);
        Assert.All(still.Zip(same), pair => Assert.True(pair.First.eq(pair.Second).all().item<bool>()));
        Assert.All(noisy.Zip(other), pair => Assert.False(pair.First.eq(pair.Second).all().item<bool>()));
    }

    [Fact]
    public void EverythingThatIsNotKnownIsNamedAtOnce()
    {
        KerasArchive archive = KerasArchive.Open(GoldenModel.Read("mlp").Archive);
        var layers = archive.ModelConfig!["config"]!["layers"]!.AsArray();
        layers[1]!["class_name"] = "Strange";
        layers[2]!["config"]!["oddity"] = 3;
        layers[4]!["config"]!["activation"] = "wild";
        string message = Assert.Throws<NotSupportedException>(() => KerasModel.Of(archive)).Message;
        Assert.Contains("3 parts", message, StringComparison.Ordinal);
        Assert.Contains("h1 (Strange)", message, StringComparison.Ordinal);
        Assert.Contains("oddity", message, StringComparison.Ordinal);
        Assert.Contains("wild", message, StringComparison.Ordinal);
    }

    [Fact]
    public void AModelOfKeras2sLayoutOpensWithItsOptimizer()
    {
        using var scope = NewDisposeScope();
        string file = Path.Combine(AppContext.BaseDirectory, "Files", "legacy.h5");
        using var model = KerasModel.Open(file);
        Tensor input = arange(8, dtype: ScalarType.Float32).view(2, 4) / 8;
        Tensor hidden = (input.matmul(Of(model, "hidden/kernel")) + Of(model, "hidden/bias")).relu();
        Assert.True(model.Predict(input).allclose(hidden.matmul(Of(model, "out/kernel")) + Of(model, "out/bias")));
        Assert.True(model.Optimizer.Optimizer.Iterations > 0);
        Assert.Contains(model.Optimizer.Optimizer.Variables[2].ToNdArray().AsSpan<float>().ToArray(), momentum => momentum != 0);
        var data = new KerasData(input, ones(2, 2));
        Assert.Equal(["loss", "mae"], model.TrainOnBatch(data).Keys);

        using var saved = new MemoryStream();
        model.Save(saved);
        saved.Position = 0;
        using var again = KerasModel.Open(saved);
        again.TrainOnBatch(data);
        model.TrainOnBatch(data);
        Assert.Equal(Values(model, "hidden/kernel"), Values(again, "hidden/kernel"));
    }

    [Theory]
    [InlineData("Adamax/{0}/{1}:0")] // as Keras 2 has it
    [InlineData("Adamax/{1}/{0}:0")] // as its last versions have it
    public void TheStateOfAKeras2OptimizerIsRead(string form)
    {
        using var scope = NewDisposeScope();
        string path = Path.Combine(AppContext.BaseDirectory, "Files", "legacy.h5");
        Hdf5.Hdf5Group root = Hdf5.Hdf5Reader.Read(path, File.ReadAllBytes(path));
        var former = root.Groups["optimizer_weights"].AllDatasets().ToArray();
        root.Groups["optimizer_weights"] = new Hdf5.Hdf5Group();
        foreach (var (name, dataset) in former)
        {
            string last = name[(name.LastIndexOf('/') + 1)..].Replace("sequential_6_", "", StringComparison.Ordinal);
            if (last == "learning_rate")
                continue;
            string[] parts = last.Split('_');
            string place = last == "iteration" ? "Adamax/iter:0"
                : string.Format(null, form, $"{parts[0]}/{parts[1]}", parts[2] == "momentum" ? "m" : "v");
            int start = place.LastIndexOf('/') + 1;
            root.Groups["optimizer_weights"].Make(place[..start]).Datasets.Add(place[start..], dataset);
        }

        foreach (var (_, group) in root.All())
        {
            foreach (string unread in group.Attributes.Where(attribute => attribute.Value is null).Select(attribute => attribute.Key).ToArray())
                group.Attributes.Remove(unread);
        }

        using var file = new MemoryStream();
        Hdf5.Hdf5Writer.Write(file, root);
        file.Position = 0;
        using var model = KerasModel.Open(file);
        using var expected = KerasModel.Open(path);
        Assert.True(expected.Optimizer.Optimizer.Iterations > 0);
        Assert.Equal(expected.Optimizer.Optimizer.Iterations, model.Optimizer.Optimizer.Iterations);
        foreach (var (own, other) in model.Optimizer.Optimizer.Variables.Zip(expected.Optimizer.Optimizer.Variables))
            Assert.Equal(other.ToNdArray().Bytes.ToArray(), own.ToNdArray().Bytes.ToArray());
    }

    static KerasModel Open(string id) => KerasModel.Open(GoldenModel.Read(id).Archive);

    static Tensor Of(KerasModel model, string path) => SharedMemory.AsTensor(model.Archive[path]);

    static float[] Values(KerasModel model, string path) => ((Variables.Variable<float>)model.Archive[path]).Span.ToArray();

    // snippet
    sealed class Scale : KerasLayer
    {
        readonly LayerWeight _weight;
        readonly double _factor;

        public Scale(LayerConfig config)
            : base(config)
        {
            _factor = config.Number("factor", 1);
            _weight = AddWeight("0");
        }

        protected internal override object Call(LayerCall call) => call.Input * _weight.Value * _factor;
    }
    // end
}
