using Infinorm.Checkpoints;
using Infinorm.Schedules;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>The C# of docs/training.md and of the README is the code of this file.</summary>
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

        // "optimizer.Restore(path, …) reads the optimizer and the parameters alone": the file's weights, without the averages.
        optimizer.Restore(file, new LoadOptions { IgnoreExtra = ["run"] });
        Assert.Equal(history.Steps, optimizer.Optimizer.Iterations);
        var norms = new PrintNorm();
        trainer.Fit([(newInputs, zeros(5, ScalarType.Int64))], epochs: 1, new() { Callbacks = [norms] });
    }

    [Theory]
    [InlineData("training.md", "TrainingDocsTests.cs", 2)]
    [InlineData("torchsharp.md", "DocsTests.cs", 1)]
    public void TheirCodeIsThatOfTheTests(string document, string source, int count)
    {
        string code = Normal(Resource(source));
        string[] snippets = [.. Resource(document).Split("```csharp").Skip(1).Select(part => Normal(part.Split("```")[0]))];
        Assert.Equal(count, snippets.Length);
        Assert.All(snippets, snippet => Assert.Contains(snippet, code));
    }

    static string Resource(string name)
    {
        using var reader = new StreamReader(typeof(TrainingDocsTests).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }

    // Without indentation and empty lines.
    static string Normal(string text) =>
        string.Join('\n', text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));

    sealed class PrintNorm : Callback
    {
        public override void OnBatchEnd(TrainingRun run) => Console.WriteLine($"{run.Step}: {run.LastStep?.GradientNorm}");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
