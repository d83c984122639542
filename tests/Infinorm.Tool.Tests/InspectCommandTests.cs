using System.Text.Json.Nodes;
using Infinorm.Keras;
using Infinorm.Optimizers;
using Infinorm.Tests.Checkpoints;
using Infinorm.Tool.Terminal;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tool.Tests;

public sealed class InspectCommandTests : IDisposable
{
    readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryTensorHasItsNumbers()
    {
        string path = _folder / "some.safetensors";
        Command.WriteSafetensors(path,
        [
            ("a", NdArray.Create([3f, -4f], 1, 2)), ("b", NdArray.Create([double.NaN, 2, double.PositiveInfinity])), ("c", NdArray.Create([Half.NaN])),
            ("d", NdArray.Create([(BFloat16)1.5f])), ("e", NdArray.Create([7L], ReadOnlySpan<int>.Empty)), ("f", NdArray.Create<int>([])),
        ], new KeyValuePair<string, string>("made by", "a test"));
        Assert.Equal(
            $"""
            property	value
            file	{path}
            format	safetensors
            made by	a test

            tensor	shape	type	norm	min	max	non-finite
            b	[3]	float64	2	2	2	2
            e	[]	int64	7	7	7	0
            a	[1, 2]	float32	5	-4	3	0
            f	[0]	int32	-	-	-	0
            c	[1]	float16	-	-	-	1
            d	[1]	bfloat16	1.5	1.5	1.5	0

            """,
            Command.Succeed("inspect", path).Output);

        JsonNode json = JsonNode.Parse(Command.Succeed("inspect", path, "--json").Output)!;
        Assert.Equal("""{"name":"b","shape":[3],"dtype":"float64","norm":2,"min":2,"max":2,"non_finite":2}""", json["tensors"]![0]!.ToJsonString());
        Assert.Null(json["tensors"]![4]!["norm"]);
        Assert.Equal("a test", json["about"]!["made by"]!.GetValue<string>());
        Assert.Null(json["optimizer"]);
    }

    [Fact]
    public void ALongTensorIsReadInPieces()
    {
        string path = _folder / "long.safetensors";
        float[] values = [.. Enumerable.Range(0, 200_000).Select(i => (float)i)];
        values[199_999] = float.NegativeInfinity;
        Command.WriteSafetensors(path, [("long", NdArray.Create(values))]);
        string[] row = Command.Succeed("inspect", path).Rows[^1];
        double norm = Math.Sqrt(Enumerable.Range(0, 199_999).Sum(i => (double)i * i));
        Assert.Equal(["long", "[200000]", "float32", NumberFormat.Rounded(norm), "0", "199998", "1"], row);
    }

    [Fact]
    public void ACheckpointHasSettingsAndCounters()
    {
        string path = _folder / "a.safetensors";
        var variable = new Variable<float>("dense/bias", new float[2]);
        var optimizer = new Adamax(0.1) { WeightDecay = 0.5 };
        optimizer.ExcludeFromWeightDecay([variable]);
        optimizer.Build(variable);
        optimizer.Apply([new float[] { 1, 2 }]);
        optimizer.Save(path);

        string[][] rows = Command.Succeed("inspect", path).Rows;
        Assert.Contains(["format", "checkpoint (safetensors)"], rows);
        Assert.Contains(["setting weight_decay", "0.5"], rows);
        Assert.Contains(["setting floatx", "float32"], rows);
        Assert.Contains(["setting weight_decay_exclusions", "[\"dense/bias\"]"], rows);
        Assert.Contains(["counter optimizer/iteration", "1"], rows);
        Assert.Contains(["counter optimizer/learning_rate", "0.1"], rows);

        JsonNode json = JsonNode.Parse(Command.Succeed("inspect", path, "--json").Output)!;
        Assert.Equal(1, json["counters"]!["optimizer/iteration"]!.GetValue<int>());
        Assert.Equal(0.1, json["counters"]!["optimizer/learning_rate"]!.GetValue<double>());
        Assert.Equal(JsonNode.Parse(optimizer.ToJson())!.ToJsonString(), json["optimizer"]!.ToJsonString());
        Assert.Equal("""["dense/bias"]""", json["weight_decay_exclusions"]!.ToJsonString());
    }

    [Theory]
    [MemberData(nameof(Command.Archives), MemberType = typeof(Command))]
    public void AnArchiveHasTheNamesOfACheckpoint(string name)
    {
        KerasArchive archive = KerasArchive.Open(Command.Golden(name));
        Optimizer optimizer = archive.LoadOptimizer();
        optimizer.Save(_folder / "saved.safetensors");
        string[] expected = Names("saved.safetensors"), found = Names(Command.Golden(name));
        Assert.Equal(expected.Order(), found.Where(tensor => !tensor.StartsWith("non_trainable/")).Order());
        Assert.Equal(archive.Weights.Count(weight => !weight.IsTrainable), found.Count(tensor => tensor.StartsWith("non_trainable/")));

        string[] Names(string file) => [.. Command.Succeed("inspect", _folder / file).Rows.SkipWhile(row => row[0] != "tensor").Skip(1).Select(row => row[0])];
    }

    [Fact]
    public void AnOptimizerThatIsNotKnownHasPlacesAsNames()
    {
        string path = _folder / "novel.keras";
        Command.WriteArchive(path, optimizerClass: "Novel");
        string[][] rows = Command.Succeed("inspect", path).Rows;
        Assert.Contains(rows, row => row[0] == "note" && row[1].StartsWith("the optimizer's variables have only their places as names: ") && row[1].Contains("'Novel'"));
        Assert.Contains(rows, row => row[0] == "keras/optimizer/vars/0" && row[2] == "int64");
        long iterations = KerasArchive.Open(path).Read("optimizer/vars/0").AsSpan<long>()[0];
        Assert.Contains(["counter keras/optimizer/vars/0", $"{iterations}"], rows);
        Assert.Contains(rows, row => row[0] == "variables/hidden/kernel");
    }

    [Fact]
    public void AWeightsFileWithoutItsModelIsShown()
    {
        string[][] rows = Command.Succeed("inspect", Command.Golden("dense_float_lr.weights.h5")).Rows;
        Assert.Contains(["format", "Keras weights file"], rows);
        Assert.Contains(rows, row => row[0] == "keras/optimizer/vars/0");
    }

    [Fact]
    public void NamesMayNotPlayWithTheTerminal()
    {
        string path = _folder / "evil.safetensors";
        Command.WriteSafetensors(path, [("\u001b[2Jname\tof\nli\u202enes", NdArray.Create([1f]))]);
        string output = Command.Succeed("inspect", path).Output;
        Assert.Contains("\\u001b[2Jname\\u0009of li\\u202enes\t[1]", output);
        Assert.DoesNotContain('\u001b', output);
    }

    [Fact]
    public void AHeaderWhoseLengthReadsLikeAZipFileIsNone()
    {
        string path = _folder / "pk.safetensors";
        const int length = 'P' | ('K' << 8);
        byte[] header = System.Text.Encoding.ASCII.GetBytes("{}".PadRight(length));
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)length), .. header]);
        Assert.Contains(["format", "safetensors"], Command.Succeed("inspect", path).Rows);
    }
}
