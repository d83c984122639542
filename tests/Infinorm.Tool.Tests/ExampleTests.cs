using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Infinorm.Keras;
using Infinorm.Tests.Checkpoints;
using Infinorm.Variables;

namespace Infinorm.Tool.Tests;

/// <summary>Every example that the command's help gives does what it says.</summary>
public sealed partial class ExampleTests : IDisposable
{
    const string Archive = "dense_schedule_wd.keras";

    readonly TemporaryFolder _folder = new();

    public ExampleTests()
    {
        File.Copy(Command.Golden(Archive), _folder / "model.keras");
        File.Copy(Command.Golden(Archive), _folder / "original.keras");
        KerasArchive archive = KerasArchive.Open(Command.Golden(Archive));
        Optimizer optimizer = archive.LoadOptimizer();
        foreach (string name in (string[])["checkpoint", "before", "after"])
            optimizer.Save(_folder / $"{name}.safetensors");
        Done("convert", Command.Golden(Archive), _folder / "converted.safetensors");
    }

    public static TheoryData<string> Examples => [.. new[] { "", "inspect", "diff", "convert", "schedule" }.SelectMany(InHelpOf).Distinct()];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Examples))]
    public void DoesWhatItSays(string example)
    {
        // "infinorm diff A B && echo same": the command, then what another program does with its output.
        string[] parts = OtherProgram().Split(example, 2);
        if (example.StartsWith("infinorm convert model.safetensors"))
            File.Copy(_folder / "converted.safetensors", _folder / "model.safetensors");
        string output = Done(WordsOf(parts[0]));
        switch (example[(example.IndexOf(' ') + 1)..])
        {
            case "inspect model.keras":
                Assert.Contains("variables/hidden/kernel", output);
                Assert.Contains("setting learning_rate", output);
                break;
            case "inspect checkpoint.safetensors --json | jq '.counters'":
                Assert.NotEqual(0, (int)JsonNode.Parse(output)!["counters"]!["optimizer/iteration"]!);
                break;
            case "inspect checkpoint.safetensors | grep variables/":
                Assert.Contains(output.Split('\n'), line => line.StartsWith("variables/") && line.Contains("kernel"));
                break;
            case "diff before.safetensors after.safetensors":
                Assert.Equal("", output);
                Optimizer optimizer = KerasArchive.Open(Command.Golden(Archive)).LoadOptimizer();
                ((Variable<float>)optimizer.TrainableVariables[0]).Span[0] += 1;
                optimizer.Save(_folder / "after.safetensors");
                Command differs = Command.Run(WordsOf(parts[0]));
                Assert.Equal(1, differs.ExitCode);
                Assert.Contains(differs.Rows, row => row is [_, "values", ['1', '/', ..], ..]);
                break;
            case "diff model.keras converted.safetensors && echo same":
                Assert.Equal("", output); // and the exit code is 0
                break;
            case "convert model.keras model.safetensors":
                Assert.Equal("", Command.Succeed("diff", _folder / "model.safetensors", _folder / "converted.safetensors").Output);
                break;
            case "convert model.safetensors model.keras" or "convert checkpoint.safetensors model.keras --template original.keras":
                Command.AssertSame(KerasArchive.Open(_folder / "original.keras"), KerasArchive.Open(_folder / "model.keras"));
                break;
            case "schedule checkpoint.safetensors --steps 10000 --svg rate.svg":
                Assert.Contains(XDocument.Load(_folder / "rate.svg").Descendants(), element => element.Name.LocalName is "path" or "polyline");
                break;
            default:
                Assert.StartsWith("infinorm schedule ", example);
                Assert.True(output.Split('\n').Length > 5, output);
                break;
        }
    }

    // The output of what succeeds, with nothing on stderr but notes.
    static string Done(params string[] arguments)
    {
        Command command = Command.Run(arguments);
        Assert.Equal(0, command.ExitCode);
        Assert.All(command.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.StartsWith("infinorm: note: ", line));
        return command.Output;
    }

    static IEnumerable<string> InHelpOf(string subcommand)
    {
        string[] lines = Command.Succeed([.. new[] { subcommand }.Where(word => word.Length > 0), "--help"]).Output.Split('\n');
        string[] examples = [.. lines.SkipWhile(line => line != "Examples:").Skip(1).TakeWhile(line => line.Length > 0).Select(line => line.Trim())];
        Assert.NotEmpty(examples);
        return examples;
    }

    // The words as a shell cuts them, without "infinorm"; files are in the folder.
    string[] WordsOf(string command) =>
    [
        .. Word().Matches(command).Skip(1).Select(match => match.Value.Trim('\''))
            .Select(word => IsFile().IsMatch(word) ? _folder / word : word),
    ];

    [GeneratedRegex(" (?:\\||&&) ")]
    private static partial Regex OtherProgram();

    [GeneratedRegex("'[^']*'|[^ ]+")]
    private static partial Regex Word();

    [GeneratedRegex("^[a-z]+\\.(?:keras|safetensors|svg)$")]
    private static partial Regex IsFile();
}
