using Infinorm.Keras.Torch.Training;
using static Infinorm.Keras.Torch.Tests.SmallModel;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Tests;

/// <summary>
/// Options of layers that no archive of the test data has. What is expected is computed by plain loops, or stated in Keras's own tests.
/// </summary>
public sealed class LayerOptionTests
{
    [Theory]
    [InlineData("valid", 1, 1, 1, false)]
    [InlineData("valid", 2, 1, 2, true)]
    [InlineData("same", 3, 1, 1, false)]
    [InlineData("same", 2, 1, 2, true)]
    [InlineData("same", 1, 3, 1, true)]
    [InlineData("causal", 1, 2, 2, false)]
    [InlineData("causal", 2, 1, 1, true)]
    public void Conv1D(string padding, int stride, int dilation, int groups, bool isChannelsFirst)
    {
        using var scope = NewDisposeScope();
        const int steps = 9, channels = 4, filters = 6, size = 3;
        Tensor x = Numbers(1, 2, steps, channels), kernel = Numbers(2, size, channels / groups, filters), bias = Numbers(3, filters);
        using var model = Of(
            isChannelsFirst ? [-1, channels, steps] : [-1, steps, channels],
            [("Conv1D", $$"""
                {"filters": {{filters}}, "kernel_size": [{{size}}], "strides": [{{stride}}], "padding": "{{padding}}", "dilation_rate": [{{dilation}}],
                 "groups": {{groups}}, "data_format": "{{(isChannelsFirst ? "channels_first" : "channels_last")}}"}
                """)],
            [("layers/conv1d/vars/0", kernel), ("layers/conv1d/vars/1", bias)]);
        int extent = ((size - 1) * dilation) + 1;
        int total = padding == "valid"
            ? 0
            : padding == "causal"
            ? extent - 1
            : Math.Max(0, (((steps + stride - 1) / stride - 1) * stride) + extent - steps);
        int left = padding == "causal" ? total : total / 2, count = ((steps + total - extent) / stride) + 1;
        float[] values = Values(x), weights = Values(kernel), biases = Values(bias);
        var expected = new List<double>();
        for (int b = 0; b < 2; b++)
        {
            for (int first = 0; first < count; first++)
            {
                for (int f = 0; f < filters; f++)
                {
                    double sum = biases[f];
                    int group = f / (filters / groups);
                    for (int k = 0; k < size; k++)
                    {
                        int step = (first * stride) + (k * dilation) - left;
                        for (int c = 0; c < channels / groups && step >= 0 && step < steps; c++)
                            sum += values[(((b * steps) + step) * channels)
                                + (group * (channels / groups))
                                + c] * weights[(((k * (channels / groups)) + c) * filters) + f];
                    }

                    expected.Add(sum);
                }
            }
        }

        Tensor output = model.Predict(isChannelsFirst ? x.transpose(1, 2) : x);
        AssertClose(expected, isChannelsFirst ? output.transpose(1, 2) : output);
    }

    [Theory]
    [InlineData(true, "same", 2, 3)]
    [InlineData(true, "valid", 3, 2)]
    [InlineData(false, "same", 3, 2)]
    [InlineData(false, "same", 2, 1)]
    [InlineData(false, "valid", 2, 3)]
    public void Pooling1D(bool isMaximum, string padding, int size, int stride)
    {
        using var scope = NewDisposeScope();
        const int steps = 8;
        Tensor x = Numbers(4, 1, steps, 1);
        using var model = Of([-1, steps, 1],
            [($"{(isMaximum ? "Max" : "Average")}Pooling1D",
                $$"""{"pool_size": [{{size}}], "strides": [{{stride}}], "padding": "{{padding}}"}""")]);
        float[] values = Values(x);
        int count = padding == "same" ? (steps + stride - 1) / stride : ((steps - size) / stride) + 1;
        int left = padding == "same" ? Math.Max(0, ((count - 1) * stride) + size - steps) / 2 : 0;
        double[] expected = [.. Enumerable.Range(0, count).Select(i =>
        {
            float[] window = values[Math.Max(0, (i * stride) - left)..Math.Min(steps, (i * stride) - left + size)];
            return isMaximum ? window.Max() : window.Average(value => (double)value);
        })];
        AssertClose(expected, model.Predict(x));
    }

