using System.Text.Json;
using Infinorm.Checkpoints;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Variables;

namespace Infinorm.Tests.Checkpoints;

/// <summary>Groups of variables in checkpoints: their rates go on, all else must be as it was.</summary>
public class CheckpointGroupsTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void RatesOfGroupsAreRestoredAndLoaded(bool scaled)
    {
        Optimizer saved = Make(scaled, [0, 1, 1]);
        saved.Groups[0].LearningRate = 0.25; // as a scheduler does to a group that had the optimizer's rate
        saved.Groups[1].LearningRate = 0.1;
        byte[] file = Save(saved);

        Optimizer restored = Make(scaled, [0, 1, 1]);
        Restore(file, restored);
        Assert.Equal([0.25, 0.1], restored.Groups.Select(group => group.LearningRate?.Value));
        Optimizer loaded = CheckpointFile.Load(Open(file), [Variables[2](), Variables[0](), Variables[1]()], new());
        Step(saved);
        Step(restored);
        loaded.Apply([Gradients[2], Gradients[0], Gradients[1]]);
        Assert.Equal(StateOf.All(saved), StateOf.All(restored));
        Assert.Equal(StateOf.All(saved), StateOf.All(loaded));
    }

    [Fact]
    public void AGroupThatHadTheOptimizersRateHasItAgain()
    {
        Optimizer saved = Make(false, [0, 1, 1]), other = Make(false, [0, 1, 1]);
        saved.LearningRate = 0.75;
        other.Groups[0].LearningRate = 0.5;
        Restore(Save(saved), other);
        Assert.Null(other.Groups[0].LearningRate);
        Assert.Equal(0.75, other.CurrentRateOf(other.Groups[0]));
    }

    [Fact]
    public void WhatIsNotStateMustBeTheSame()
    {
        byte[] file = Save(Make(false, [0, 1, 1]));
        Expect(Make(false, [0, 0, 1]), "setting groups: b is in group 1 in the file, in 0 here");
        Expect(Make(false, [0, 1, 2], new VariableGroup()), "setting groups: 2 in the file, 3 here");
        Optimizer other = Trained(new Adamax(0.5) { WeightDecay = 0.5 }, new Grouping(
            [new() { LearningRate = new CosineDecay(1, 5) }, new() { LearningRate = 0.5, WeightDecay = 0.25 }], [0, 1, 1]));
        other.Groups[0].LearningRate = new CosineDecay(1, 5);
        var error = Expect(other, "setting groups/0/learning_rate: 0 in the file, {\"module\": \"keras.optimizers.schedules\"");
        Assert.Contains("setting groups/1/weight_decay: 0.0 in the file, 0.25 here", error.Message);
        Restore(file, other, new() { KeepSettings = ["groups"] });
        Assert.Equal(0.5, other.Groups[1].LearningRate!.Value);
        Restore(file, other, new() { KeepSettings = ["groups/0/learning_rate", "groups/1/weight_decay"] });
        Assert.Equal(0.125, other.Groups[1].LearningRate!.Value);

        var plain = new Adamax(0.5);
        plain.Build([.. Variables.Select(make => make())]);
        Expect(plain, "setting groups: 2 in the file, 1 here");
        byte[] plainFile = Save(plain);
        Assert.DoesNotContain("groups", Open(plainFile).Metadata.Keys);
        Assert.Contains("setting groups: 1 in the file, 2 here", Assert.Throws<CheckpointMismatchException>(
            () => Restore(plainFile, Make(false, [0, 1, 1]))).Message);

        CheckpointMismatchException Expect(Optimizer optimizer, string difference)
        {
            (string, string)[] before = [.. StateOf.All(optimizer)];
            var error = Assert.Throws<CheckpointMismatchException>(() => Restore(file, optimizer));
            Assert.Contains(difference, error.Message);
            Assert.Equal(before, StateOf.All(optimizer));
            return error;
        }
    }

    [Fact]
    public void MembersFollowRenamedVariables()
    {
        byte[] file = Save(Make(false, [1, 0, 0]));
        var other = new Adamax(0.5) { WeightDecay = 0.5 };
        other.BuildAt(
            [new Variable<float>("x", new float[1]), Variables[1](), Variables[2]()],
            new Grouping([new(), new() { LearningRate = 1, WeightDecay = 0 }], [1, 0, 0]), scope: "");
        Restore(file, other, new() { Rename = new Dictionary<string, string> { ["a"] = "x" } });
        Assert.Equal(0.125, other.Groups[1].LearningRate!.Value);
    }

    [Fact]
    public void SchedulesOfGroupsAreSettings()
    {
        var saved = new Adamax(0.5);
        saved.BuildAt([Variables[0]()], new Grouping([new() { LearningRate = new CosineDecay(1, 5) }], [0]), scope: "");
        byte[] file = Save(saved);
        Optimizer loaded = CheckpointFile.Load(Open(file), [Variables[0]()], new());
        Assert.Equal(saved.CurrentRateOf(saved.Groups[0]), loaded.CurrentRateOf(loaded.Groups[0]));
        Assert.IsType<CosineDecay>(loaded.Groups[0].LearningRate!.Schedule);

        var other = new Adamax(0.5);
        other.BuildAt([Variables[0]()], new Grouping([new() { LearningRate = new CosineDecay(1, 6) }], [0]), scope: "");
        Assert.Contains("setting groups/0/learning_rate/decay_steps: 5 in the file, 6 here", Assert.Throws<CheckpointMismatchException>(
            () => Restore(file, other)).Message);
    }

    [Theory]
    [InlineData("groups", "[]", "groups: it is not a list of groups")]
    [InlineData("groups", "{}", "groups: it is not a list of groups")]
    [InlineData("groups", "[1]", "groups: a group is not an object")]
    [InlineData("groups", "[{\"learning_rate\": \"1\"}]", "group: config key 'learning_rate' should be a number, found \"1\"")]
    [InlineData("groups", "[{\"weight_decay\": 1e999}]", "group: config key 'weight_decay' should be a finite number")]
    [InlineData("groups", "[{\"lr\": 1}]", "group: unknown config key 'lr'; known are learning_rate, weight_decay")]
    [InlineData("groups", "[{}", "Not valid JSON")]
    [InlineData("group_of", "[]", "group_of: it is not an object with a number of a group for each of different paths")]
    [InlineData("group_of", "{\"a\": 1}", "group_of: it is not an object with")]
    [InlineData("group_of", "{\"a\": -1}", "group_of: it is not an object with")]
    [InlineData("group_of", "{\"a\": 0, \"a\": 0}", "group_of: it is not an object with")]
    [InlineData("group_of", "{\"a\": \"0\"}", "group_of: it is not an object with")]
    [InlineData("group_of", "{\"a\": 0", "group_of: it is not an object with")]
    [InlineData("group_of", "{} 1", "group_of: it is not an object with")]
    public void RefusesWhatItCannotRead(string key, string value, string message)
    {
        var metadata = new Dictionary<string, string> { ["groups"] = "[{}]", ["group_of"] = "{}", [key] = value };
        string json = JsonSerializer.Serialize(new Dictionary<string, object> { ["__metadata__"] = metadata });
        using var file = new SafetensorsFile(new MemoryStream(PlainSafetensors.Make(json, 0)), "x");
        Assert.StartsWith(message, Assert.Throws<FormatException>(() => CheckpointGroups.Read(file)).Message);
    }

    [Fact]
    public void TooLongOnesAreNotWritten()
    {
        var optimizer = new Adamax();
        optimizer.BuildAt([new Variable<float>(new string('a', 3 << 20), new float[1])], new Grouping([new() { WeightDecay = 1 }], [0]), scope: "");
        Assert.StartsWith("The settings of groups have 46 characters, the list of their variables 3145735; at most 131072 and",
            Assert.Throws<InvalidOperationException>(() => CheckpointGroups.Of(optimizer).ToMetadata()).Message);
    }

    static readonly Func<Variable>[] Variables = [.. "abc".Select((name, i) =>
        (Func<Variable>)(() => new Variable<float>($"{name}", Enumerable.Range(0, i + 1).Select(x => x + 0.5f).ToArray())))];

    static readonly Gradient[] Gradients = [new float[] { 3 }, new float[] { -1, 2 }, new float[] { 5, 6, -7 }];

    // After a step. The second group has a rate and no decay.
    static Optimizer Make(bool scaled, int[] groupOf, params VariableGroup[] more)
    {
        Optimizer optimizer = new Adamax(0.5) { Name = "inner", WeightDecay = 0.5 };
        if (scaled)
            optimizer = new LossScaleOptimizer(optimizer) { Name = "scaled" };
        return Trained(optimizer, new Grouping([new(), new() { LearningRate = 0.125, WeightDecay = 0 }, .. more], groupOf));
    }

    static Optimizer Trained(Optimizer optimizer, Grouping grouping)
    {
        optimizer.BuildAt([.. Variables.Select(make => make())], grouping, scope: "");
        Step(optimizer);
        return optimizer;
    }

    static void Step(Optimizer optimizer) => optimizer.Apply(Gradients);

    static byte[] Save(Optimizer optimizer)
    {
        var stream = new MemoryStream();
        CheckpointFile.Write(optimizer, stream, includeVariables: true);
        return stream.ToArray();
    }

    [Fact]
    public void AScheduleThatItsConstructorRefusesIsTheFilesFault()
    {
        var saved = new Adamax(0.5);
        saved.Build(new VariableGroup(Variables[0]()) { LearningRate = new ExponentialDecay(0.5, 7, 0.5) });
        byte[] file = Save(saved);
        int at = file.AsSpan().IndexOf("decay_steps\\u0022: 7"u8);
        file[at + "decay_steps\\u0022: ".Length] = (byte)'0';
        var invalid = Assert.Throws<InvalidFileException>(() => CheckpointFile.Load(Open(file), [Variables[0]()], new()));
        Assert.StartsWith("x: its config cannot be read: ExponentialDecay: decaySteps must be", invalid.Message);
    }

    static SafetensorsFile Open(byte[] file) => new(new MemoryStream(file), "x");

    static void Restore(byte[] file, Optimizer optimizer, LoadOptions? options = null) =>
        CheckpointFile.Restore(optimizer, Open(file), options ?? new());
}
