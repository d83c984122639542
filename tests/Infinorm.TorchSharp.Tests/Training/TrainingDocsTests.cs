using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>The first C# of docs/training.md and of the README is the code of this file.</summary>
[Collection(nameof(Alone))]
public sealed class TrainingDocsTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    [Fact]
    public void ItsExampleTrains()
    {
        string file = Path.Combine(_folder, "run.safetensors");
        manual_seed(1);
        using Tensor inputs = rand(400, 4), newInputs = rand(5, 4), labels = (inputs[.., 0] * 3).to_type(ScalarType.Int64);
        using var stop = new CancellationTokenSource();
        // snippet
        using var model = nn.Sequential(("hidden", nn.Linear(4, 32)), ("relu", nn.ReLU()), ("out", nn.Linear(32, 3)));
        using var optimizer = new Adamax(new CosineDecay(0.02, decaySteps: 200)) { UseEma = true, EmaMomentum = 0.9 }.For(model);
        var trainer = new Trainer(model, nn.CrossEntropyLoss().forward, optimizer) { Metrics = [Metric.Accuracy] };

        History history = trainer.Fit(new TensorBatches(inputs, labels, batchSize: 32), epochs: 20, new()
        {
            ValidationSplit = 0.2,
            Seed = 1,
            Callbacks = [new ProgressBar(), new EarlyStopping(), new Checkpoint(file)],
            ResumeFrom = file, // if it is there: goes on where the last process was stopped
        }, stop.Token);

        Console.WriteLine($"validation accuracy {history["val_accuracy"][^1]:P1}");
        using Tensor predictions = trainer.Predict(newInputs);
        // end
        Assert.InRange(history["val_accuracy"].Max(), 0.85, 1);
        Assert.Equal([5, 3], predictions.shape);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
