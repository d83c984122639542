using Infinorm.Optimizers;
using Infinorm.Tests.Checkpoints;
using Infinorm.Variables;

namespace Infinorm.Tool.Tests;

public sealed class CliTests : IDisposable
{
    readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("infinorm inspect model.keras", "--help")]
    [InlineData("infinorm inspect model.keras", "inspect", "--help")]
    [InlineData("infinorm diff before.safetensors after.safetensors", "diff", "-h")]
    [InlineData("infinorm convert model.keras model.safetensors", "convert", "--help")]
    [InlineData("infinorm schedule model.keras", "schedule", "--help")]
    public void HelpHasExamplesAndExitCodes(string example, params string[] arguments)
    {
        string help = Command.Succeed(arguments).Output;
        Assert.Contains($"Examples:\n  {example}\n", help);
        Assert.Contains("Usage:\n  infinorm ", help);
        Assert.EndsWith("  2    an error, which one line on stderr names\n  130  stopped by Ctrl-C; no file is half written\n", help);
    }

    [Fact]
    public void TheCommandAloneShowsItsHelp() => Assert.Equal(Command.Succeed("--help").Output, Command.Succeed().Output);

    [Theory]
    [InlineData("Unrecognized command or argument 'inspekt'. (see: infinorm --help)", "inspekt")]
    [InlineData("Unrecognized command or argument 'inspekt'. (see: infinorm --help)", "inspekt", "model.keras")]
    [InlineData("An argument is empty. (see: infinorm inspect --help)", "inspect", "")]
    [InlineData("An argument is empty. (see: infinorm schedule --help)", "schedule", "x", "--svg", "")]
    [InlineData("FILE is missing: A .safetensors, .keras or .weights.h5 file. (see: infinorm inspect --help)", "inspect")]
    [InlineData("B is missing: A second file, of the same or another format. (see: infinorm diff --help)", "diff", "a.keras")]
    [InlineData("There is no option '--yaml'; there are --json. (see: infinorm inspect --help)", "inspect", "x", "--yaml")]
    [InlineData("There is no option '--jsn'; there are --json. (see: infinorm inspect --help)", "inspect", "--jsn", "x")]
    [InlineData("--steps: from 1 to 4503599627370496, found many (see: infinorm schedule --help)", "schedule", "x", "--steps", "many")]
    public void AWrongCommandLineIsOneLineAndExitCode2(string message, params string[] arguments)
    {
        Command command = Command.Run(arguments);
        Assert.Equal(2, command.ExitCode);
        Assert.Equal("", command.Output);
        Assert.Equal($"infinorm: {message}\n", command.Error);
    }

    [Fact]
    public void AFileThatIsNotThereIsNamed() =>
        Command.Fail($"Could not find file '{_folder / "none.keras"}'.", "inspect", _folder / "none.keras");

    [Fact]
    public void AFileOfAnotherKindIsCalledSo()
    {
        File.WriteAllText(_folder / "notes.txt", "Some text, longer than a header's length.");
        const string needed = "A safetensors file or one of Keras (.keras, .weights.h5) is needed";
        Command.Fail($"{_folder / "notes.txt"}: it is text. {needed}", "inspect", _folder / "notes.txt");
        File.WriteAllText(_folder / "a.json", "{\"class_name\": \"Adam\", \"config\": {}}");
        Command.Fail($"{_folder / "a.json"}: it is JSON text; Optimizer.Get reads an optimizer's config. {needed}", "inspect", _folder / "a.json");
        File.WriteAllBytes(_folder / "noise", [0xFE, 1, 2, 3, 0xFF, 5, 6, 7, 8, 9]);
        Command.Fail($"{_folder / "noise"}: it is neither a safetensors file nor one of Keras (.keras, .weights.h5)", "inspect", _folder / "noise");
    }

    [Fact]
    public void APictureOfAnotherKindIsRefusedBeforeAnythingIsWritten()
    {
        string path = _folder / "rate.png";
        Command.Fail(
            $"--svg: the picture is an SVG, so the file's name must end in .svg; found {path}",
            "schedule", Command.Golden("dense_float_lr.keras"), "--svg", path);
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void AFolderIsNoFile() => Assert.Equal(2, Command.Run("inspect", _folder / ".").ExitCode);

    [Fact]
    public void EveryCutOfAFileIsRefusedInOneLine()
    {
        byte[] whole = File.ReadAllBytes(Command.Golden("dense_float_lr.keras"));
        string path = _folder / "cut.keras";
        for (int length = 0; length < whole.Length; length += 997)
        {
            File.WriteAllBytes(path, whole[..length]);
            Command command = Command.Run("inspect", path);
            Assert.Equal(2, command.ExitCode);
            Assert.StartsWith($"infinorm: {path}: ", command.Error);
            Assert.Equal(1, command.Error.Count(c => c == '\n'));
        }
    }

    [Fact]
    public void WhatDoesNotFitIsListedInOneLine()
    {
        string other = _folder / "other.safetensors";
        var optimizer = new Adamax();
        optimizer.Build(new Variable<float>("elsewhere", new float[2]));
        optimizer.Save(other);
        Command command = Command.Run("convert", other, _folder / "x.keras", "--template", Command.Golden("dense_float_lr.keras"));
        Assert.Equal(2, command.ExitCode);
        Assert.StartsWith($"infinorm: {other}: it does not fit: ", command.Error);
        Assert.Contains("missing: optimizer/momentum/hidden/kernel float32[3, 4]", command.Error);
        Assert.Equal(1, command.Error.Count(c => c == '\n'));
        Assert.Equal(["other.safetensors"], _folder.Files);
    }

    [Theory]
    [InlineData("inspect")]
    [InlineData("diff")]
    [InlineData("convert")]
    public void WhoIsStoppedSaysSoAndLeavesNothing(string name)
    {
        string second = name == "convert" ? _folder / "x.safetensors" : Command.Golden("conv_ema.keras");
        Command command = Command.Run(new CancellationToken(canceled: true),
            [name, Command.Golden("conv_ema.keras"), .. name == "inspect" ? Array.Empty<string>() : [second]]);
        Assert.Equal(130, command.ExitCode);
        Assert.Equal("infinorm: stopped\n", command.Error);
        Assert.Empty(_folder.Files);
    }
}
