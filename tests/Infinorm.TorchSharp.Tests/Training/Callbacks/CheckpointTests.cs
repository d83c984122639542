using Infinorm.Checkpoints;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

[Collection(nameof(Alone))]
public sealed class CheckpointTests : IDisposable
{
    readonly Problem _problem = new();
    readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    string Last => Path.Combine(_folder, "last.safetensors");

    string Best => Path.Combine(_folder, "best.safetensors");

    [Fact]
    public void KeepsTheBestEpochInAFileOfItsOwn()
    {
        (TensorBatches training, TensorBatches validation) = _problem.Data.Split(0.31);
        using var wild = new Problem(optimizer: () => new Adamax(0.5));
        History history = wild.Trainer.Fit(training, 12, new() { Seed = 3, ValidationData = validation, Callbacks = [new Checkpoint(Last, Best)] });
        IReadOnlyList<double> losses = history["val_loss"];
        Assert.NotEqual(losses.Min(), losses[^1]);

        using var loaded = new Problem(optimizer: () => new Adamax(0.5));
        loaded.Trainer.Restore(Best);
        Assert.Equal(losses.Min(), loaded.Trainer.Evaluate(validation)["loss"]);
        loaded.Trainer.Restore(Last);
        Assert.Equal(losses[^1], loaded.Trainer.Evaluate(validation)["loss"]);
    }

    [Fact]
    public void SavesEverySoManySteps()
    {
        // A step's file is written when all callbacks were told: this one sees that of the step before.
        var steps = new List<long>();
        var look = new TrainerTests.Recorder(run =>
        {
            if (!File.Exists(Last))
                return;
            steps.Add(run.Step - 1);
            File.Delete(Last);
        });
        _problem.Trainer.Fit(_problem.Data, 1, new() { Callbacks = [new Checkpoint(Last) { EverySteps = 3 }, look] });
        Assert.Equal([3, 6], steps);
        Assert.Throws<ArgumentOutOfRangeException>(() => new Checkpoint(Last) { EverySteps = 0 });
    }

    [Fact]
    public void ARunGoesOnWithMoreEpochs()
    {
        using var whole = new Problem();
        whole.Trainer.Fit(whole.Data, 5, new() { Seed = 6 });
        _problem.Trainer.Fit(_problem.Data, 2, new() { Seed = 6, Callbacks = [new Checkpoint(Last)] });
        using var more = new Problem();
        History history = more.Trainer.Fit(more.Data, 5, new() { ResumeFrom = Last });
        Assert.Equal((5, 6), (history.Epochs.Count, history.Seed));
        Assert.Equal(whole.Weights(), more.Weights());
    }

    [Fact]
    public void ARunThatWasStoppedStaysStopped()
    {
        _problem.Trainer.Fit(_problem.Data, 9, new()
        {
            Callbacks = [new EarlyStopping("accuracy", 1) { MinDelta = 2 }, new Checkpoint(Last)],
        });
        byte[] weights = _problem.Weights();
        using var again = new Problem();
        Assert.Equal(2, again.Trainer.Fit(again.Data, 9, new()
        {
            Callbacks = [new EarlyStopping("accuracy", 1) { MinDelta = 2 }],
            ResumeFrom = Last,
        }).Epochs.Count);
        Assert.Equal(weights, again.Weights());
    }

    [Fact]
    public void MorePatienceGoesOn()
    {
        EarlyStopping Stopping(int patience) => new("accuracy", patience) { MinDelta = 2 };
        _problem.Trainer.Fit(_problem.Data, 9, new() { Callbacks = [Stopping(1), new Checkpoint(Last)] });
        using var again = new Problem();
        History history = again.Trainer.Fit(again.Data, 9, new() { Callbacks = [Stopping(3)], ResumeFrom = Last });
        Assert.Equal((4, "resumed at epoch 3, batch 1"), (history.Epochs.Count, history.Beginning));
        using var more = new Problem();
        history = more.Trainer.Fit(more.Data, 20, new() { Callbacks = [Stopping(1)], ResumeFrom = Last });
        Assert.Equal(2, history.Epochs.Count);
        Assert.StartsWith("accuracy did not become better", history.StopReason);
    }

    [Theory]
    [InlineData(9, 1)] // after an epoch
    [InlineData(13, 1)] // within one
    public void ARunThatItsUserStoppedGoesOn(int step, int epochs)
    {
        using var whole = new Problem();
        whole.Trainer.Fit(whole.Data, 3, new() { Seed = 6 });
        History stopped = _problem.Trainer.Fit(_problem.Data, 3, new()
        {
            Seed = 6,
            Callbacks = [new Checkpoint(Last), new TrainerTests.Recorder(run =>
            {
                if (run.Step == step)
                    run.Stop("time is up");
            })],
        });
        Assert.Equal((step, epochs, "time is up"), (stopped.Steps, stopped.Epochs.Count, stopped.StopReason));

        using var again = new Problem();
        var lines = new StringWriter();
        FitOptions options = new() { Callbacks = [new ProgressBar(lines), new Checkpoint(Last)], ResumeFrom = Last };
        History history = again.Trainer.Fit(again.Data, 3, options);
        Assert.Equal((27, 3, null), (history.Steps, history.Epochs.Count, history.StopReason));
        Assert.Equal(whole.Weights(), again.Weights());
        Assert.StartsWith($"resumed at epoch 2, batch {step - 8}", lines.ToString());

        history = again.Trainer.Fit(again.Data, 3, options);
        Assert.Equal("nothing to do: 3 of 3 epochs are done", history.Beginning);
        Assert.Contains("nothing to do: 3 of 3 epochs are done", lines.ToString());
    }

