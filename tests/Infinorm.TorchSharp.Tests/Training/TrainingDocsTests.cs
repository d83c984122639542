using Infinorm.Checkpoints;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>The C# of docs/training.md, and the README's example of a <see cref="Trainer"/>.</summary>
[Collection(nameof(Alone))]
public sealed class TrainingDocsTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory().FullName, _before = Directory.GetCurrentDirectory();

    [Fact]
    public void ItsExampleTrains()
    {
        Directory.SetCurrentDirectory(_folder);
        manual_seed(1);
        // snippet
        using Tensor inputs = rand(400, 4), labels = (inputs[.., 0] * 3).to(int64); // 400 examples of 3 classes
        using var model = nn.Sequential(("hidden", nn.Linear(4, 32)), ("relu", nn.ReLU()), ("out", nn.Linear(32, 3)));
        using var optimizer = new Adamax(new CosineDecay(0.02, decaySteps: 200)) { UseEma = true, EmaMomentum = 0.9 }.For(model);
        var trainer = new Trainer(model, nn.CrossEntropyLoss().forward, optimizer) { Metrics = [Metric.Accuracy] };

        using var stop = new CancellationTokenSource();
        Console.CancelKeyPress += (_, e) =>
        {
            e.Cancel = true; // Ctrl-C ends the run after the current step, not the process
            stop.Cancel();
        };

        History history = trainer.Fit(new TensorBatches(inputs, labels, batchSize: 32), epochs: 20, new()
        {
            ValidationSplit = 0.2,
            Seed = 1,
            Callbacks = [new ProgressBar(), new EarlyStopping(), new Checkpoint("run.safetensors")],
            ResumeFrom = "run.safetensors", // if the file exists, the run continues where it was stopped
        }, stop.Token);

        Console.WriteLine($"validation accuracy {history["val_accuracy"][^1]:P1}");
        using Tensor predictions = trainer.Predict(inputs);
        // end
        Assert.InRange(history["val_accuracy"].Max(), 0.85, 1);
        Assert.Equal([400, 3], predictions.shape);

        // "optimizer.Restore(path, …) reads the optimizer and the parameters alone": the file's weights, without the averages.
        optimizer.Restore("run.safetensors", new LoadOptions { IgnoreExtra = ["run"] });
        Assert.Equal(history.Steps, optimizer.Optimizer.Iterations);
        var norms = new PrintNorm();
        trainer.Fit([(inputs, labels)], epochs: 1, new() { Callbacks = [norms] });
    }

    [Fact]
    public void ALearningRateIsFound()
    {
        manual_seed(1);
        using Tensor inputs = rand(400, 4), labels = (inputs[.., 0] * 3).to_type(ScalarType.Int64);
        using var model = nn.Sequential(("hidden", nn.Linear(4, 32)), ("relu", nn.ReLU()), ("out", nn.Linear(32, 3)));
        using var optimizer = new Adamax().For(model);
        var trainer = new Trainer(model, nn.CrossEntropyLoss().forward, optimizer);
        var batches = new TensorBatches(inputs, labels, batchSize: 32);
        // snippet
        var finder = new LearningRateFinder(from: 1e-5, to: 1, steps: 100);
        trainer.Fit(batches, epochs: 100, new() { Callbacks = [finder] }); // stops by itself, and puts model and optimizer back
        if (finder.Suggestion is { } rate)
            optimizer.LearningRate = rate;
        // end
        Assert.InRange(optimizer.CurrentLearningRate, 1e-4, 0.5);
        Assert.Equal(0, optimizer.Optimizer.Iterations);
    }

    [Fact]
    public void ASchedulerSetsTheRate()
    {
        manual_seed(1);
        using Tensor inputs = rand(400, 4), labels = (inputs[.., 0] * 3).to_type(ScalarType.Int64);
        using var model = nn.Sequential(("hidden", nn.Linear(4, 32)), ("relu", nn.ReLU()), ("out", nn.Linear(32, 3)));
        using var optimizer = new Adamax(0.02).For(model);
        var trainer = new Trainer(model, nn.CrossEntropyLoss().forward, optimizer);
        var batches = new TensorBatches(inputs, labels, batchSize: 32);
        // snippet
        trainer.Fit(batches, epochs: 4, new()
        {
            ValidationSplit = 0.2,
            Callbacks =
            [
                new LearningRateScheduler(o => optim.lr_scheduler.ReduceLROnPlateau(o, patience: 0, threshold: 0.5)) { Monitor = "val_loss" },
            ],
        });
        // end
        Assert.True(optimizer.CurrentLearningRate < 0.02);
    }

    [Fact]
    public void LogsAreWritten()
    {
        manual_seed(1);
        string folder = _folder;
        using Tensor inputs = rand(64, 4), labels = (inputs[.., 0] * 3).to_type(ScalarType.Int64);
        using var model = nn.Linear(4, 3);
        using var optimizer = new Adamax().For(model);
        var trainer = new Trainer(model, nn.CrossEntropyLoss().forward, optimizer);
        var batches = new TensorBatches(inputs, labels, batchSize: 32);
        // snippet
        trainer.Fit(batches, epochs: 2, new()
        {
            Callbacks =
            [
                new CsvLog(Path.Combine(folder, "log.csv")),
                new TensorBoardLog(Path.Combine(folder, "runs", "first")) { EverySteps = 10 },
            ],
        });
        // end
        Assert.Equal(3, File.ReadAllLines(Path.Combine(folder, "log.csv")).Length);
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(folder, "runs", "first")));
    }

    [Fact]
    public void TrainingStartsAnew()
    {
        string file = Path.Combine(_folder, "run.safetensors");
        manual_seed(1);
        using Tensor inputs = rand(64, 4), labels = (inputs[.., 0] * 3).to_type(ScalarType.Int64);
        using var model = nn.Linear(4, 3);
        using var old = new Adamax().For(model);
        var batches = new TensorBatches(inputs, labels, batchSize: 32);
        var first = new Trainer(model, nn.CrossEntropyLoss().forward, old);
        first.Fit(batches, epochs: 2, new() { Callbacks = [new Checkpoint(file)] });
        // snippet
        first.Restore(file); // the weights of a run; the next optimizer begins with new state
        using var optimizer = new AdamW(1e-4).For(model);
        var second = new Trainer(model, nn.CrossEntropyLoss().forward, optimizer);
        second.Fit(batches, epochs: 3);
        // end
        Assert.Equal(6, optimizer.Optimizer.Iterations);
    }

    // snippet
    sealed class PrintNorm : Callback
    {
        public override void OnBatchEnd(TrainingRun run) => Console.WriteLine($"{run.Step}: {run.LastStep?.GradientNorm}");
    }
    // end

    public void Dispose()
    {
        Directory.SetCurrentDirectory(_before);
        Directory.Delete(_folder, recursive: true);
    }
}
