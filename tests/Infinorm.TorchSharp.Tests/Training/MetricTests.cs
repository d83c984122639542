using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>What metrics are, whatever the batches, the weights and the interruptions.</summary>
[Collection(nameof(Alone))]
public sealed class MetricTests : IDisposable
{
    readonly string _file = Path.Combine(Directory.CreateTempSubdirectory().FullName, "run.safetensors");

    // Examples and results of Keras's documentation.
    public static TheoryData<string, double, double?> Documented => new()
    {
        { "accuracy", 0.5, 0.3 }, { "binary", 0.75, 0.5 }, { "precision", 2 / 3.0, 1 }, { "recall", 2 / 3.0, 1 }, { "auc", 0.75, 1 },
        { "top_1", 0.5, 0.3 }, { "mae", 0.25, 0.5 }, { "mse", 0.25, 0.5 }, { "rmse", 0.5, 0.70710677 }, { "r2", 0.57142854, null },
        { "f1", 0.8, null },
    };

    [Theory]
    [MemberData(nameof(Documented))]
    public void IsWhatKerasDocuments(string name, double expected, double? weighted)
    {
        (Metric metric, Tensor target, Tensor prediction, float[] weights) = name switch
        {
            "accuracy" => (
                Metric.Accuracy, tensor([2L, 1], 2, 1), tensor([0.1f, 0.6f, 0.3f, 0.05f, 0.95f, 0], 2, 3), (float[])[0.7f, 0.3f]),
            "binary" => (Metric.BinaryAccuracy(), tensor([1f, 1, 0, 0], 4, 1), tensor([0.98f, 1, 0, 0.6f], 4, 1), [1, 0, 0, 1]),
            "precision" => (Metric.Precision(), tensor([0f, 1, 1, 1]), tensor([1f, 0, 1, 1], 4, 1), [0, 0, 1, 0]),
            "recall" => (Metric.Recall(), tensor([0L, 1, 1, 1]), tensor([1f, 0, 1, 1]), [0, 0, 1, 0]),
            "auc" => (Metric.AreaUnderCurve(thresholds: 3), tensor([0f, 0, 1, 1]), tensor([0, 0.5f, 0.3f, 0.9f], 4, 1), [1, 0, 0, 1]),
            "top_1" => (Metric.TopKAccuracy(1), tensor([2L, 1]), tensor([0.1f, 0.9f, 0.8f, 0.05f, 0.95f, 0], 2, 3), [0.7f, 0.3f]),
            "mae" => (Metric.MeanAbsoluteError, tensor([0f, 1, 0, 0], 2, 2), tensor([1f, 1, 0, 0], 2, 2), [1, 0]),
            "mse" => (Metric.MeanSquaredError, tensor([0f, 1, 0, 0], 2, 2), tensor([1f, 1, 0, 0], 2, 2), [1, 0]),
            "rmse" => (Metric.RootMeanSquaredError, tensor([0f, 1, 0, 0], 2, 2), tensor([1f, 1, 0, 0], 2, 2), [1, 0]),
            "r2" => (Metric.R2, tensor([1f, 4, 3]), tensor([2f, 4, 4], 3, 1), []),
            _ => (Metric.F1(), tensor([1f, 0, 1]), tensor([0.6f, 0.6f, 0.8f]), []),
        };
        Assert.Equal(expected, Of(metric, [(prediction, target)]), 1e-6);
        if (weighted is not null)
            Assert.Equal(weighted.Value, Of(metric, [(prediction, target, tensor(weights))]), 1e-6);
    }