    [Fact]
    public void OtherDataAreFoundAtTheStart()
    {
        _problem.Trainer.Fit(_problem.Data, 1, new() { Callbacks = [new Checkpoint(Last)] });
        using var again = new Problem();
        using Tensor inputs = rand(70, 4), targets = zeros(70, ScalarType.Int64);
        foreach (TensorBatches other in (TensorBatches[])[new(inputs, targets, 10), again.Data.Split(0.2).Training])
        {
            var error = Assert.Throws<CheckpointMismatchException>(() => again.Trainer.Fit(other, 3, new() { ResumeFrom = Last }));
            Assert.Equal([$"data: 70 examples in batches of 8 in the file, {other} here"], error.Differences);
        }
    }

    [Fact]
    public void FoldersAreMadeOrRefusedBeforeTheFirstStep()
    {
        string deep = Path.Combine(_folder, "a", "b", "run.safetensors"), csv = Path.Combine(_folder, "c", "log.csv");
        _problem.Trainer.Fit(_problem.Data, 1, new() { Callbacks = [new Checkpoint(deep), new CsvLog(csv)] });
        Assert.True(File.Exists(deep) && File.Exists(csv));

        using var other = new Problem();
        foreach (Callback callback in (Callback[])[new Checkpoint(Path.Combine(csv, "run")), new Checkpoint(_folder), new CsvLog(_folder)])
            Assert.Throws<IOException>(() => other.Trainer.Fit(other.Data, 1, new() { Callbacks = [callback] }));
        Assert.Equal(0, other.Optimizer.Optimizer.Iterations);
    }

    [Fact]
    public void AnotherRunIsRefusedWithEveryDifference()
    {
        FitOptions options = new() { Seed = 1, ValidationData = _problem.Data, Callbacks = [new EarlyStopping(), new Checkpoint(Last)] };
        _problem.Trainer.Fit(_problem.Data, 1, options);

        using var model = nn.Sequential(("norm", nn.BatchNorm1d(4)), ("in", nn.Linear(4, 3)));
        using TorchOptimizer optimizer = new Adamax(0.1).For(model);
        var trainer = new Trainer(model, nn.CrossEntropyLoss().forward, optimizer);
        byte[] before = Problem.WeightsOf(model);
        var error = Assert.Throws<CheckpointMismatchException>(() => trainer.Fit(_problem.Data, 2, new() { Seed = 2, ResumeFrom = Last }));
        Assert.Equal(
            [
                "seed: 1 in the file, 2 here", "metrics: [accuracy] in the file, [] here",
                "callback EarlyStopping: it has a state in the file, and is not among the callbacks here",
                "run/model/norm.running_mean float32[12] in the file, norm.running_mean Float32[4] here",
                "run/model/norm.running_var float32[12] in the file, norm.running_var Float32[4] here",
            ],
            error.Differences.Take(5));
        Assert.Equal(before, Problem.WeightsOf(model));
        Assert.Equal(0, optimizer.Optimizer.Iterations);

        // What the optimizer finds is refused by itself.
        using var other = new Problem(optimizer: () => new Adamax(0.1));
        Assert.Contains("setting use_ema: true in the file, false here", Assert.Throws<CheckpointMismatchException>(
            () => other.Trainer.Restore(Last)).Message);
    }

    [Fact]
    public void WhatIsNoRunIsRefused()
    {
        _problem.Optimizer.Optimizer.Save(Last);
        Assert.Equal(
            $"{Last}: it is not a training run: its metadata have no \"run\"",
            Assert.Throws<InvalidFileException>(() => _problem.Trainer.Restore(Last)).Message);
        File.WriteAllText(Last, "nonsense");
        Assert.Throws<InvalidFileException>(() => _problem.Trainer.Fit(_problem.Data, 1, new() { ResumeFrom = Last }));
        Assert.Throws<FileNotFoundException>(() => _problem.Trainer.Restore(Best));
    }

    [Fact]
    public void TheOptimizerAloneCanBeLoadedFromARun()
    {
        _problem.Trainer.Fit(_problem.Data, 1, new() { Callbacks = [new Checkpoint(Last)] });
        using var other = new Problem();
        other.Optimizer.Optimizer.Restore(Last, new LoadOptions { IgnoreExtra = ["run"] });
        Assert.Equal(9, other.Optimizer.Optimizer.Iterations);
    }

    public void Dispose()
    {
        _problem.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