    [Fact]
    public void AttentionOverOtherAxes()
    {
        using var scope = NewDisposeScope();
        const int rows = 2, steps = 3, size = 4, heads = 2, depth = 3;
        Tensor x = Numbers(5, 1, rows, steps, size);
        (string, Tensor)[] weights = [.. new[] { "query", "key", "value" }.SelectMany((name, i) => new[]
        {
            ($"layers/multi_head_attention/{name}_dense/vars/0", Numbers(10 + i, size, heads, depth)),
            ($"layers/multi_head_attention/{name}_dense/vars/1", Numbers(20 + i, heads, depth)),
        }), ("layers/multi_head_attention/output_dense/vars/0", Numbers(30, heads, depth, size)),
            ("layers/multi_head_attention/output_dense/vars/1", Numbers(31, size))];
        foreach (string axes in new[] { "[2]", "[1]", "[1, 2]" })
        {
            using var model = OfInputs(
                [[-1, rows, steps, size], [-1, rows, steps, size]], "MultiHeadAttention",
                $$"""{"num_heads": {{heads}}, "key_dim": {{depth}}, "value_dim": {{depth}}, "attention_axes": {{axes}}}""",
                kwargs: """{"return_attention_scores": true}""", weights: weights, outputs: 2);
            double[][][] q = Project(0), k = Project(1), v = Project(2);
            var expected = new double[rows * steps * size];
            float[] outKernel = Values(weights[^2].Item2), outBias = Values(weights[^1].Item2);
            for (int place = 0; place < rows * steps; place++)
            {
                for (int o = 0; o < size; o++)
                    expected[(place * size) + o] = outBias[o];
                for (int h = 0; h < heads; h++)
                {
                    int[] others = [.. Enumerable.Range(0, rows * steps).Where(other => axes switch
                    {
                        "[2]" => other / steps == place / steps,
                        "[1]" => other % steps == place % steps,
                        _ => true,
                    })];
                    double[] scores = [.. others.Select(other => Math.Exp(q[place][h].Zip(k[other][h],
                        (a, b) => a * b).Sum() / Math.Sqrt(depth)))];
                    for (int d = 0; d < depth; d++)
                    {
                        double mixed = others.Select((other, i) => scores[i] / scores.Sum() * v[other][h][d]).Sum();
                        for (int o = 0; o < size; o++)
                            expected[(place * size) + o] += mixed * outKernel[(((h * depth) + d) * size) + o];
                    }
                }
            }

            Tensor[] outputs = model.Predict([x, x]);
            AssertClose(expected, outputs[0]);
            Assert.Equal(
                axes switch
                {
                    "[2]" => [1, rows, heads, steps, steps],
                    "[1]" => [1, steps, heads, rows, rows],
                    _ => new long[] { 1, heads, rows, steps, rows, steps }
                },
                outputs[1].shape);
        }

        double[][][] Project(int which)
        {
            float[] values = Values(x), kernel = Values(weights[2 * which].Item2), bias = Values(weights[(2 * which) + 1].Item2);
            return [.. Enumerable.Range(0,
                rows * steps).Select(place => Enumerable.Range(0, heads).Select(h => Enumerable.Range(0, depth).Select(d =>
                bias[(h * depth) + d]
                    + Enumerable.Range(0, size).Sum(c => (double)values[(place * size) + c] * kernel[(((c * heads) + h) * depth) + d]))
                        .ToArray()).ToArray())];
        }
    }

