using System.Text;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>What is written while a model is trained: lines, a file of values, events for TensorBoard.</summary>
[Collection(nameof(Alone))]
public sealed class LogTests : IDisposable
{
    readonly Problem _problem = new();
    readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    [Fact]
    public void CsvHasALineAnEpochAlsoWhenResumed()
    {
        string csv = Path.Combine(_folder, "log.csv"), run = Path.Combine(_folder, "run.safetensors");
        History history = null!;
        foreach (int epochs in (int[])[2, 3])
            history = _problem.Trainer.Fit(_problem.Data, epochs, new() { Callbacks = [new CsvLog(csv), new Checkpoint(run)], ResumeFrom = run });
        string[] lines = File.ReadAllLines(csv);
        Assert.Equal(["epoch,seconds,loss,accuracy,learning_rate", "1", "2", "3"], [lines[0], .. lines[1..].Select(line => line.Split(',')[0])]);
        Assert.Equal(history["loss"], lines[1..].Select(line => double.Parse(line.Split(',')[2])));
        Assert.Equal(["log.csv", "run.safetensors"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void TensorBoardHasTheValuesOfEachEpoch()
    {
        History history = _problem.Trainer.Fit(_problem.Data, 2, new() { Callbacks = [new TensorBoardLog(_folder) { EverySteps = 4 }] });
        byte[] events = File.ReadAllBytes(Assert.Single(Directory.GetFiles(_folder, "events.out.tfevents.*")));
        string text = Encoding.Latin1.GetString(events);
        foreach (string name in history.Epochs[0].Values.Keys)
            Assert.Equal(2, Count(text, $"epoch_{name}"));
        Assert.Equal(4, Count(text, "batch_loss")); // steps 4, 8, 12, 16 of 18
        Assert.True(events.AsSpan().IndexOf(BitConverter.GetBytes((float)history["loss"][1])) > 0);
    }

    [Fact]
    public void LinesTellEachEpochAndWhyItStopped()
    {
        var lines = new StringWriter();
        _problem.Trainer.Fit(_problem.Data, 3, new() { Callbacks = [new ProgressBar(lines), new Stopper()] });
        string[] told = lines.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, told.Length);
        Assert.Matches(@"^epoch 1/3  9 batches in [0-9.]+ s  loss [0-9.]+  accuracy [0-9.]+  learning_rate [0-9.E-]+\r?$", told[0]);
        Assert.StartsWith("epoch 2/3", told[1]);
        Assert.Equal("stopped: enough", told[2].TrimEnd());
    }

    [Fact]
    public void ABarIsClosedWhateverHappens()
    {
        var screen = new StringWriter();
        using var lines = new StringWriter();
        var bar = new ProgressBar(lines, Terminal(screen, width: 120));
        for (int i = 0; i < 2; i++)
        {
            Assert.Throws<TimeZoneNotFoundException>(() => _problem.Trainer.Fit(_problem.Data, 3, new() { Callbacks = [bar, new Thrower()] }));
        }

        Assert.Contains("epoch 1/3", screen.ToString());
        Assert.Contains("epoch 2/3", screen.ToString());
        Assert.Equal(2, Count(lines.ToString(), "epoch 1/3  9 batches"));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(13)]
    [InlineData(20)]
    [InlineData(40)]
    [InlineData(60)]
    [InlineData(79)]
    [InlineData(80)]
    [InlineData(81)]
    [InlineData(132)]
    public void LinesAreNotBrokenWithinNumbers(int width)
    {
        var screen = new StringWriter();
        using var lines = new StringWriter();
        var trainer = new Trainer(_problem.Model, nn.CrossEntropyLoss().forward, _problem.Optimizer)
        {
            Metrics = [Metric.Accuracy, new Metric("constant", (prediction, _) => ones(1) * 0.12345)],
        };
        trainer.Fit(_problem.Data, 3, new()
        {
            ValidationData = _problem.Data,
            Callbacks = [new ProgressBar(lines, Terminal(screen, width)), new Stopper("val_loss was 0.123456 for 12345 batches")],
        });

        string[] told = lines.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
        foreach (string line in told)
            Assert.True(line.Length <= width || !line.TrimStart().Contains(' '), line);
        string[] words = [.. told.SelectMany(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        Assert.Equal(4, words.Count(word => word == "0.1235")); // of training and validation, in two epochs
        Assert.Equal(2, words.Count(word => word == "val_constant"));
        Assert.Contains("0.123456", words);
        Assert.Contains("12345", words);
        if (width >= 30) // values stand beside their names
            Assert.Equal(4, told.Sum(line => Count(line, "constant 0.1235")));
        if (width >= 80)
            Assert.Matches(@"epoch 1/3  loss [0-9.]+[^0-9]", screen.ToString());
    }

    static Spectre.Console.IAnsiConsole Terminal(StringWriter screen, int width)
    {
        var terminal = Spectre.Console.AnsiConsole.Create(new()
        {
            Ansi = Spectre.Console.AnsiSupport.Yes,
            Interactive = Spectre.Console.InteractionSupport.Yes,
            Out = new Spectre.Console.AnsiConsoleOutput(screen),
        });
        terminal.Profile.Width = width;
        return terminal;
    }

    static int Count(string text, string part) => text.Split(part).Length - 1;

    public void Dispose()
    {
        _problem.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    sealed class Stopper(string reason = "enough") : Callback
    {
        public override void OnEpochEnd(TrainingRun run, EpochLog log)
        {
            if (log.Epoch == 2)
                run.Stop(reason);
        }
    }

    sealed class Thrower : Callback
    {
        public override void OnBatchEnd(TrainingRun run)
        {
            if (run.Step == 12)
                throw new TimeZoneNotFoundException();
        }
    }
}