    [Fact]
    public void IsTheSameForAllBatchSizes()
    {
        using var generator = new Generator(3);
        Tensor scores = rand(50, 4, generator: generator), classes = randint(0, 4, 50, generator: generator);
        Tensor truth = rand(50, generator: generator).gt(0.5).to(ScalarType.Float32), weights = rand(50, generator: generator);
        Metric[] ofClasses = [Metric.Accuracy, Metric.TopKAccuracy(2), Metric.MacroF1(4)];
        Metric[] ofNumbers =
        [
            Metric.BinaryAccuracy(), Metric.Precision(), Metric.Recall(), Metric.F1(), Metric.AreaUnderCurve(), Metric.MeanAbsoluteError,
            Metric.MeanSquaredError, Metric.RootMeanSquaredError, Metric.R2,
        ];
        foreach (Metric metric in ofClasses)
            Check(metric, scores, classes);
        foreach (Metric metric in ofNumbers)
            Check(metric, scores[.., 0], truth);

        void Check(Metric metric, Tensor prediction, Tensor target)
        {
            double whole = Of(metric, [(prediction, target, weights)]);
            Assert.True(whole is > 0.1 and < 1 || metric == Metric.R2, $"{metric} is {whole}");
            foreach (int size in (int[])[1, 7, 49])
                Assert.Equal(whole, Of(metric, new TensorBatches(prediction, target, size, shuffle: false, weights: weights)), 1e-12);
            double unweighted = Of(metric, [(prediction, target)]);
            Assert.NotEqual(whole, unweighted);
            Assert.Equal(unweighted, Of(metric, [(prediction, target, ones(50))]), 1e-12);
            Assert.Equal(unweighted, Of(metric, [(prediction, target, ones(50) * 3)]), 1e-12);

            // An example of weight 2 is as good as two of it.
            Tensor twice = ones(50);
            twice[TensorIndex.Slice(0, 10)] = 2;
            Assert.Equal(
                Of(metric, [(cat([prediction, prediction[..10]]), cat([target, target[..10]]))]), Of(metric, [(prediction, target, twice)]), 1e-12);
        }
    }

    [Fact]
    public void MacroF1IsTheMeanOverTheClasses()
    {
        Tensor prediction = tensor([0.9f, 0.1f, 0, 0.8f, 0.2f, 0, 0.1f, 0.7f, 0.2f, 0.1f, 0.2f, 0.7f], 4, 3), target = tensor([0L, 1, 1, 1]);
        Assert.Equal((2 / 3.0 + 0.5 + 0) / 3, Of(Metric.MacroF1(3), [(prediction, target)]), 1e-12);
    }

    [Fact]
    public void WhatIsNotDefinedIsAsInKeras()
    {
        Assert.Equal(0, Of(Metric.Precision(), [(zeros(3), ones(3))]));
        Assert.Equal(0, Of(Metric.Recall(), [(ones(3), zeros(3))]));
        Assert.Equal(0, Of(Metric.F1(), [(zeros(3), zeros(3))]));
        Assert.Equal(0, Of(Metric.AreaUnderCurve(), [(ones(3), ones(3))]));
    }

    [Fact]
    public void OneOfYourOwnIsOfSums()
    {
        var own = new Metric("own", 2, (p, t, w) => stack([((p - t).square() * w).sum(), w.sum()]), sums => Math.Sqrt(sums[0] / sums[1]));
        Tensor prediction = rand(9), target = rand(9), weights = rand(9);
        Batch[] data = [(prediction, target, weights)];
        Assert.Equal(Of(Metric.RootMeanSquaredError, data), Of(own, data), 1e-12);
        Assert.Null(own.LargerIsBetter);

        Assert.Equal("count", Assert.Throws<ArgumentOutOfRangeException>(() => new Metric("own", 0, (p, _, _) => p, _ => 0)).ParamName);
        var wrong = new Metric("wrong", 3, (p, _, _) => p, _ => 0);
        Assert.Equal(
            "The metric 'wrong' gave 9 sums for a batch; it was made with 3.",
            Assert.Throws<InvalidOperationException>(() => Of(wrong, data)).Message);
    }

