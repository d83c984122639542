using Infinorm.Checkpoints;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training.Callbacks;

/// <summary>Checkpoints by a file-name pattern, the last n of them, and of weights alone.</summary>
[Collection(nameof(Alone))]
public sealed class CheckpointPatternTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory().FullName;
    readonly Problem _problem = new();

    [Theory]
    [InlineData("{epoch}-{loss}.st", "3-0.25.st")]
    [InlineData("{epoch:D2}-{loss:F3}.st", "03-0.250.st")]
    [InlineData("{epoch:02d}-{loss:.2f}.st", "03-0.25.st")]
    [InlineData("{epoch:000} {loss:0.0000}", "003 0.2500")]
    [InlineData("{loss:E1}", "2.5E-001")]
    [InlineData("{loss:.1e}", "2.5E-001")]
    [InlineData("{loss:D3}-{val_loss:F2}", "0.25-NaN")]
    [InlineData("{{{epoch}}}", "{3}")]
    [InlineData("plain.st", "plain.st")]
    public void APatternIsANameWithValues(string pattern, string expected)
    {
        var read = new FileNamePattern(Path.Combine("a", pattern));
        Assert.Equal(Path.Combine("a", expected), read.PathWith(new Dictionary<string, double> { ["epoch"] = 3, ["loss"] = 0.25 }));
        Assert.True(read.Fits(expected));
        Assert.False(read.Fits("x" + expected + "/y"));
        Assert.Equal(pattern.Contains("loss", StringComparison.Ordinal) || pattern.Contains("epoch", StringComparison.Ordinal), read.HasValues);
    }

    [Theory]
    [InlineData("{epoch")]
    [InlineData("epoch}")]
    [InlineData("{}")]
    [InlineData("{epoch:two}")]
    [InlineData("{epoch:/}")]
    [InlineData("{epoch}/x.st")]
    [InlineData("runs/")]
    [InlineData("")]
    public void WhatIsNoPatternIsRefused(string pattern) => Assert.Throws<ArgumentException>(() => new Checkpoint(pattern));

    [Fact]
    public void ThereIsAFileForEachEpoch()
    {
        string pattern = At("{epoch:D2}-{val_loss:F2}.st");
        History history = _problem.Trainer.Fit(_problem.Data, 3, new() { ValidationData = _problem.Data, Callbacks = [new Checkpoint(pattern)] });
        Assert.Equal(
            history.Epochs.Select(log => FormattableString.Invariant($"{log.Epoch:D2}-{log.Values["val_loss"]:F2}.st")), Files());
        Assert.Equal(At(Files()[^1]), Checkpoint.Latest(pattern));
        Assert.Null(Checkpoint.Latest(At("none-{epoch}.st")));
        Assert.Null(Checkpoint.Latest(At(Path.Combine("nowhere", "{epoch}.st"))));

        using var resumed = new Problem();
        Assert.Equal("resumed at epoch 4, batch 1", resumed.Trainer.Fit(resumed.Data, 4, new()
        {
            ValidationData = resumed.Data,
            ResumeFrom = Checkpoint.Latest(pattern),
        }).Beginning);
    }

    [Fact]
    public void AValueThatTheRunHasNotIsRefusedAtOnce()
    {
        byte[] before = _problem.Weights();
        Assert.StartsWith(
            "There is no 'val_loss' to watch",
            Assert.Throws<InvalidOperationException>(
                () => _problem.Trainer.Fit(_problem.Data, 1, new() { Callbacks = [new Checkpoint(At("{val_loss}.st"))] })).Message);
        Assert.Contains(
            "there is one file alone, so that Keep = 2 has no meaning",
            Assert.Throws<InvalidOperationException>(
                () => _problem.Trainer.Fit(_problem.Data, 1, new() { Callbacks = [new Checkpoint(At("a.st")) { Keep = 2 }] })).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => new Checkpoint("{epoch}") { Keep = 0 });
        Assert.Equal(before, _problem.Weights());
    }

    [Fact]
    public void TheLastFilesStay()
    {
        File.WriteAllText(At("run-0.st"), "not of this run");
        FitOptions Options(string? from = null) => new()
        {
            Seed = 1,
            Callbacks = [new Checkpoint(At("run-{epoch}.st"), At("best-{epoch}.st")) { Keep = 2, Monitor = "loss" }],
            ResumeFrom = from,
        };
        _problem.Trainer.Fit(_problem.Data, 4, Options());
        Assert.Equal(["run-0.st", "run-3.st", "run-4.st"], Files().Where(name => name[0] == 'r'));
        Assert.InRange(Files().Count(name => name[0] == 'b'), 1, 2);

        // A resumed run knows which files are its own.
        using var resumed = new Problem();
        resumed.Trainer.Fit(resumed.Data, 5, Options(At("run-4.st")));
        Assert.Equal(["run-0.st", "run-4.st", "run-5.st"], Files().Where(name => name[0] == 'r'));
        _problem.Trainer.Fit(_problem.Data, 1, Options());
        Assert.Equal(["run-0.st", "run-1.st", "run-4.st", "run-5.st"], Files().Where(name => name[0] == 'r'));
    }

    [Theory]
    [InlineData("x-/.st")]
    [InlineData("y-1.st")]
    public void AFileCannotHaveOthersDeleted(string name)
    {
        FitOptions Options(string? from) => new()
        {
            Callbacks = [new Checkpoint(At("x-{epoch}.st")) { Keep = 1 }],
            ResumeFrom = from,
        };
        _problem.Trainer.Fit(_problem.Data, 1, Options(null));
        string text = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(At("x-1.st")));
        Assert.Contains("x-1.st", text);
        File.WriteAllBytes(At("forged.st"), System.Text.Encoding.Latin1.GetBytes(text.Replace("x-1.st", name, StringComparison.Ordinal)));

        using var other = new Problem();
        byte[] before = other.Weights();
        Assert.Contains(
            $"'{name}' does not match the pattern",
            Assert.Throws<InvalidFileException>(() => other.Trainer.Fit(other.Data, 3, Options(At("forged.st")))).Message);
        Assert.Equal(before, other.Weights());
    }

    [Fact]
    public void FilesWithinAnEpochHaveItsNumber()
    {
        _problem.Trainer.Fit(_problem.Data, 2, new()
        {
            Callbacks =
            [
                new Checkpoint(At("{epoch}-{batch}-{step}.st")) { EverySteps = 4 }, new LambdaCallback
                {
                    BatchEnd = run =>
                    {
                        if (run.Step == 11)
                            run.Stop("enough");
                    },
                },
            ],
        });
        Assert.Equal(["1-4-4.st", "1-8-8.st", "1-9-9.st", "2-2-11.st"], Files());
    }

    [Fact]
    public void WeightsAloneAreThoseThatWereValidated()
    {
        History history = _problem.Trainer.Fit(_problem.Data, 3, new()
        {
            ValidationData = _problem.Data,
            Callbacks = [new Checkpoint(At("w-{epoch}.st"), At("best.st")) { WeightsOnly = true, Monitor = "val_loss" }],
        });
        using var loaded = new Problem();
        for (int epoch = 1; epoch <= 3; epoch++)
        {
            loaded.Trainer.LoadWeights(At($"w-{epoch}.st"));
            Assert.Equal(history["val_loss"][epoch - 1], loaded.Trainer.Evaluate(_problem.Data)["loss"], 1e-6);
        }

        loaded.Trainer.LoadWeights(At("best.st"));
        Assert.Equal(history["val_loss"].Min(), loaded.Trainer.Evaluate(_problem.Data)["loss"], 1e-6);
        using SafetensorsFile file = SafetensorsFile.Open(At("w-1.st"));
        Assert.Equal(_problem.Model.state_dict().Keys.Order(), file.Tensors.Keys.Order());
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Throws<InvalidFileException>(() => loaded.Trainer.Fit(loaded.Data, 4, new() { ResumeFrom = At("w-1.st") }));
    }

    [Fact]
    public void WeightsOfAnotherModelAreRefused()
    {
        using var other = nn.Linear(4, 3);
        using var optimizer = new Adamax().For(other);
        var trainer = new Trainer(other, nn.CrossEntropyLoss().forward, optimizer);
        _problem.Trainer.SaveWeights(At("w.st"));
        byte[] before = Problem.WeightsOf(other);
        string message = Assert.Throws<CheckpointMismatchException>(() => trainer.LoadWeights(At("w.st"))).Message;
        Assert.Contains("missing: weight", message);
        Assert.Contains("extra: in.weight", message);
        Assert.Equal(before, Problem.WeightsOf(other));
        trainer.SaveWeights(At("linear.st"));
        using (no_grad())
            other.weight.zero_();
        trainer.LoadWeights(At("linear.st"));
        Assert.Equal(before, Problem.WeightsOf(other));
    }

    public void Dispose()
    {
        _problem.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    string At(string name) => Path.Combine(_folder, name);

    string[] Files() => [.. Directory.GetFiles(_folder).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];
}
