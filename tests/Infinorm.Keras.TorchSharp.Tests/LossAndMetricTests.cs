using System.Text.Json.Nodes;
using Infinorm.Keras.Torch.Training;
using static Infinorm.Keras.Torch.Tests.SmallModel;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Tests;

/// <summary>Losses and metrics that no archive of the test data has, against plain loops.</summary>
public sealed class LossAndMetricTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Circle(bool removesDiagonal)
    {
        using var scope = NewDisposeScope();
        const double gamma = 8, margin = 0.3;
        int[] labels = [0, 1, 0, 2, 1, 0];
        Tensor p = Numbers(1, 6, 3);
        p /= p.square().sum(1, keepdim: true).sqrt();
        float[] v = Values(p);
        double[] losses = [.. Enumerable.Range(0, 6).Select(i =>
        {
            double near = 0, far = 0;
            for (int j = 0; j < 6; j++)
            {
                double distance = Math.Max(0, 1 - Enumerable.Range(0, 3).Sum(c => (double)v[(3 * i) + c] * v[(3 * j) + c]));
                if (labels[i] != labels[j])
                    far += Math.Exp(gamma * Math.Max(0, 1 + margin - distance) * (1 - margin - distance));
                else if (i != j || !removesDiagonal)
                    near += Math.Exp(-gamma * (margin + distance) * (margin - distance));
            }

            return near == 0 ? 0 : Math.Log(1 + Math.Exp(Math.Log(near) + Math.Log(far)));
        })];
        KerasLoss loss = Loss("Circle",
            $$"""{"gamma": {{gamma}}, "margin": {{margin}}, "remove_diagonal": {{(removesDiagonal ? "true" : "false")}}}""");
        double expected = losses.Where(value => value > 0).Average(); // the only example of its class has none, and does not count
        Assert.Equal(expected, loss.Compute(tensor(labels), p).item<float>(), 1e-4);
        Assert.Equal(expected, loss.Compute(tensor(labels).unsqueeze(1), p).item<float>(), 1e-4);
    }

    [Fact]
    public void Ctc()
    {
        using var scope = NewDisposeScope();
        Tensor p = Numbers(2, 2, 4, 3), y = tensor(new[] { 1, 2, 1, 0 }, [2, 2]);
        double[] losses = [.. Enumerable.Range(0, 2).Select(b =>
        {
            float[] logits = Values(p[b].softmax(-1));
            int[] target = b == 0 ? [1, 2] : [1];
            double sum = 0; // over all paths of 4 steps through 3 classes
            for (int path = 0; path < 81; path++)
            {
                int[] steps = [path / 27, path / 9 % 3, path / 3 % 3, path % 3];
                int[] read = [.. steps.Where((c, i) => c != 0 && (i == 0 || steps[i - 1] != c))];
                if (read.SequenceEqual(target))
                    sum += steps.Select((c, i) => (double)logits[(3 * i) + c]).Aggregate((x, z) => x * z);
            }

            return -Math.Log(sum);
        })];
        Assert.Equal(losses.Average(), KerasLoss.Of("ctc").Compute(y, p).item<float>(), 1e-5);
    }

    [Fact]
    public void SparseCrossEntropyOverAnotherAxis()
    {
        using var scope = NewDisposeScope();
        Tensor p = Numbers(3, 2, 3, 4), y = tensor(new[] { 0, 1, 2, -1, 1, 1, 0, 2 }, [2, 4]);
        float[] logs = Values(p.log_softmax(1));
        double expected = 0;
        for (int b = 0; b < 2; b++)
        {
            for (int j = 0; j < 4; j++)
            {
                long c = y[b, j].item<int>();
                expected -= c < 0 ? 0 : logs[(((b * 3) + c) * 4) + j]; // no class: no loss, but counted
            }
        }

        KerasLoss loss = Loss("SparseCategoricalCrossentropy", """{"from_logits": true, "axis": 1}""");
        Assert.Equal(expected / 8, loss.Compute(y, p).item<float>(), 1e-5);
    }

    [Fact]
    public void CrossentropyIsOfTheKindThatTheShapesTell()
    {
        using var scope = NewDisposeScope();
        Tensor p = Numbers(4, 5, 3).softmax(-1), y = tensor(new[] { 0, 1, 2, 1, 0 });
        KerasLoss loss = KerasLoss.Of("crossentropy");
        double expected = KerasLoss.Of("sparse_categorical_crossentropy").Compute(y, p).item<float>();
        Assert.Equal(expected, loss.Compute(y, p).item<float>(), 1e-6);
        Assert.Equal(expected, loss.Compute(nn.functional.one_hot(y.to(ScalarType.Int64)).to(ScalarType.Float32), p).item<float>(), 1e-6);
        Assert.Equal(
            KerasLoss.Of("binary_crossentropy").Compute(ones(5, 1), p.narrow(1, 0, 1)).item<float>(),
                loss.Compute(ones(5, 1), p.narrow(1, 0, 1)).item<float>());
    }

    [Theory]
    [InlineData("PrecisionAtRecall", """{"recall": 0.6}""")]
    [InlineData("RecallAtPrecision", """{"precision": 0.6, "num_thresholds": 50}""")]
    [InlineData("SensitivityAtSpecificity", """{"specificity": 0.4}""")]
    [InlineData("SpecificityAtSensitivity", """{"sensitivity": 0.7, "num_thresholds": 11}""")]
    public void BestRatios(string className, string config)
    {
        using var scope = NewDisposeScope();
        double[] y = [1, 0, 1, 1, 0, 0, 1, 0, 1, 0], p = [0.9, 0.8, 0.3, 0.55, 0.1, 0.45, 0.62, 0.2, 0.05, 0.7];
        JsonObject settings = JsonNode.Parse(config)!.AsObject();
        int count = settings["num_thresholds"]?.GetValue<int>() ?? 200;
        double limit = settings.First().Value!.GetValue<double>(), expected = 0;
        for (int i = 0; i < count; i++)
        {
            double threshold = i / (double)(count - 1);
            double tp = Count(1, above: true), fp = Count(0, above: true), fn = Count(1, above: false), tn = Count(0, above: false);
            double precision = tp / (tp + fp + 1e-7), recall = tp / (tp + fn + 1e-7), specificity = tn / (tn + fp + 1e-7);
            (double constrained, double best) = className switch
            {
                "PrecisionAtRecall" => (recall, precision),
                "RecallAtPrecision" => (precision, recall),
                "SensitivityAtSpecificity" => (specificity, recall),
                _ => (recall, specificity),
            };
            if (constrained >= limit)
                expected = Math.Max(expected, best);

            double Count(double label, bool above) => y.Zip(p).Count(pair => pair.First == label && (pair.Second > threshold) == above);
        }

        KerasMetric metric = Metric(className, config);
        metric.Update(tensor(y[..4]), tensor(p[..4]));
        metric.Update(tensor(y[4..]), tensor(p[4..]));
        Assert.Equal(expected, metric.Result, 1e-9);
        Assert.True(expected > 0);
    }

    [Fact]
    public void AreaUnderTheCurveOfEachLabel()
    {
        using var scope = NewDisposeScope();
        Tensor p = (Numbers(5, 12, 2) + 1) / 2, y = Numbers(6, 12, 2).gt(0).to(ScalarType.Float32);
        double[] areas = [.. Enumerable.Range(0,
            2).Select(label => Update(Metric("AUC", "{}"), y.select(1, label), p.select(1, label)).Result)];
        Assert.Equal(areas.Average(), Update(Metric("AUC", """{"multi_label": true, "num_labels": 2}"""), y, p).Result, 1e-12);
        Assert.Equal(
            ((areas[0] * 3) + areas[1]) / 4,
                Update(Metric("AUC", """{"multi_label": true, "num_labels": 2, "label_weights": [3.0, 1.0]}"""), y, p).Result, 1e-12);
    }

    [Fact]
    public void TrueNegativesAreCounted()
    {
        using var scope = NewDisposeScope();
        KerasMetric metric = Update(Metric("TrueNegatives", """{"thresholds": 0.3}"""), tensor(new[] { 0f, 0, 1, 0 }),
            tensor(new[] { 0.1f, 0.4f, 0.2f, 0.25f }));
        Assert.Equal(2, metric.Result);
    }

    [Fact]
    public void WeightedMetricsAreMeansOverAllBatches()
    {
        using var scope = NewDisposeScope();
        const string compile = """
            {"loss": "mse", "metrics": ["mae", "mae"], "weighted_metrics": ["mae", "mse", "mse"],
             "optimizer": {"module": "keras.optimizers", "class_name": "SGD", "config": {"learning_rate": 0.0}, "registered_name": null}}
            """;
        using var model = Of([-1, 1], [("Identity", "{}")], compile: compile);
        float[] x = [1, 2, 3, 4, 5, 6, 7], y = [0, 2, 5, 4, 9, 6, 3], weights = [1, 5, 2, 1, 0, 3, 0.5f];
        var data = new KerasData([tensor(x, [7, 1])], [tensor(y, [7, 1])]) { SampleWeights = [tensor(weights)] };
        OrderedDictionary<string, double> logs = model.Evaluate(data, batchSize: 3);
        double[] off = [.. x.Zip(y, (a, b) => Math.Abs((double)a - b))];
        double sum = weights.Sum(weight => (double)weight);
        Assert.Equal(["loss", "mae", "mae_1", "weighted_mae", "mse", "weighted_mse"], logs.Keys);
        Assert.Equal(off.Average(), logs["mae"], 1e-6);
        Assert.Equal(off.Zip(weights, (o, w) => o * w).Sum() / sum, logs["weighted_mae"], 1e-6);
        Assert.Equal(off.Zip(weights, (o, w) => o * o * w).Sum() / sum, logs["mse"], 1e-6);
        Assert.Equal(off.Zip(weights, (o, w) => o * o * w).Sum() / 7, logs["loss"], 1e-6);
    }

    static KerasMetric Update(KerasMetric metric, Tensor y, Tensor p)
    {
        metric.Update(y, p);
        return metric;
    }

    [Fact]
    public void AFocalLossWithAFactorForEachClass()
    {
        using var scope = NewDisposeScope();
        Tensor y = tensor(new[] { 1f, 0, 0, 0, 0, 1 }, [2, 3]), p = tensor(new[] { 0.5f, 0.3f, 0.2f, 0.1f, 0.1f, 0.8f }, [2, 3]);
        double expected = ((0.1 * Math.Pow(0.5, 2) * -Math.Log(0.5)) + (0.7 * Math.Pow(0.2, 2) * -Math.Log(0.8))) / 2;
        Assert.Equal(expected, Loss("CategoricalFocalCrossentropy", """{"alpha": [0.1, 0.4, 0.7], "gamma": 2.0}""").Compute(y, p)
            .item<float>(), 1e-6);
    }

    [Fact]
    public void ALossOfWhichAllWeightsAre0Is0()
    {
        using var scope = NewDisposeScope();
        Tensor p = tensor(new[] { 1f, 2 }, [2, 1], requires_grad: true);
        Tensor loss = Loss("MeanSquaredError", """{"reduction": "mean_with_sample_weight"}""").Compute(zeros(2, 1), p, zeros(2));
        loss.backward();
        Assert.Equal(0, loss.item<float>());
        Assert.Equal([0f, 0f], Values(p.grad!));
    }

    [Theory]
    [InlineData("Precision", """{"thresholds": [0.7]}""", 1)]
    [InlineData("Recall", """{"thresholds": [0.7]}""", 0.5)]
    [InlineData("Precision", """{"thresholds": 0.25}""", 2 / 3.0)]
    public void AListOfOneThreshold(string className, string config, double expected)
    {
        using var scope = NewDisposeScope();
        KerasMetric metric = Metric(className, config);
        metric.Update(tensor(new[] { 1f, 0, 1, 0 }), tensor(new[] { 0.9f, 0.3f, 0.6f, 0.1f }));
        Assert.Equal(expected, metric.Result, 1e-6);
    }

    [Theory]
    [InlineData("PearsonCorrelation", false)]
    [InlineData("ConcordanceCorrelation", true)]
    public void Correlations(string className, bool isConcordance)
    {
        using var scope = NewDisposeScope();
        KerasMetric metric = Metric(className, """{"axis": -1}""");
        metric.Update(tensor(new[] { 0, 1, 0.5f, 1, 1, 0.2f }, [2, 3]), tensor(new[] { 0.1f, 0.9f, 0.5f, 1, 0.9f, 0.2f }, [2, 3]));
        Assert.Equal(isConcordance ? 0.9816320 : 0.9966996, metric.Result, 1e-6); // as Keras's documentation has it
        metric.Reset();
        float[] y = [0, 1, 0.5f, 1], p = [0.1f, 0.9f, 0.5f, 0.2f];
        metric.Update(tensor(y, [1, 4]), tensor(p, [1, 4]));
        (double my, double mp) = (y.Average(), p.Average());
        double vy = y.Average(v => (v - my) * (v - my)), vp = p.Average(v => (v - mp) * (v - mp)),
            common = y.Zip(p, (a, b) => (a - my) * (b - mp)).Average();
        Assert.Equal(isConcordance ? 2 * common / (vy + vp + ((my - mp) * (my - mp))) : common / Math.Sqrt(vy * vp), metric.Result, 1e-6);
    }

    [Fact]
    public void AnF1ScoreWithoutAverageIsThatOfTheOnlyClass()
    {
        using var scope = NewDisposeScope();
        KerasMetric metric = Metric("F1Score", """{"average": null, "threshold": 0.5}""");
        metric.Update(tensor(new[] { 1f, 0, 1 }, [3, 1]), tensor(new[] { 0.9f, 0.8f, 0.1f }, [3, 1]));
        Assert.Equal(0.5, metric.Result, 1e-6); // precision and recall are 1/2
        metric.Reset();
        metric.Update(eye(2), eye(2));
        Assert.Contains("macro", Assert.Throws<InvalidOperationException>(() => metric.Result).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void IoUOverAnotherAxis()
    {
        using var scope = NewDisposeScope();
        KerasMetric metric = Metric("OneHotMeanIoU", """{"num_classes": 2, "axis": 1}""");

        // Classes lie along axis 1: targets are 0, 1, 1, predictions 0, 1, 0.
        metric.Update(tensor(new[] { 1f, 0, 0, 0, 1, 1 }, [1, 2, 3]), tensor(new[] { 0.9f, 0.2f, 0.7f, 0.1f, 0.8f, 0.3f }, [1, 2, 3]));
        Assert.Equal(0.5, metric.Result, 1e-6); // 1 of 2 for each class
    }

    static KerasLoss Loss(string className, string config) => KerasLoss.FromConfig(Serialized("losses", className, config))!;

    static KerasMetric Metric(string className, string config) => KerasMetric.FromConfig(Serialized("metrics", className, config))!;

    static JsonNode Serialized(string module, string className, string config) => new JsonObject
    {
        ["module"] = $"keras.{module}",
        ["class_name"] = className,
        ["config"] = JsonNode.Parse(config),
        ["registered_name"] = null,
    };
}
