using Infinorm.Checkpoints;
using Infinorm.Config;
using Infinorm.Keras;
using Infinorm.Tool.Terminal;
using Infinorm.Variables;

namespace Infinorm.Tool.Tests;

/// <summary>Runs the command in this process, as the shell would, with its output captured and its clock standing still.</summary>
sealed record Command(int ExitCode, string Output, string Error)
{
    static readonly string GoldenFolder = Path.Combine(AppContext.BaseDirectory, "Golden", "files");

    /// <summary>The golden archives, by name.</summary>
    public static TheoryData<string> Archives => [.. Names("*.keras")];

    /// <summary>The golden archives and weights files, by name.</summary>
    public static TheoryData<string> KerasFiles => [.. Names("*.keras"), .. Names("*.weights.h5")];

    /// <summary>The lines of <see cref="Output"/>, each cut at its tabs.</summary>
    public string[][] Rows => [.. Output.TrimEnd('\n').Split('\n').Select(line => line.Split('\t'))];

    public static Command Run(params string[] arguments) => Run(CancellationToken.None, arguments);

    public static Command Run(CancellationToken stop, params string[] arguments)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        var session = new Session(output, error, IsOutputTerminal: false, Width: 80, new Progress(error, isTerminal: false, new StillClock()), stop);
        return new(Cli.Run(arguments, session), output.ToString(), error.ToString());
    }

    /// <summary>Runs what must succeed and have nothing to say on stderr.</summary>
    public static Command Succeed(params string[] arguments)
    {
        Command command = Run(arguments);
        Assert.Equal("", command.Error);
        Assert.Equal(0, command.ExitCode);
        return command;
    }

    /// <summary>Runs what must fail with this one line and no output.</summary>
    public static void Fail(string message, params string[] arguments)
    {
        Command command = Run(arguments);
        Assert.Equal($"infinorm: {message}\n", command.Error);
        Assert.Equal("", command.Output);
        Assert.Equal(2, command.ExitCode);
    }

    public static string Golden(string name) => Path.Combine(GoldenFolder, name);

    /// <summary>A safetensors file.</summary>
    public static void WriteSafetensors(string path, IEnumerable<(string Name, NdArray Array)> tensors, params KeyValuePair<string, string>[] metadata)
    {
        using FileStream stream = File.Create(path);
        SafetensorsWriter.Write(stream, metadata, tensors.Select(tensor => SafetensorsTensor.Of(tensor.Name, tensor.Array)));
    }

    /// <summary>Writes a golden archive, each array changed, with another class as its optimizer's.</summary>
    public static void WriteArchive(string path, Func<string, NdArray, NdArray>? change = null, string optimizerClass = "Adamax")
    {
        KerasArchive golden = KerasArchive.Open(Golden("dense_float_lr.keras"));
        golden.ModelConfig!["compile_config"]!["optimizer"]!["class_name"] = optimizerClass;
        KerasArchive.Create(
            golden.Locations.Select(at => KeyValuePair.Create(at, change is null ? golden.Read(at) : change(at, golden.Read(at)))),
            golden.GroupNames, golden.ModelConfig, golden.Metadata).Save(path);
    }

    /// <summary>Asserts that two archives have the same arrays, bit for bit, and the same names, config and metadata.</summary>
    public static void AssertSame(KerasArchive expected, KerasArchive actual)
    {
        Assert.Equal(expected.Locations.Order(), actual.Locations.Order());
        foreach (string location in expected.Locations)
        {
            NdArray one = expected.Read(location), two = actual.Read(location);
            Assert.Equal(one.DType, two.DType);
            Assert.Equal(one.Shape.ToArray(), two.Shape.ToArray());
            Assert.True(one.Bytes.SequenceEqual(two.Bytes), location);
        }

        Assert.Equal(expected.GroupNames.OrderBy(name => name.Key), actual.GroupNames.OrderBy(name => name.Key));
        Assert.Equal(PythonJson.Write(expected.ModelConfig), PythonJson.Write(actual.ModelConfig));
        Assert.Equal(PythonJson.Write(expected.Metadata), PythonJson.Write(actual.Metadata));
    }

    /// <summary>Asserts that two optimizers have the same settings and the same state, bit for bit.</summary>
    public static void AssertSame(Optimizer expected, Optimizer actual)
    {
        Assert.Equal(expected.ToJson(), actual.ToJson());
        Assert.Equal(expected.FloatX, actual.FloatX);
        Assert.Equal(expected.Variables.Count, actual.Variables.Count);
        foreach (var (one, two) in expected.Variables.Zip(actual.Variables))
        {
            Assert.Equal(one.ToString(), two.ToString());
            Assert.True(one.ToNdArray().Bytes.SequenceEqual(two.ToNdArray().Bytes), one.Path);
        }
    }

    static IEnumerable<string> Names(string pattern) =>
        Directory.GetFiles(GoldenFolder, pattern).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);

    sealed class StillClock : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }
}