    [Theory]
    [InlineData("LSTM", 4)]
    [InlineData("GRU", 3)]
    [InlineData("SimpleRNN", 1)]
    public void AStatefulLayerGoesOnWhereTheLastBatchEnded(string className, int gates)
    {
        using var scope = NewDisposeScope();
        string group = className switch { "SimpleRNN" => "simple_rnn", _ => className.ToLowerInvariant() };
        (string, Tensor)[] weights =
        [
            ($"layers/{group}/cell/vars/0", Numbers(1, 2, 3 * gates)), ($"layers/{group}/cell/vars/1", Numbers(2, 3, 3 * gates)),
            ($"layers/{group}/cell/vars/2", className == "GRU" ? Numbers(3, 2, 3 * gates) : Numbers(3, 3 * gates)),
        ];
        using var stateful = Of([4, -1, 2], [(className, """{"units": 3, "stateful": true, "return_sequences": true}""")], weights);
        using var plain = Of([4, -1, 2], [(className, """{"units": 3, "return_sequences": true}""")], weights);
        Tensor x = Numbers(6, 4, 6, 2);
        Assert.Contains("(4, None, 3)", stateful.Summary(), StringComparison.Ordinal); // which leaves no state behind
        Tensor expected = plain.Predict(x);
        Tensor first = stateful.Predict(x.narrow(1, 0, 2)), rest = stateful.Predict(x.narrow(1, 2, 4));
        Assert.True(cat([first, rest], 1).allclose(expected, atol: 1e-6));
        Assert.False(stateful.Predict(x).allclose(expected, atol: 1e-6));
        Assert.Contains("4 examples; the batch has 2", Assert.Throws<ArgumentException>(() => stateful.Predict(x.narrow(0, 0, 2))).Message,
            StringComparison.Ordinal);
        stateful.ResetStates();
        Assert.True(stateful.Predict(x).allclose(expected, atol: 1e-6));
    }

    [Fact]
    public void RegularizersOfOutputsInTimeDistributedHaveNoPart()
    {
        using var scope = NewDisposeScope();
        const string regularizer = """{"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.5}, "registered_name": null}""";
        const string compile = """{"loss": "mse", "optimizer": {"module": "keras.optimizers", "class_name": "SGD", "config": {"learning_rate": 0.1}, "registered_name": null}}""";
        const string dense = """{"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 2, "activity_regularizer": REGULARIZER}, "registered_name": null}""";
        Tensor kernel = Numbers(1, 3, 2), bias = Numbers(2, 2), x = Numbers(3, 2, 4, 3), y = Numbers(4, 2, 4, 2);
        using var wrapped = Of(
            [-1, 4, 3], [("TimeDistributed", "{\"layer\": " + dense.Replace("REGULARIZER", regularizer, StringComparison.Ordinal) + "}")],
            [("layers/time_distributed/layer/vars/0", kernel), ("layers/time_distributed/layer/vars/1", bias)], compile: compile);
        double expected = (x.matmul(kernel) + bias - y).square().mean().item<float>();
        Assert.Equal(expected, wrapped.Evaluate(x, y)["loss"], 1e-6);
        using var plain = Of(
            [-1, 4, 3], [("Dense", "{\"units\": 2, \"activity_regularizer\": " + regularizer + "}")],
            [("layers/dense/vars/0", kernel), ("layers/dense/vars/1", bias)], compile: compile);
        double added = (x.matmul(kernel) + bias).square().sum().item<float>() * 0.5 / 2;
        Assert.Equal(expected + added, plain.Evaluate(x, y)["loss"], 1e-5);
    }

    [Fact]
    public void AQueryThatSeesNoKeyHasTheSameGradientInBothAttentions()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers(1, 2, 3, 4);
        Tensor[] kernels = [Numbers(2, 4, 2, 2), Numbers(3, 4, 2, 2), Numbers(4, 4, 2, 2), Numbers(5, 2, 2, 4)];
        const string mask = """{"attention_mask": {"class_name": "__numpy__", "config": {"dtype": "bool", "value": [[[true, true, false], [false, false, false], [true, false, true]]]}}}""";
        (float[] Result, float[][] Gradients) multi = Run("MultiHeadAttention", """{"num_heads": 2, "key_dim": 2, "use_bias": false}""",
            "multi_head_attention", ""), grouped = Run("GroupQueryAttention",
            """{"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 2, "use_bias": false}""", "grouped_query_attention", "_");
        AssertClose([.. multi.Result], tensor(grouped.Result));
        for (int i = 0; i < kernels.Length; i++)
            AssertClose([.. multi.Gradients[i]], tensor(grouped.Gradients[i]));

