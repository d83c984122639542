using Infinorm.Checkpoints;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>How long epochs are, where they begin, and after which there is a validation.</summary>
[Collection(nameof(Alone))]
public sealed class EpochOptionsTests : IDisposable
{
    readonly string _file = Path.Combine(Directory.CreateTempSubdirectory().FullName, "run.safetensors");
    readonly Problem _problem = new();

    [Fact]
    public void StepsAreCountedAcrossPassesThroughTheData()
    {
        // Ten examples in batches of four: 4, 4, 2; 4, 4, 2; …
        var sizes = new List<long>();
        var epochs = new List<(int, int, int)>();
        var trainer = new Trainer(
            _problem.Model,
            (prediction, target) =>
            {
                sizes.Add(target.shape[0]);
                return nn.functional.cross_entropy(prediction, target);
            },
            _problem.Optimizer);
        History history = trainer.Fit(new TensorBatches(rand(10, 4), randint(0, 3, 10), 4), epochs: 3, new()
        {
            StepsPerEpoch = 4,
            Callbacks = [new Watching(run => epochs.Add((run.Epoch, run.Batch, run.BatchesPerEpoch ?? 0)))],
        });
        Assert.Equal([4, 4, 2, 4, 4, 2, 4, 4, 2, 4, 4, 2], sizes);
        Assert.Equal([4, 4, 4], history.Epochs.Select(log => log.Batches));
        Assert.Equal([(1, 1, 4), (1, 2, 4), (1, 3, 4), (1, 4, 4), (2, 1, 4)], epochs[..5]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(12)]
    public void SuchARunResumesAtAnyStep(int step)
    {
        FitOptions Options(params Callback[] callbacks) => new() { Seed = 5, StepsPerEpoch = 6, Callbacks = callbacks, ResumeFrom = _file };
        using Problem whole = new(), resumed = new();
        History expected = whole.Trainer.Fit(whole.Data, 4, Options()); // 9 batches a pass
        _problem.Trainer.Fit(_problem.Data, 4, Options(new Checkpoint(_file), new Watching(run =>
        {
            if (run.Step == step)
                run.Stop("enough");
        })));
        History history = resumed.Trainer.Fit(resumed.Data, 4, Options());
        Assert.NotNull(history.Beginning);
        Assert.Equal(expected["loss"], history["loss"]);
        Assert.Equal(whole.Weights(), resumed.Weights());

        Assert.Contains(
            "steps per epoch: 6 in the file, once through the data here",
            Assert.Throws<CheckpointMismatchException>(() => resumed.Trainer.Fit(resumed.Data, 5, new() { ResumeFrom = _file })).Message);
    }

    [Fact]
    public void DataWithoutABatchAreRefused() => Assert.Equal(
        "The data have no batch to train with.",
        Assert.Throws<InvalidOperationException>(() => _problem.Trainer.Fit([], 1, new() { StepsPerEpoch = 3 })).Message);

    [Fact]
    public void TheFirstEpochHasItsNumber()
    {
        var seen = new List<(int, int)>();
        History history = _problem.Trainer.Fit(_problem.Data, epochs: 5, new()
        {
            InitialEpoch = 3,
            Callbacks = [new Watching(run => seen.Add((run.Epoch, run.CompletedEpochs))), new CsvLog(_file + ".csv")],
        });
        Assert.Equal([4, 5], history.Epochs.Select(log => log.Epoch));
        Assert.Equal(18, history.Steps);
        Assert.Equal([(4, 3), (5, 4)], seen.Distinct());
        Assert.Equal(["4", "5"], File.ReadAllLines(_file + ".csv").Skip(1).Select(line => line.Split(',')[0]));
        Assert.StartsWith(
            "The initial epoch, 5, must be less than the number of the last one, 5",
            Assert.Throws<ArgumentException>(() => _problem.Trainer.Fit(_problem.Data, 5, new() { InitialEpoch = 5 })).Message);
    }

    [Fact]
    public void ARunThatBeganLaterResumes()
    {
        using Problem whole = new(), resumed = new();
        FitOptions Options(params Callback[] callbacks) => new() { Seed = 5, InitialEpoch = 2, Callbacks = callbacks, ResumeFrom = _file };
        History expected = whole.Trainer.Fit(whole.Data, 5, Options());
        _problem.Trainer.Fit(_problem.Data, 4, Options(new Checkpoint(_file)));
        History history = resumed.Trainer.Fit(resumed.Data, 5, new() { ResumeFrom = _file });
        Assert.Equal("resumed at epoch 5, batch 1", history.Beginning);
        Assert.Equal([3, 4, 5], history.Epochs.Select(log => log.Epoch));
        Assert.Equal(expected["loss"], history["loss"]);
        Assert.Equal(whole.Weights(), resumed.Weights());
        Assert.Contains(
            "initial epoch: 2 in the file, 1 here",
            Assert.Throws<CheckpointMismatchException>(
                () => resumed.Trainer.Fit(resumed.Data, 9, new() { ResumeFrom = _file, InitialEpoch = 1 })).Message);
    }

    [Fact]
    public void ValidatesAfterSomeEpochs()
    {
        FitOptions Options(params Callback[] callbacks) => new()
        {
            Seed = 5,
            ValidationData = _problem.Data,
            ValidateEvery = 2,
            Callbacks = callbacks,
            ResumeFrom = _file,
        };
        History history = _problem.Trainer.Fit(_problem.Data, 5, Options(new Checkpoint(_file, _file + ".best"), new CsvLog(_file + ".csv")));
        Assert.Equal([false, true, false, true, false], history.Epochs.Select(log => log.Values.ContainsKey("val_loss")));
        Assert.Equal([true, false, true, false, true], history["val_loss"].Select(double.IsNaN));
        Assert.Equal("epoch,seconds,loss,accuracy,val_loss,val_accuracy,learning_rate", File.ReadAllLines(_file + ".csv")[0]);
        Assert.True(File.Exists(_file + ".best"));

        using Problem whole = new(), resumed = new();
        History again = resumed.Trainer.Fit(resumed.Data, 6, Options(new Checkpoint(_file, _file + ".best")));
        Assert.Equal([false, true, false, true, false, true], again.Epochs.Select(log => log.Values.ContainsKey("val_loss")));
        Assert.Equal(history["val_loss"], again["val_loss"].Take(5));
        Assert.Contains(
            "validation: every 2 epochs in the file, every 1 here",
            Assert.Throws<CheckpointMismatchException>(() => whole.Trainer.Fit(
                whole.Data, 7, new() { ResumeFrom = _file, ValidationData = whole.Data, Callbacks = [new Checkpoint(_file)] })).Message);
    }

    [Fact]
    public void CallbacksWaitForAValidation()
    {
        var stopping = new EarlyStopping(patience: 2) { MinDelta = 1e9, RestoreBestWeights = false };
        History history = _problem.Trainer.Fit(_problem.Data, 20, new()
        {
            ValidationData = _problem.Data,
            ValidateEvery = 3,
            Callbacks = [stopping],
        });
        Assert.Equal((9, 3), (history.Epochs.Count, stopping.BestEpoch)); // epochs 3, 6, 9: the best, and two that are not better

        using Problem problem = new(optimizer: () => new Adamax(0.01));
        history = problem.Trainer.Fit(problem.Data, 6, new()
        {
            ValidationData = problem.Data,
            ValidateEvery = 2,
            Callbacks =
            [
                new LearningRateScheduler(o => optim.lr_scheduler.ReduceLROnPlateau(o, patience: 0, threshold: 1, factor: 0.5)) { Monitor = "val_loss" },
            ],
        });
        Assert.Equal([0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025], history["learning_rate"].Select(rate => Math.Round(rate, 9)));
    }

    [Fact]
    public void NumbersThatCannotBe()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new FitOptions { ValidateEvery = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new FitOptions { StepsPerEpoch = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new FitOptions { InitialEpoch = -1 });
    }

    public void Dispose()
    {
        _problem.Dispose();
        Directory.Delete(Path.GetDirectoryName(_file)!, recursive: true);
    }

    sealed class Watching(Action<TrainingRun> what) : Callback
    {
        public override void OnBatchEnd(TrainingRun run) => what(run);
    }
}
