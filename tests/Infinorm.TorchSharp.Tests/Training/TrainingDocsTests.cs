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

    [Fact]
    public void TheShortestCallTrains()
    {
        Directory.SetCurrentDirectory(_folder);
        manual_seed(1);
        using Tensor inputs = rand(400, 4), labels = (inputs[.., 0] * 3).to_type(ScalarType.Int64);
        // snippet
        using var model = nn.Sequential(("hidden", nn.Linear(4, 32)), ("relu", nn.ReLU()), ("out", nn.Linear(32, 3)));
        Console.WriteLine(model.Summary([32, 4])); // the parts with their output shapes and parameters; without a shape for any nn.Module
        var trainer = new Trainer(model, nn.CrossEntropyLoss().forward, new Adamax(0.02)); // makes the optimizer for the model
        History history = trainer.Fit(inputs, labels, batchSize: 32, epochs: 5);
        Console.WriteLine(history); // a table of the epochs
        history.SaveChart("loss.svg"); // loss and val_loss; or other values by name
        // end
        Assert.True(history["loss"][^1] < history["loss"][0]);
        Assert.True(File.Exists("loss.svg"));
        trainer.Optimizer.Dispose();
    }

    [Fact]
    public void AModelOfSeveralTrains()
    {
        manual_seed(1);
        using var model = new Two();
        using var optimizer = new Adamax(0.01).For(model);
        using Tensor images = rand(64, 4), sounds = rand(64, 2), labels = randint(0, 3, 64), numbers = images.sum(1, keepdim: true);
        // snippet
        var trainer = new Trainer(
            model,
            x => [model.Classes(x[0], x[1]), model.Number(x[0])],
            (outputs, targets) => nn.functional.cross_entropy(outputs[0], targets[0]) + nn.functional.mse_loss(outputs[1], targets[1]),
            optimizer)
        {
            Metrics = [Metric.Accuracy, Metric.MeanAbsoluteError.For(output: 1, "number_error")],
        };
        trainer.Fit([images, sounds], [labels, numbers], batchSize: 32, epochs: 5);
        IReadOnlyList<Tensor> outputs = trainer.PredictOutputs([images, sounds]);
        // end
        Assert.Equal([64, 3], outputs[0].shape);
    }

    [Fact]
    public void ExamplesAreWeighted()
    {
        manual_seed(1);
        using Tensor inputs = rand(400, 4), labels = (inputs[.., 0] * 3).to_type(ScalarType.Int64);
        using var model = nn.Linear(4, 3);
        using var optimizer = new Adamax().For(model);
        using Tensor weights = rand(400);
        // snippet
        var trainer = new Trainer(model, nn.CrossEntropyLoss(reduction: nn.Reduction.None).forward, optimizer) { Metrics = [Metric.Accuracy] };
        trainer.Fit(inputs, labels, weights: weights, epochs: 6, options: new()
        {
            ValidationSplit = 0.2,
            ValidateEvery = 2,
            ClassWeights = new Dictionary<long, double> { [2] = 5 }, // the others count 1
        });
        // end
        Assert.Equal(60, optimizer.Optimizer.Iterations);
    }

    [Fact]
    public void MetricsAreWritten()
    {
        // snippet
        var distance = new Metric("distance", (prediction, target) => (prediction - target).abs());
        var bias = new Metric(
            "bias", count: 2,
            (prediction, target, weights) => stack([((prediction - target) * weights).sum(), weights.sum()]),
            sums => sums[0] / sums[1]);
        // end
        manual_seed(1);
        using Tensor inputs = rand(400, 4), labels = (inputs[.., 0] * 3).to_type(ScalarType.Int64);
        using var model = nn.Linear(4, 3);
        using var optimizer = new Adamax().For(model);
        var trainer = new Trainer(model, nn.MSELoss().forward, optimizer) { Metrics = [distance, bias] };
        using Tensor targets = ones(400, 3);
        IReadOnlyDictionary<string, double> scores = trainer.Evaluate([(inputs, targets)]);
        Assert.Equal(-scores["distance"], scores["bias"], 0.2);
    }

    [Fact]
    public void CheckpointsAreNamedByEpoch()
    {
        Directory.SetCurrentDirectory(_folder);
        manual_seed(1);
        using Tensor inputs = rand(400, 4), labels = (inputs[.., 0] * 3).to_type(ScalarType.Int64);
        using var model = nn.Linear(4, 3);
        using var optimizer = new Adamax().For(model);
        var trainer = new Trainer(model, nn.CrossEntropyLoss().forward, optimizer);
        var batches = new TensorBatches(inputs, labels, batchSize: 32);
        // snippet
        trainer.Fit(batches, epochs: 5, new()
        {
            ValidationSplit = 0.2,
            Callbacks =
            [
                new Checkpoint("runs/{epoch:D2}-{val_loss:F3}.safetensors") { Keep = 3 },
                new Checkpoint("weights/{epoch:D2}.safetensors", bestPath: "weights/best.safetensors") { WeightsOnly = true },
            ],
            ResumeFrom = Checkpoint.Latest("runs/{epoch:D2}-{val_loss:F3}.safetensors"), // null if there is none yet: a new run
        });
        trainer.LoadWeights("weights/best.safetensors");
        // end
        Assert.Equal(3, Directory.GetFiles("runs").Length);
        Assert.Equal(6, Directory.GetFiles("weights").Length);
    }

    [Fact]
    public void AFunctionIsACallback()
    {
        manual_seed(1);
        using Tensor inputs = rand(400, 4), labels = (inputs[.., 0] * 3).to_type(ScalarType.Int64);
        using var model = nn.Linear(4, 3);
        using var optimizer = new Adamax().For(model);
        var trainer = new Trainer(model, nn.CrossEntropyLoss().forward, optimizer);
        var batches = new TensorBatches(inputs, labels, batchSize: 32);
        // snippet
        trainer.Fit(batches, epochs: 2, new()
        {
            Callbacks = [new LambdaCallback { EpochEnd = (run, log) => Console.WriteLine($"{log.Epoch} of {run.Epochs}: {log.Values["loss"]}") }],
        });
        // end
        Assert.Equal(26, optimizer.Optimizer.Iterations);
    }

    sealed class Two : nn.Module
    {
        readonly TorchSharp.Modules.Linear _classes = nn.Linear(6, 3), _number = nn.Linear(4, 1);

        public Two()
            : base("two") => RegisterComponents();

        public Tensor Classes(Tensor images, Tensor sounds) => _classes.forward(cat([images, sounds], 1));

        public Tensor Number(Tensor images) => _number.forward(images);
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
