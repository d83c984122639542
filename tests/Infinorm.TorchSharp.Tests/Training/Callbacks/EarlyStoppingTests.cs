using System.Globalization;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

[Collection(nameof(Alone))]
public sealed class EarlyStoppingTests : IDisposable
{
    readonly Problem _problem = new(optimizer: () => new Adamax(0.5) { UseEma = true, EmaMomentum = 0.5 }); // a rate with which it soon gets worse

    [Fact]
    public void StopsAndPutsBackTheWeightsThatWereValidatedBest()
    {
        (TensorBatches training, TensorBatches validation) = _problem.Data.Split(0.31);
        var stopping = new EarlyStopping(patience: 2);
        History history = _problem.Trainer.Fit(training, epochs: 60, new() { Seed = 3, ValidationData = validation, Callbacks = [stopping] });

        IReadOnlyList<double> losses = history["val_loss"];
        int best = Enumerable.Range(0, losses.Count).MinBy(epoch => losses[epoch]);
        Assert.Equal((best + 1, best + 3), (stopping.BestEpoch, history.Epochs.Count));
        Assert.StartsWith($"val_loss did not become better than {losses[best]} in 2 epochs", history.StopReason);
        Assert.Equal(losses[best], _problem.Trainer.Evaluate(validation)["loss"]);
    }

    [Fact]
    public void TheReasonIsWrittenAlikeInAllCultures()
    {
        CultureInfo culture = CultureInfo.CurrentCulture;
        var other = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        other.NumberFormat.NumberDecimalSeparator = ",";
        CultureInfo.CurrentCulture = other;
        try
        {
            var trainer = new Trainer(_problem.Model, (prediction, _) => 0 * prediction.sum() + 2.5, _problem.Optimizer);
            History history = trainer.Fit(
                _problem.Data, 5, new() { Callbacks = [new EarlyStopping("loss", 1) { MinDelta = 1, Baseline = 0.5 }] });
            Assert.Equal("loss did not become better than 2.5 and the baseline 0.5 in 2 epochs", history.StopReason);
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    [Fact]
    public void WatchesWhatIsBetterWhenLarger()
    {
        var stopping = new EarlyStopping("accuracy", patience: 1) { MinDelta = 2, RestoreBestWeights = false };
        History history = _problem.Trainer.Fit(_problem.Data, epochs: 9, new() { Callbacks = [stopping] });
        Assert.Equal((2, 1), (history.Epochs.Count, stopping.BestEpoch)); // nothing can become better by 2
    }

    [Fact]
    public void SaysWhatThereIsToWatch() => Assert.Equal(
        "There is no 'val_loss' to watch; there is loss, accuracy, learning_rate. Give Fit validation data, or watch another value.",
        Assert.Throws<InvalidOperationException>(() => _problem.Trainer.Fit(_problem.Data, 2, new() { Callbacks = [new EarlyStopping()] })).Message);

    [Theory]
    [InlineData("loss", null, new[] { 3.0, 2, 2.5, 2.4, 1 }, 2, 4)]
    [InlineData("rising", null, new[] { 3.0, 4, 3.5, 3.9, 5 }, 2, 4)] // the metric says which is better
    [InlineData("rising", false, new[] { 3.0, 4, 3.5, 3.9, 5 }, 1, 3)] // unless the callback does
    [InlineData("rising", null, new[] { double.NaN, double.NaN, 1, 2, 3 }, null, 2)]
    public void WatchesInTheRightDirection(string name, bool? larger, double[] values, int? best, int epochs)
    {
        Assert.Equal(epochs, Watch(new EarlyStopping(name, patience: 2) { LargerIsBetter = larger }, values, out int? found));
        Assert.Equal(best, found);
    }

    // As Keras's: the first of three epochs is not looked at; an epoch that is better than others but not than the baseline is waited for.
    [Fact]
    public void StartsLaterAndWantsABaseline()
    {
        Assert.Equal(5, Watch(new EarlyStopping("loss", patience: 2) { StartFromEpoch = 2 }, [0.1, 0.2, 0.5, 0.6, 0.7, 0.1], out int? best));
        Assert.Equal(3, best);
        Assert.Equal(4, Watch(new EarlyStopping("loss", patience: 2) { Baseline = 0.5 }, [0.9, 0.8, 0.7, 0.75, 0.4], out best));
        Assert.Equal(3, best);
        Assert.Equal(6, Watch(new EarlyStopping("loss", patience: 2) { Baseline = 0.8 }, [0.9, 0.7, 0.75, 0.6, 0.61, 0.62, 0.1], out best));
        Assert.Equal(4, best);
    }

    [Fact]
    public void SaysThatItDoesNotKnowWhatIsBetter() => Assert.Equal(
        "It is not known whether a larger 'learning_rate' is better: set LargerIsBetter of the callback or of the metric.",
        Assert.Throws<InvalidOperationException>(
            () => _problem.Trainer.Fit(_problem.Data, 2, new() { Callbacks = [new EarlyStopping("learning_rate")] })).Message);

    [Fact]
    public void RefusesSettingsOutOfRange()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new EarlyStopping(patience: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new EarlyStopping { MinDelta = -1 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new EarlyStopping { StartFromEpoch = -1 });
    }

    // How many epochs a training has in which the loss and the metric 'rising' have these values.
    int Watch(EarlyStopping stopping, double[] values, out int? best)
    {
        int epoch = -1;
        var rising = new Metric("rising", (_, _) => tensor(values[epoch])) { LargerIsBetter = true };
        var trainer = new Trainer(_problem.Model, (prediction, _) => 0 * prediction.sum() + (double.IsNaN(values[epoch]) ? 1 : values[epoch]), _problem.Optimizer) { Metrics = [rising] };
        History history = trainer.Fit(Data(), values.Length, new() { Callbacks = [stopping] });
        best = stopping.BestEpoch;
        return history.Epochs.Count;

        IEnumerable<Batch> Data()
        {
            epoch++;
            yield return (rand(4, 4), zeros(4));
        }
    }

    public void Dispose() => _problem.Dispose();
}