        (float[], float[][]) Run(string className, string config, string group, string prefix)
        {
            string[] names = ["query", "key", "value", "output"];
            using var model = OfInputs([[-1, 3, 4], [-1, 3, 4]], className, config, kwargs: mask,
                weights: [.. names.Zip(kernels, (name, kernel) => ($"layers/{group}/{prefix}{name}_dense/vars/0", kernel))]);
            Tensor result = model.Call([x, x])[0];
            result.square().sum().backward();
            return (Values(result), [.. model.parameters().Select(parameter => Values(parameter.grad!))]);
        }
    }

    [Theory]
    [InlineData("MultiHeadAttention", """{"num_heads": 2, "key_dim": 2, "use_bias": false, """, "multi_head_attention", false)]
    [InlineData("GroupQueryAttention", """{"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 2, "use_bias": false, """,
        "grouped_query_attention", true)]
    public void RegularizersOfOutputsOfAttentionAreForTheProjections(string className, string config, string group, bool isForResult)
    {
        using var scope = NewDisposeScope();
        const string regularizer = """{"module": "keras.regularizers", "class_name": "L1", "config": {"l1": 0.5}, "registered_name": null}""";
        string[] names = className == "MultiHeadAttention"
            ? ["query_dense", "key_dense", "value_dense", "output_dense"]
            : ["_query_dense", "_key_dense", "_value_dense", "_output_dense"];
        Tensor x = Numbers(1, 2, 3, 4), q = Numbers(2, 4, 2, 2), k = Numbers(3, 4, 2, 2), v = Numbers(4, 4, 2, 2), o = Numbers(5, 2, 2, 4);
        using var model = OfInputs([[-1, 3, 4], [-1, 3, 4]], className, config + "\"activity_regularizer\": " + regularizer + "}",
            weights: [.. names.Zip([q, k, v, o], (name, kernel) => ($"layers/{group}/{name}/vars/0", kernel))]);
        model.Compile(losses: [KerasLoss.Of("mse")]);
        using Tensor result = model.Predict([x, x])[0];
        double expected = Sum(result) * (isForResult ? 2 : 1);
        foreach (Tensor kernel in (Tensor[])[q, k, v])
            expected += Sum(einsum("btd,dhk->bthk", x, kernel));
        Assert.Equal(expected * 0.5 / 2, model.Evaluate(new KerasData([x, x], [result]), 2)["loss"], 1e-4);

        static double Sum(Tensor values) => Values(values).Sum(value => (double)Math.Abs(value));
    }

    [Theory]
    [InlineData("false", "{}", true)]
    [InlineData("true", "{}", false)]
    [InlineData("null", """{"training": true}""", false)]
    [InlineData("null", "{}", true)]
    public void TheModeCanBeAnArgumentByPositionOrName(string second, string kwargs, bool isUnchanged)
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(1, 200);
        using var model = OfInputs([[-1, 200]], "Dropout", """{"rate": 0.5, "arg1": MODE}""".Replace("MODE", second, StringComparison.Ordinal),
            kwargs: kwargs);
        Assert.Equal(isUnchanged, Values(model.Predict(x)).All(value => value == 1));
    }

    [Theory]
    [InlineData("""{"axis": -1, "mean": 2.0, "variance": 4.0}""", new[] { -0.5, 0, 0.5, 1, 1.5, 2 })]
    [InlineData("""{"axis": [1, 2], "mean": [1.0, 2.0, 3.0], "variance": [1.0, 4.0, 9.0]}""", new[] { 0, 0, 0, 3, 1.5, 1 })]
    [InlineData("""{"axis": [2, 1], "mean": [[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]], "variance": [[1.0, 1.0, 1.0], [1.0, 1.0, 4.0]]}""",
        new[] { 0, 0, 0, 0, 1.0, 1 })]
    [InlineData("""{"axis": null, "mean": 1.0, "variance": 1.0, "invert": true}""", new[] { 2.0, 3, 4, 5, 6, 7 })]
    public void NormalizationWithGivenStatistics(string config, double[] expected)
    {
        using var scope = NewDisposeScope();
        using var model = Of([-1, 2, 3], [("Normalization", config)]);
        AssertClose(expected, model.Predict(tensor(new[] { 1f, 2, 3, 4, 5, 6 }, [1, 2, 3])));
    }

    [Theory]
    [InlineData("""{"scale": 2.0, "offset": -1.0}""", new[] { 1.0, 3, 5, 7, 9, 11 })]
    [InlineData("""{"scale": [1.0, 2.0, 0.5]}""", new[] { 1.0, 4, 1.5, 4, 10, 3 })]
    [InlineData("""{"scale": {"class_name": "__numpy__", "config": {"value": [[2.0], [1.0]], "dtype": "float32"}}, "offset": 1}""",
        new[] { 3.0, 5, 7, 5, 6, 7 })]
    public void Rescaling(string config, double[] expected)
    {
        using var scope = NewDisposeScope();
        using var model = Of([-1, 2, 3], [("Rescaling", config)]);
        AssertClose(expected, model.Predict(tensor(new[] { 1f, 2, 3, 4, 5, 6 }, [1, 2, 3])));
    }

    [Theory]
    [InlineData("Rescaling", """{"scale": 2.0}""")]
    [InlineData("Normalization", """{"mean": 0.0, "variance": 0.25}""")]
    public void MasksPassPreprocessing(string className, string config)
    {
        using var scope = NewDisposeScope();
        using var model = Of([-1, 2, 1], [("Masking", "{}"), (className, config), ("GlobalAveragePooling1D", "{}")]);
        AssertClose([6], model.Predict(tensor(new[] { 3f, 0 }, [1, 2, 1])));
    }

    [Fact]
    public void BidirectionalZeroesMaskedStepsOfSequences()
    {
        using var scope = NewDisposeScope();
        const string rnn = """{"module": "keras.layers", "class_name": "SimpleRNN", "config": {"name": "r", "units": 1, "use_bias": false, "activation": "linear", "return_sequences": SEQUENCES}, "registered_name": null}""";
        foreach (bool sequences in (bool[])[true, false])
        {
            string layer = rnn.Replace("SEQUENCES", sequences ? "true" : "false", StringComparison.Ordinal);
            (string, Tensor)[] weights = [.. from side in (string[])["forward", "backward"] from i in (int[])[0, 1]
                                             select ($"layers/bidirectional/{side}_layer/cell/vars/{i}", ones(1, 1))];
            using var model = Of([-1, 3, 1], [("Masking", "{}"), ("Bidirectional", "{\"merge_mode\": \"concat\", \"layer\": " + layer + "}")], weights);

            // Sums from the left and from the right; the last step is masked.
            AssertClose(sequences ? [1, 3, 3, 2, 0, 0] : [3, 3], model.Predict(tensor(new[] { 1f, 2, 0 }, [1, 3, 1])));
        }
    }

    [Fact]
    public void MasksReachTheLayerInTimeDistributed()
    {
        using var scope = NewDisposeScope();
        using var model = Of(
            [-1, 2, 3],
            [("Masking", "{}"),
                ("TimeDistributed",
                    """{"layer": {"module": "keras.layers", "class_name": "BatchNormalization", "config": {"name": "bn", "momentum": 0.5, "scale": false, "center": false}, "registered_name": null}}""")],
            [("layers/time_distributed/layer/vars/0", zeros(3)), ("layers/time_distributed/layer/vars/1", ones(3))]);
        float[] values = [1, 2, 3, /**/ 0, 0, 0, /**/ 5, 6, 7, /**/ 1, 1, 2];
        model.train();
        _ = model.forward(tensor(values, [2, 2, 3]));

        // First step: both examples count; second step: only the second example does.
        double[] expected = [.. Enumerable.Range(0, 3).Select(c => (0.5 * 0.5 * (values[c] + values[6 + c]) / 2) + (0.5 * values[9 + c]))];
        AssertClose(expected, tensor(((Variables.Variable<float>)model.Archive["timedistributed/bn/moving_mean"]).Span.ToArray()));
    }

    [Fact]
    public void IndicesBelow0CountFromTheEnd()
    {
        using var scope = NewDisposeScope();
        Tensor rows = Numbers(1, 5, 2);
        using var model = Of([-1, 3], [("Embedding", """{"input_dim": 5, "output_dim": 2}""")], [("layers/embedding/vars/0", rows)],
            "int32");
        float[] all = Values(rows);
        AssertClose([.. new[] { 4, 0, 2 }.SelectMany(row => new double[] { all[2 * row], all[(2 * row) + 1] })],
            model.Predict(tensor(new[] { -1, 0, -3 }, [1, 3])));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(-6)]
    public void AnEmbeddingHasNoRowBeyondItsLast(int index)
    {
        using var scope = NewDisposeScope();
        using var model = Of(
            [-1, 3], [("Embedding", """{"input_dim": 5, "output_dim": 2}""")],
            [("layers/embedding/vars/0", Numbers(1, 5, 2))], "int32");
        var exception = Assert.Throws<ArgumentException>(() => model.Predict(tensor(new[] { 0, 1, index }, [1, 3])));
        Assert.Contains("5 rows", exception.Message);
    }

    [Fact]
    public void AnEmbeddingThatIsReversedScoresItsRows()
    {
        using var scope = NewDisposeScope();
        Tensor rows = Numbers(1, 5, 2), x = Numbers(2, 3, 2);
        using var model = OfInputs(
            [[-1, 2]], "ReversibleEmbedding", """{"input_dim": 5, "output_dim": 2, "tie_weights": true, "logit_soft_cap": 0.5}""",
            kwargs: """{"reverse": true}""", weights: [("layers/reversible_embedding/vars/0", rows)]);
        float[] r = Values(rows), v = Values(x);
        AssertClose([.. from i in Enumerable.Range(0, 3) from j in Enumerable.Range(0, 5)
                        select Math.Tanh(((v[2 * i] * r[2 * j]) + (v[(2 * i) + 1] * r[(2 * j) + 1])) / 0.5) * 0.5], model.Predict(x));
    }

    [Fact]
    public void AnActivationCanBeALayerWithWeights()
    {
        using var scope = NewDisposeScope();
        Tensor kernel = Numbers(1, 3, 2), bias = Numbers(2, 2), alpha = tensor(new[] { 0.5f, -0.25f }), x = Numbers(3, 4, 3);
        using var model = Of(
            [-1, 3],
            [("Dense", """{"units": 2, "activation": {"module": "keras.layers", "class_name": "PReLU", "config": {"name": "p_re_lu"}, "registered_name": null}}""")],
            [("layers/dense/vars/0", kernel), ("layers/dense/vars/1", bias), ("layers/dense/activation/vars/0", alpha)]);
        float[] k = Values(kernel), b = Values(bias), a = Values(alpha), v = Values(x);
        AssertClose([.. from i in Enumerable.Range(0, 4) from j in Enumerable.Range(0, 2)
                        let h = b[j] + Enumerable.Range(0, 3).Sum(c => (double)v[(3 * i) + c] * k[(2 * c) + j])
                        select h > 0 ? h : a[j] * h], model.Predict(x));
        Assert.Equal(3, model.Archive.TrainableVariables.Count);
    }

    [Fact]
    public void AnActivationCanBeALayerWithOptions()
    {
        using var scope = NewDisposeScope();
        using var model = Of(
            [-1, 4],
            [("Activation",
                """{"activation": {"module": "keras.layers", "class_name": "ReLU", "config": {"name": "r", "max_value": 1.0, "negative_slope": 0.5, "threshold": 0.25}, "registered_name": null}}""")]);
        AssertClose([0.5 * (-1 - 0.25), 0.5 * (0.125 - 0.25), 0.5, 1], model.Predict(tensor(new[] { -1f, 0.125f, 0.5f, 3f }, [1, 4])));
    }

    [Theory]
    [InlineData("swish", "silu")]
    [InlineData("hard_swish", "hard_silu")]
    public void ActivationsHaveOtherNames(string name, string same)
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers(1, 2, 6);
        using KerasModel one = Of([-1, 6], [("Activation", $$"""{"activation": "{{name}}"}""")]),
            other = Of([-1, 6], [("Activation", $$"""{"activation": "{{same}}"}""")]);
        Assert.Equal(Values(one.Predict(x)), Values(other.Predict(x)));
    }

    [Theory]
    [InlineData(6, 5, "bilinear")]
    [InlineData(2, 3, "bilinear")]
    [InlineData(5, 9, "nearest")]
    [InlineData(2, 2, "nearest")]
    public void Resizing(int height, int width, string interpolation)
    {
        using var scope = NewDisposeScope();
        const int h = 4, w = 5;
        Tensor x = Numbers(1, 1, h, w, 1);
        float[] v = Values(x);
        using var model = Of([-1, h, w, 1],
            [("Resizing", $$"""{"height": {{height}}, "width": {{width}}, "interpolation": "{{interpolation}}"}""")]);
        var expected = new List<double>();
        for (int i = 0; i < height; i++)
        {
            for (int j = 0; j < width; j++)
            {
                double y = (i + 0.5) * h / height, z = (j + 0.5) * w / width;
                if (interpolation == "nearest")
                {
                    expected.Add(v[((int)y * w) + (int)z]);
                    continue;
                }

                (y, z) = (Math.Max(y - 0.5, 0), Math.Max(z - 0.5, 0));
                int top = (int)y, left = (int)z, bottom = Math.Min(top + 1, h - 1), right = Math.Min(left + 1, w - 1);
                double down = y - top, along = z - left;
                expected.Add(((1 - down) * (((1 - along) * v[(top * w) + left]) + (along * v[(top * w) + right])))
                    + (down * (((1 - along) * v[(bottom * w) + left]) + (along * v[(bottom * w) + right]))));
            }
        }

        AssertClose(expected, model.Predict(x));
    }

    [Fact]
    public void ResizingKeepsProportions()
    {
        using var scope = NewDisposeScope();
        Tensor x = arange(1, 13, dtype: ScalarType.Float32).view(1, 2, 6, 1);
        using KerasModel cropped = Of([-1, 2, 6, 1], [("Resizing", """{"height": 2, "width": 2, "crop_to_aspect_ratio": true}""")]),
            padded = Of([-1, 2, 6, 1], [("Resizing", """{"height": 6, "width": 6, "pad_to_aspect_ratio": true, "fill_value": -1.0}""")]),
            centered = Of([-1, 2, 6, 1], [("CenterCrop", """{"height": 1, "width": 3}""")]);
        AssertClose([3, 4, 9, 10], cropped.Predict(x));
        AssertClose([.. Enumerable.Repeat(-1.0, 12), .. Enumerable.Range(1, 12).Select(i => (double)i), .. Enumerable.Repeat(-1.0, 12)],
            padded.Predict(x));
        AssertClose([2, 3, 4], centered.Predict(x));
    }

    // The numbers are those of Keras's own tests.
    [Theory]
    [InlineData("""{"num_bins": 3}""", new[] { 0L, 1, 2, 3, 4 }, new[] { 1.0, 0, 1, 0, 2 })]
    [InlineData("""{"num_bins": 3, "salt": [133, 137]}""", new[] { 0L, 1, 2, 3, 4 }, new[] { 1.0, 1, 2, 0, 1 })]
    [InlineData("""{"num_bins": 2}""", new[] { 1L, 2, 3 }, new[] { 1.0, 1, 1 })]
    [InlineData("""{"num_bins": 3, "output_mode": "multi_hot"}""", new[] { 0L, 1, 2, 3, 4 }, new[] { 1.0, 1, 1 })]
    [InlineData("""{"num_bins": 3, "output_mode": "count"}""", new[] { 0L, 1, 2, 3, 4 }, new[] { 2.0, 2, 1 })]
    public void Hashing(string config, long[] numbers, double[] expected)
    {
        using var scope = NewDisposeScope();
        using var model = Of([-1, numbers.Length], [("Hashing", config)], type: "int64");
        AssertClose(expected, model.Predict(tensor(numbers, [1, numbers.Length])));
    }

    // TensorFlow's documentation has the first three, Keras's tests the others.
    [Theory]
    [InlineData("Hello", 3, 0)]
    [InlineData("TensorFlow", 3, 2)]
    [InlineData("2.x", 3, 2)]
    [InlineData("omar", 2, 0)]
    [InlineData("marlo", 2, 1)]
    [InlineData("skywalker", 2, 0)]
    public void FarmHash(string text, int buckets, int expected) =>
        Assert.Equal((ulong)expected, Layers.BuiltIn.TextHash.Farm(System.Text.Encoding.ASCII.GetBytes(text)) % (ulong)buckets);

    [Theory]
    [InlineData("""{"vocabulary": [12, 36, 1138, 42]}""", new[] { 12L, 1138, 42, 42, 1000, 36 }, new[] { 1.0, 3, 4, 4, 0, 2 })]
    [InlineData("""{"vocabulary": [12, 36], "num_oov_indices": 2}""", new[] { 12L, 36, 7, 8 }, new[] { 2.0, 3, 1, 0 })]
    [InlineData("""{"vocabulary": [12, 36], "mask_token": 0}""", new[] { 0L, 12, 5 }, new[] { 0.0, 2, 1 })]
    [InlineData("""{"vocabulary": [0, -1, 12, 36], "mask_token": 0}""", new[] { 0L, 12, 5 }, new[] { 0.0, 2, 1 })]
    [InlineData("""{"vocabulary": [12, 36], "invert": true}""", new[] { 1L, 2, 0 }, new[] { 12.0, 36, -1 })]
    [InlineData("""{"vocabulary": [12, 36], "output_mode": "multi_hot", "pad_to_max_tokens": true, "max_tokens": 5}""",
        new[] { 36L, 36, 4 }, new[] { 1.0, 0, 1, 0, 0 })]
    [InlineData("""{"vocabulary": [12, 36], "output_mode": "count"}""", new[] { 36L, 36, 4 }, new[] { 1.0, 0, 2 })]
    public void IntegerLookup(string config, long[] numbers, double[] expected)
    {
        using var scope = NewDisposeScope();
        using var model = Of([-1, numbers.Length], [("IntegerLookup", config)], type: "int64");
        AssertClose(expected, model.Predict(tensor(numbers, [1, numbers.Length])));
    }

    [Fact]
    public void LayersOfStringsSayWhatToDo()
    {
        string message = Assert.Throws<NotSupportedException>(() => Of([-1, 1], [("StringLookup", """{"vocabulary": ["a"]}""")])).Message;
        Assert.Contains("stringlookup (StringLookup)", message, StringComparison.Ordinal);
        Assert.Contains("begins behind the layer", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("float16", ScalarType.Float16, 4e-3)]
    [InlineData("bfloat16", ScalarType.BFloat16, 3e-2)]
    public void PoliciesOf16Bits(string policy, ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        string dtype = $$"""{"module": "keras", "class_name": "DTypePolicy", "config": {"name": "{{policy}}"}, "registered_name": null}""";
        Tensor[] weights = [Numbers(1, 3, 4), Numbers(2, 4), ones(4), zeros(4), zeros(4), ones(4), Numbers(3, 4, 8), Numbers(4, 2, 8),
            Numbers(5, 8)];
        string[] places =
        [
            "layers/dense/vars/0", "layers/dense/vars/1", "layers/batch_normalization/vars/0", "layers/batch_normalization/vars/1",
                "layers/batch_normalization/vars/2",
            "layers/batch_normalization/vars/3", "layers/lstm/cell/vars/0", "layers/lstm/cell/vars/1", "layers/lstm/cell/vars/2",
        ];
        const string compile = """{"loss": "mse", "optimizer": {"module": "keras.optimizers", "class_name": "SGD", "config": {"learning_rate": 0.1}, "registered_name": null}}""";
        using var small = Model(dtype, type);
        using var full = Model("\"float32\"", ScalarType.Float32);
        Tensor x = Numbers(6, 8, 5, 3), y = Numbers(7, 8, 2);
        double[] expected = [.. Values(full.Predict(x)).Select(value => (double)value)];
        Assert.Equal(type, small.Predict(x).dtype);
        AssertClose(expected, small.Predict(x), tolerance);
        for (int i = 0; i < 3; i++)
            Assert.Equal(full.TrainOnBatch(new KerasData(x, y))["loss"], small.TrainOnBatch(new KerasData(x, y))["loss"], 10 * tolerance);
        Assert.Equal(small.Archive["batchnormalization/moving_mean"].DType.ToString(), small.Archive["dense/kernel"].DType.ToString());

        KerasModel Model(string policy, ScalarType type) => Of(
            [-1, 5, 3],
            [("Dense", $$"""{"units": 4, "activation": "tanh", "dtype": {{policy}}}"""),
                ("BatchNormalization", $$"""{"dtype": {{policy}}}"""), ("LSTM", $$"""{"units": 2, "dtype": {{policy}}}""")],
            [.. places.Zip(weights, (place, weight) => (place, weight.to(type)))], compile: compile);
    }
}