    [Fact]
    public void OneNumberForABatchCountsByItsExamplesAndHasNoWeights()
    {
        var mean = new Metric("mean", (prediction, _) => prediction.mean());
        Assert.Equal(2, Of(mean, [(tensor([1f, 1, 1]), zeros(3)), (tensor([5f]), zeros(1))]), 1e-12);
        Assert.StartsWith(
            "The metric 'mean' is one number for the batch, which cannot be weighted: return one for each example, or set IsWeighted to false.",
            Assert.Throws<InvalidOperationException>(() => Of(mean, [(ones(3), zeros(3), ones(3))])).Message);
        var unweighted = new Metric("mean", (prediction, _) => prediction.mean()) { IsWeighted = false };
        Assert.Equal(1, Of(unweighted, [(ones(3), zeros(3), zeros(3))]));
        Assert.StartsWith(
            "The metric 'pair' has the shape [2]; it must be one number, or one for each of the 3 examples.",
            Assert.Throws<InvalidOperationException>(() => Of(new("pair", (_, _) => ones(2)), [(ones(3), zeros(3))])).Message);
    }

    [Fact]
    public void SettingsThatCannotBe()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Metric.TopKAccuracy(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Metric.AreaUnderCurve(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Metric.MacroF1(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Metric.Accuracy.For(-1, "x"));
        Assert.Throws<ArgumentException>(() => Metric.Accuracy.For(0, ""));
    }

    [Fact]
    public void GoesOnInARunThatWasStoppedWithinAnEpoch()
    {
        History Train(bool interrupted)
        {
            using var problem = new Problem();
            Trainer trainer = NewTrainer(problem);
            if (interrupted)
            {
                FitOptions first = new() { Seed = 4, Callbacks = [new Checkpoint(_file), new Stopping(step: 13)] };
                Assert.Equal("enough", trainer.Fit(problem.Data, 3, first).StopReason);
                Assert.Contains("run/means", System.Text.Encoding.UTF8.GetString(File.ReadAllBytes(_file)));
            }

            using var again = new Problem();
            return NewTrainer(again).Fit(again.Data, 3, new() { Seed = 4, ResumeFrom = interrupted ? _file : null });
        }

        History whole = Train(interrupted: false), resumed = Train(interrupted: true);
        Assert.Equal("resumed at epoch 2, batch 5", resumed.Beginning);
        foreach (string name in (string[])["loss", "macro_f1", "auc", "rmse"])
            Assert.Equal(whole[name], resumed[name]);

        static Trainer NewTrainer(Problem problem) => new(problem.Model, nn.CrossEntropyLoss().forward, problem.Optimizer)
        {
            Metrics = [Metric.MacroF1(3), FirstClass(Metric.AreaUnderCurve(50), "auc"), FirstClass(Metric.RootMeanSquaredError, "rmse")],
        };
    }

    [Fact]
    public void AFileWithOtherSumsIsOfAnotherRun()
    {
        using Problem problem = new(), other = new();
        TrainerWith(problem, 50).Fit(problem.Data, 1, new() { Callbacks = [new Checkpoint(_file)] });
        Assert.Contains(
            "metrics: 152 sums in the file, 92 here",
            Assert.Throws<Checkpoints.CheckpointMismatchException>(() => TrainerWith(other, 30).Fit(other.Data, 2, new() { ResumeFrom = _file })).Message);

        static Trainer TrainerWith(Problem problem, int thresholds) => new(problem.Model, nn.CrossEntropyLoss().forward, problem.Optimizer)
        {
            Metrics = [FirstClass(Metric.AreaUnderCurve(thresholds), "auc")],
        };
    }

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_file)!, recursive: true);

    // A metric of numbers, of the first class's probability.
    static Metric FirstClass(Metric metric, string name) => new(
        name, metric.Count,
        (prediction, target, weights) => tensor(metric.SumsOf([prediction.softmax(1)[.., 0]], [target.eq(0).to(ScalarType.Float32)], weights)),
        sums => metric.ResultOf([.. sums]));

    static double Of(Metric metric, IEnumerable<Batch> batches)
    {
        var totals = new RunningTotals([metric]);
        foreach (Batch batch in batches)
            totals.Add(totals.Of(0, [batch.Input], batch, batch.Weights));
        return totals.Values()[metric.Name];
    }

    sealed class Stopping(long step) : Callback
    {
        public override void OnBatchEnd(TrainingRun run)
        {
            if (run.Step == step)
                run.Stop("enough");
        }
    }
}
