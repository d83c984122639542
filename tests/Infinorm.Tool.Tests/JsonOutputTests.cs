using System.Text.Json.Nodes;
using Infinorm.Tests.Checkpoints;
using Infinorm.Tool.Terminal;
using Infinorm.Variables;

namespace Infinorm.Tool.Tests;

/// <summary><c>--json</c> of diff and schedule, and what is there for shells and narrow terminals.</summary>
public sealed class JsonOutputTests : IDisposable
{
    readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void DiffWritesWhatDiffers()
    {
        Command.WriteSafetensors(_folder / "a.safetensors", [("x", NdArray.Create([1f, 2f]))]);
        Command.WriteSafetensors(_folder / "b.safetensors", [("x", NdArray.Create([1f, 3f]))]);
        Command command = Command.Run("diff", _folder / "a.safetensors", _folder / "b.safetensors", "--json");
        Assert.Equal(1, command.ExitCode);
        JsonNode json = JsonNode.Parse(command.Output)!;
        Assert.Empty(json["settings"]!.AsArray());
        JsonNode tensor = Assert.Single(json["tensors"]!.AsArray())!;
        Assert.Equal(("x", "1/2", "[1]"), ((string?)tensor["tensor"], (string?)tensor["elements"], (string?)tensor["at"]));
        Assert.Equal(
            """{"settings":[],"tensors":[]}""",
            JsonNode.Parse(Command.Succeed("diff", _folder / "a.safetensors", _folder / "a.safetensors", "--json").Output)!.ToJsonString());
    }

    [Fact]
    public void ScheduleWritesStepsAndRates()
    {
        string config = """{"class_name": "InverseTimeDecay", "config": {"initial_learning_rate": 1, "decay_steps": 1, "decay_rate": 1}}""";
        JsonNode json = JsonNode.Parse(Command.Succeed("schedule", config, "--steps", "2", "--json").Output)!;
        Assert.Equal("InverseTimeDecay", (string?)json["schedule"]);
        Assert.Equal([0, 1, 2], json["steps"]!.AsArray().Select(step => (int)step!));
        Assert.Equal([1f, 0.5f, 1 / 3f], json["rates"]!.AsArray().Select(rate => (float)(double)rate!).ToArray());
    }

    [Fact]
    public void AScheduleIsFoundByTheContentOfAFileNotByItsName()
    {
        File.Copy(Command.Golden("dense_schedule_wd.keras"), _folder / "model.json");
        Assert.Contains("ExponentialDecay", Command.Succeed("schedule", _folder / "model.json", "--json").Output);
        File.WriteAllText(
            _folder / "rate.keras",
            """ {"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.1, "decay_steps": 5}}""");
        Assert.Contains("CosineDecay", Command.Succeed("schedule", _folder / "rate.keras", "--json").Output);
    }

    [Fact]
    public void ShellsAreToldHowWordsGoOn()
    {
        Assert.Equal(["inspect"], Command.Succeed("[suggest:3]", "ins").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("--json", Command.Succeed("[suggest:9]", "inspect --").Output);
    }

    [Fact]
    public void ANarrowTerminalBreaksNoNumber()
    {
        string name = "variables/a_rather_long_name_of_a_layer/kernel";
        Command.WriteSafetensors(_folder / "a.safetensors", [(name, NdArray.Create([0.123456f, -123.456f]))]);
        var output = new StringWriter();
        var session = new Session(
            output, TextWriter.Null, IsOutputTerminal: true, Width: 80, new Progress(TextWriter.Null, isTerminal: false, TimeProvider.System),
            CancellationToken.None);
        Assert.Equal(0, Cli.Run(["inspect", _folder / "a.safetensors"], session));
        string[] lines = output.ToString().Split('\n');
        int at = Array.IndexOf(lines, name);
        Assert.Equal("  shape [2]  type float32  norm 123.456  min -123.456  max 0.123456", lines[at + 1].TrimEnd());
        Assert.Equal("  non-finite 0", lines[at + 2]);
        Assert.All(lines[at..], line => Assert.InRange(line.Length, 0, 80));
    }
}
