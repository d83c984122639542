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
        Assert.Equal((best, best + 3), (stopping.BestEpoch, history.Epochs.Count));
        Assert.StartsWith($"val_loss did not become better than {losses[best]} in 2 epochs", history.StopReason);
        Assert.Equal(losses[best], _problem.Trainer.Evaluate(validation)["loss"]);
    }

    [Fact]
    public void WatchesWhatIsBetterWhenLarger()
    {
        var stopping = new EarlyStopping("accuracy", patience: 1) { Larger = true, MinDelta = 2, RestoreBestWeights = false };
        History history = _problem.Trainer.Fit(_problem.Data, epochs: 9, new() { Callbacks = [stopping] });
        Assert.Equal((2, 0), (history.Epochs.Count, stopping.BestEpoch)); // nothing can become better by 2
    }

    [Fact]
    public void SaysWhatThereIsToWatch() => Assert.Equal(
        "There is no 'val_loss' to watch; there is loss, accuracy, learning_rate. Give Fit validation data, or watch another value.",
        Assert.Throws<InvalidOperationException>(() => _problem.Trainer.Fit(_problem.Data, 2, new() { Callbacks = [new EarlyStopping()] })).Message);

    [Fact]
    public void NeedsPatience() => Assert.Throws<ArgumentOutOfRangeException>(() => new EarlyStopping(patience: 0));

    public void Dispose() => _problem.Dispose();
}
