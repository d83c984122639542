using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch.optim;

namespace Infinorm.Torch.Tests.Training;

/// <summary>A run file that was damaged or made by hand is read or refused, and a refusal changes nothing.</summary>
[Collection(nameof(Alone))]
public sealed class RunFileMutationTests : IDisposable
{
    static readonly string[] Values = ["null", "-1", "1.5", "\"x\"", "[]", "{}", "1e300", "true", "2147483647", "[null]", "[\"a\", \"a\"]"];

    readonly string _folder = Directory.CreateTempSubdirectory().FullName;
    readonly byte[] _sound;

    public RunFileMutationTests()
    {
        using var problem = NewProblem();
        problem.Trainer.Fit(problem.Data, 2, Options(null));
        _sound = File.ReadAllBytes(RunPath);
    }

    string RunPath => Path.Combine(_folder, "run.safetensors");

    [Fact]
    public void EveryValueOfEveryWrongKind()
    {
        using var problem = NewProblem();
        int refused = 0;
        foreach (string path in Paths(Run(Header(_sound)), "$").ToList())
        {
            foreach (string value in Values)
            {
                JsonObject header = Header(_sound), run = Run(header);
                Replace(run, path, JsonNode.Parse(value));
                header["__metadata__"]!["run"] = run.ToJsonString();
                refused += IsRefused(problem, WithHeader(header)) ? 1 : 0;
            }
        }

        Assert.InRange(refused, 200, int.MaxValue);
    }

    [Theory]
    [InlineData("run/history", 1, double.NaN)] // seconds
    [InlineData("run/history", 1, -1)]
    [InlineData("run/history", 1, 1e300)]
    [InlineData("run/history", 0, 2.5)] // batches
    [InlineData("run/history", 0, 8)] // not as many as steps
    [InlineData("run/means", 3, double.NaN)] // examples
    public void NumbersThatNoRunHas(string tensor, int index, double value)
    {
        byte[] bytes = [.. _sound];
        int start = (int)(long)Header(bytes)[tensor]!["data_offsets"]![0]! + 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(start + 8 * index), value);
        using var problem = NewProblem();
        Assert.True(IsRefused(problem, bytes));
    }

    [Fact]
    public void BestWeightsOfOtherNames()
    {
        JsonObject header = Header(_sound);
        const string name = "run/callbacks/EarlyStopping/";
        JsonNode entry = header[name + "in.weight"]!;
        header.Remove(name + "in.weight");
        header.Add(name + "other.weight", entry);
        using var problem = NewProblem();
        Assert.True(IsRefused(problem, WithHeader(header)));
    }

    [Fact]
    public void BytesOfTheHeader()
    {
        using var problem = NewProblem();
        var random = new Random(7);
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(_sound), start = _sound.AsSpan().IndexOf("\\\"Version"u8), refused = 0;
        start = start < 0 ? 8 : start;
        for (int i = 0; i < 300; i++)
        {
            byte[] bytes = [.. _sound];
            for (int n = random.Next(1, 4); n > 0; n--)
                bytes[random.Next(start, Math.Min(8 + length, start + 1200))] = (byte)random.Next(32, 127);
            refused += IsRefused(problem, bytes) ? 1 : 0;
        }

        Assert.InRange(refused, 100, 300);
    }

    // Fails if anything else is thrown than what is documented, or a refusal changed something.
    bool IsRefused(Problem problem, byte[] file)
    {
        File.WriteAllBytes(RunPath, file);
        byte[] weights = problem.Weights();
        long iterations = problem.Optimizer.Optimizer.Iterations;
        FitOptions options = Options(RunPath);
        var stopping = (EarlyStopping)options.Callbacks[0];
        using var stop = new CancellationTokenSource();
        stop.CancelAfter(TimeSpan.FromSeconds(20));
        try
        {
            problem.Trainer.Fit(problem.Data, 2, options, stop.Token);
            return false;
        }
        catch (Exception e) when (e is InvalidFileException or CheckpointMismatchException)
        {
            Assert.Equal(weights, problem.Weights());
            Assert.Equal((iterations, null), (problem.Optimizer.Optimizer.Iterations, stopping.BestEpoch));
            return true;
        }
    }

    FitOptions Options(string? from) => new()
    {
        Seed = 1,
        Callbacks =
        [
            new EarlyStopping("loss"), new LearningRateScheduler(optimizer => lr_scheduler.StepLR(optimizer, 1, 0.5)), new Checkpoint(RunPath),
        ],
        ResumeFrom = from,
    };

    static Problem NewProblem() => new(optimizer: () => new Adamax(0.01));

    static JsonObject Header(byte[] file) =>
        JsonNode.Parse(file.AsSpan(8, (int)BinaryPrimitives.ReadInt64LittleEndian(file)))!.AsObject();

    static JsonObject Run(JsonObject header) => JsonNode.Parse((string)header["__metadata__"]!["run"]!)!.AsObject();

    byte[] WithHeader(JsonObject header)
    {
        byte[] text = Encoding.UTF8.GetBytes(header.ToJsonString());
        byte[] padded = [.. text, .. Enumerable.Repeat((byte)' ', (8 - text.Length % 8) % 8)];
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, padded.Length);
        return [.. length, .. padded, .. _sound.AsSpan(8 + (int)BinaryPrimitives.ReadInt64LittleEndian(_sound))];
    }

    static IEnumerable<string> Paths(JsonNode? node, string path) => (node switch
    {
        JsonObject members => members.SelectMany(member => Paths(member.Value, $"{path}/{member.Key}")),
        JsonArray items => items.SelectMany((item, i) => Paths(item, $"{path}/{i}")),
        _ => [],
    }).Prepend(path).Where(found => found != "$");

    static void Replace(JsonNode root, string path, JsonNode? value)
    {
        string[] keys = path.Split('/')[1..];
        JsonNode parent = keys[..^1].Aggregate(root, (node, key) => node is JsonArray items ? items[int.Parse(key)]! : node[key]!);
        if (parent is JsonArray array)
            array[int.Parse(keys[^1])] = value;
        else
            parent[keys[^1]] = value;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
