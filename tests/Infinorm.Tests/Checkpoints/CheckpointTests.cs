using System.Globalization;
using System.Text;
using Infinorm.Checkpoints;
using Infinorm.Optimizers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Checkpoints;

/// <summary>What is loaded where, what is refused, and what options allow.</summary>
public class CheckpointTests
{
    static readonly string[] AllNames =
    [
        "optimizer/iteration", "optimizer/learning_rate", "optimizer/momentum/b", "optimizer/momentum/d/k", "optimizer/norm/b",
        "optimizer/norm/d/k", "variables/b", "variables/d/k",
    ];

    [Fact]
    public void NamesAreMadeOfWhatATensorIsAndWhoseItIs()
    {
        var plain = new PlainSafetensors(Save(Trained(new Adamax(0.5), Kernel(), Bias())));
        Assert.Equal(AllNames, plain.Names.Order(StringComparer.Ordinal));
        Assert.Equal("F32", plain["variables/d/k"].DType);
        Assert.Equal([2, 3], plain["optimizer/norm/d/k"].Shape);
        Assert.Equal(BitConverter.GetBytes(2L), plain["optimizer/iteration"].Bytes);
        Assert.Equal("I64", plain["optimizer/iteration"].DType);
        Assert.Equal(["infinorm", "config", "floatx", "weight_decay_exclusions"], plain.Metadata.Keys);

        var scaled = new LossScaleOptimizer(new Adamax(0.5) { UseEma = true, GradientAccumulationSteps = 2 });
        Assert.Equal(
            [
                "optimizer/dynamic_scale", "optimizer/inner_optimizer/average/b", "optimizer/inner_optimizer/gradient_accumulator/b",
                "optimizer/inner_optimizer/iteration", "optimizer/inner_optimizer/learning_rate", "optimizer/inner_optimizer/momentum/b",
                "optimizer/inner_optimizer/norm/b", "optimizer/iteration", "optimizer/learning_rate", "optimizer/step_counter",
            ],
            new PlainSafetensors(Save(Trained(scaled, Bias()), includeVariables: false)).Names.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void ValuesAreFoundByPathInAnyOrderAndUnderAnyNameOfTheOptimizer()
    {
        Optimizer saved = Trained(new Adamax(0.5) { Name = "one" }, Kernel(), Bias());
        var other = new Adamax(0.25) { Name = "two" };
        Variable[] variables = [Bias(), Kernel()];
        other.Apply([new float[3], new float[6]], variables); // built in Apply, whose names differ from those of Build in a wrapper
        Restore(Save(saved), other);
        Assert.Equal(StateOf.All(saved), StateOf.All(other));
        Assert.Equal(0.5, other.CurrentLearningRate);
    }

    [Fact]
    public void SlotsThatKerasWouldNameAlikeAreTwo()
    {
        Variable[] Make() => [new Variable<float>("a/b", new float[1]), new Variable<float>("a_b", new float[1])];
        var saved = new Adamax();
        saved.Build(Make());
        saved.Apply([new float[] { 1 }, new float[] { 2 }]);
        Assert.Equal(StateOf.All(saved), StateOf.All(Load(Save(saved), Make().Reverse())));
    }

    [Fact]
    public void EveryDifferenceIsListedAtOnceAndNothingIsChanged()
    {
        var saved = new Adamax(0.5, beta1: 0.8) { UseEma = true, WeightDecay = 0.1, Name = "a" };
        saved.ExcludeFromWeightDecay(names: ["^b$"]);
        byte[] file = Save(Trained(saved, Kernel(), Bias(), new Variable<float>("old", new float[1])));

        Variable[] variables =
        [
            new Variable<float>("d/k", new float[6], [3, 2]), new Variable<double>("b", new double[3]), new Variable<float>("new", new float[1]),
        ];
        var other = new Adamax(0.5) { WeightDecay = 0.2 };
        other.Build(variables);
        var before = Snapshot.Of(other, variables);
        string[] expected =
        [
            "setting weight_decay: 0.1 in the file, 0.2 here",
            "setting use_ema: true in the file, false here",
            "setting beta_1: 0.8 in the file, 0.9 here",
            "setting weight_decay_exclusions: b is excluded in the file, not here",
            "shape of optimizer/momentum/d/k: [2, 3] in the file, [3, 2] here",
            "shape of optimizer/norm/d/k: [2, 3] in the file, [3, 2] here",
            "type of optimizer/momentum/b: float32 in the file, float64 here",
            "type of optimizer/norm/b: float32 in the file, float64 here",
            "missing: optimizer/momentum/new float32[1]",
            "missing: optimizer/norm/new float32[1]",
            "shape of variables/d/k: [2, 3] in the file, [3, 2] here",
            "type of variables/b: float32 in the file, float64 here",
            "missing: variables/new float32[1]",
            "extra: optimizer/average/d/k float32[2, 3]",
            "extra: optimizer/average/b float32[3]",
            "extra: optimizer/average/old float32[1]",
            "extra: optimizer/momentum/old float32[1]",
            "extra: optimizer/norm/old float32[1]",
            "extra: variables/old float32[1]",
        ];
        var mismatch = Assert.Throws<CheckpointMismatchException>(() => Restore(file, other));
        Assert.Equal(expected, mismatch.Differences);
        Assert.Equal("x: the file differs from what is to be loaded:\n  " + string.Join("\n  ", expected), mismatch.Message);
        Assert.Equal("x", mismatch.File);
        before.AssertUnchanged(other, variables);

        Assert.Equal(
            expected[4..].Where(line => !line.Contains("average")),
            Assert.Throws<CheckpointMismatchException>(() => Load(file, variables)).Differences.Where(line => !line.Contains("average")));
        Assert.All(variables, variable => Assert.All(variable.ToNdArray().Bytes.ToArray(), value => Assert.Equal(0, value)));
    }

    [Fact]
    public void OptionsAllowWhatTheyName()
    {
        var saved = new Adamax(0.5) { UseEma = true, WeightDecay = 0.1 };
        byte[] file = Save(Trained(saved, Kernel(), Bias()));
        var weights = new Variable<float>("layer/weights", new float[6], [2, 3]);
        var bias = new Variable<double>("b", new double[3]);
        var other = new Adamax { WeightDecay = 0.2 };
        other.ExcludeFromWeightDecay([bias]);
        other.Build(weights, bias);
        Restore(file, other, new LoadOptions
        {
            Rename = new Dictionary<string, string> { ["d/k"] = "layer/weights" },
            IgnoreExtra = ["optimizer/average"],
            ConvertType = ["variables/b", "optimizer/momentum/b", "optimizer/norm/b"],
            KeepSettings = ["weight_decay", "weight_decay_exclusions", "use_ema"],
        });
        Assert.Equal(0.2, other.WeightDecay);
        Assert.Equal(2, other.Iterations);
        Assert.Equal(saved.TrainableVariables[0].ToNdArray().Bytes, weights.ToNdArray().Bytes);
        Assert.Equal(saved.TrainableVariables[1].ToNdArray().Cast(DType.Float64).Bytes, bias.ToNdArray().Bytes);
        NdArray Slot(Optimizer optimizer, string name) => optimizer.Variables.Single(variable => variable.Name == name).ToNdArray();
        Assert.Equal(Slot(saved, "d_k_norm").Bytes, Slot(other, "layer_weights_norm").Bytes);
        Assert.Equal(Slot(saved, "b_momentum").Cast(DType.Float64).Bytes, Slot(other, "b_momentum").Bytes);
    }

    [Fact]
    public void VariablesCanBeExchangedByRenaming()
    {
        Variable[] Make() => [new Variable<float>("a", new float[] { 1 }), new Variable<float>("b", new float[] { 2 })];
        var saved = new Adamax();
        saved.Build(Make());
        Variable[] variables = Make();
        Load(Save(saved), variables, new LoadOptions { Rename = new Dictionary<string, string> { ["a"] = "b", ["b"] = "a" } });
        Assert.Equal([2f], ((Variable<float>)variables[0]).Span);
        Assert.Equal([1f], ((Variable<float>)variables[1]).Span);
    }

    [Fact]
    public void RenamingThatCannotBeMeantIsRefused()
    {
        byte[] file = Save(Trained(new Adamax(), Kernel(), Bias()));
        Variable[] variables = [Kernel(), Bias()];
        LoadOptions Renaming(params (string File, string Here)[] names) => new() { Rename = names.ToDictionary(n => n.File, n => n.Here) };
        Refusal.Is<ArgumentException>("Rename: both b and c are to become x.", () => Load(file, variables, Renaming(("b", "x"), ("c", "x"))));
        Assert.Equal(
            ["rename: no variable here has the path x"],
            Assert.Throws<CheckpointMismatchException>(() => Load(file, variables, Renaming(("gone", "x")))).Differences);

        // b of the file becomes d/k, so nothing is left for b.
        string[] missing = ["missing: optimizer/momentum/b float32[3]", "missing: optimizer/norm/b float32[3]", "missing: variables/b float32[3]"];
        IReadOnlyList<string> differences =
            Assert.Throws<CheckpointMismatchException>(() => Load(file, variables, Renaming(("b", "d/k")))).Differences;
        Assert.Equal(missing, differences.Where(line => line.StartsWith("missing")));
    }

    [Fact]
    public void AFileWithoutVariablesLeavesThemAsTheyAre()
    {
        Optimizer saved = Trained(new Adamax(), Bias());
        var bias = Bias();
        bias.Assign<float>(7, 8, 9);
        Load(Save(saved, includeVariables: false), [bias]);
        Assert.Equal([7f, 8, 9], bias.ToNdArray().AsSpan<float>());
        Load(Save(saved), [bias], new LoadOptions { IgnoreExtra = ["variables"] });
        Assert.Equal([7f, 8, 9], bias.ToNdArray().AsSpan<float>());
        Load(Save(saved), [bias]);
        Assert.Equal(saved.TrainableVariables[0].ToNdArray().Bytes, bias.ToNdArray().Bytes);
    }

    [Fact]
    public void ADiskThatFailsAnywhereWhileItIsReadLeavesEverythingAsItWas()
    {
        byte[] file = Save(Trained(new Adamax(0.5), Kernel(), Bias()));
        Variable[] variables = [Kernel(), Bias()];
        Optimizer other = Trained(new Adamax(0.25), variables);
        other.Apply([new float[6], new float[3]]);
        var before = Snapshot.Of(other, variables);
        int read = file.Length + 12; // counter and rate are read twice: they are checked first
        for (int bytes = 0; bytes < read; bytes++)
        {
            Assert.Throws<IOException>(() => Restore(new FailingStream(new MemoryStream(file), bytes), other));
            before.AssertUnchanged(other, variables);
            Assert.Throws<IOException>(() =>
                CheckpointFile.Load(new SafetensorsFile(new FailingStream(new MemoryStream(file), bytes), "x"), variables, new()));
            before.AssertUnchanged(other, variables);
        }

        Restore(new FailingStream(new MemoryStream(file), read), other);
        Assert.Equal(2, other.Iterations);
    }

    [Theory]
    [InlineData("optimizer/iteration", "-5; it must be at least 0")]
    [InlineData("optimizer/inner_optimizer/iteration", "-1; it must be at least 0")]
    [InlineData("optimizer/step_counter", "-9.223372036854776E+18; it must be at least 0")]
    [InlineData("optimizer/learning_rate", "NaN; it must be finite")]
    [InlineData("optimizer/inner_optimizer/learning_rate", "-Infinity; it must be finite")]
    public void AValueThatNoOptimizerComesToIsNeitherLoadedNorSaved(string name, string problem)
    {
        Optimizer saved = Trained(new LossScaleOptimizer(new Adamax(0.5) { Name = "i" }) { Name = "o" }, Bias());
        byte[] file = Save(saved);
        string value = problem[..problem.IndexOf(';')];
        NdArray wrong = NdArray.Create<double>([double.Parse(value, CultureInfo.InvariantCulture)], []).Cast(name.EndsWith("rate") ? DType.Float32 : DType.Int64);
        var plain = new PlainSafetensors(file);
        wrong.Bytes.CopyTo(file.AsSpan(plain.DataStart + plain.Offsets(name).Begin));
        var before = Snapshot.Of(saved, [.. saved.TrainableVariables]);
        Refusal.Is<InvalidFileException>($"x: {name} is {problem}", () => Restore(file, saved));
        before.AssertUnchanged(saved, [.. saved.TrainableVariables]);
        Refusal.Is<InvalidFileException>($"x: {name} is {problem}", () => Load(file, [Bias()]));

        saved.State("optimizer").Single(tensor => tensor.Name == name).Variable.Assign(wrong);
        Refusal.Is<InvalidOperationException>($"o: {name} is {problem}", () => Save(saved));
    }

    [Fact]
    public void SixtyFourThousandVariablesInGroupsAreSavedAndLoaded()
    {
        Variable[] Make() => [.. Enumerable.Range(0, 1 << 16).Select(i => new Variable<float>($"layers/block_{i / 4}/dense/kernel_{i}", new float[] { i }))];
        Optimizer NewOne()
        {
            var optimizer = new Adamax { WeightDecay = 0.5 };
            optimizer.ExcludeFromWeightDecay(names: ["kernel"]);
            return optimizer;
        }

        using var folder = new TemporaryFolder();
        string path = folder / "many.safetensors";
        Optimizer saved = NewOne();
        Variable[] variables = Make();
        saved.BuildAt(
            variables, new Grouping([new() { LearningRate = 0.5 }, new() { LearningRate = 0.25 }], [.. variables.Select((_, i) => i % 2)]), scope: "");
        saved.Save(path);
        Assert.InRange(BitConverter.ToInt64(File.ReadAllBytes(path)), 10 << 20, 100_000_000);
        Variable[] others = [.. variables.Select(variable => new Variable<float>(variable.Path, new float[1]))];
        Optimizer loaded = Optimizer.Load(path, others);
        loaded.Restore(path);
        Assert.Equal(variables.Select(variable => variable.ToNdArray().AsSpan<float>()[0]), others.Select(variable => variable.ToNdArray().AsSpan<float>()[0]));
        Assert.Equal(1 << 16, loaded.WeightDecayExclusions.Count());
        Assert.Equal(1, loaded.GroupOf(65_535));
    }

    [Fact]
    public void OfVeryManyExtraTensorsOnlyTheFirstAreListed()
    {
        Optimizer optimizer = Trained(new Adamax(), Bias());
        var stream = new MemoryStream();
        CheckpointFile.Write(optimizer, stream, includeVariables: true, Enumerable.Range(0, 10_005).Select(
            i => SafetensorsTensor.Of($"more/{i}", NdArray.Create<float>([], 0))));
        IReadOnlyList<string> differences = Assert.Throws<CheckpointMismatchException>(() => Restore(stream.ToArray(), optimizer)).Differences;
        Assert.Equal(10_001, differences.Count);
        Assert.Equal(["extra: more/9999 float32[0]", "extra: 5 more"], differences.TakeLast(2));
        Restore(stream.ToArray(), optimizer, new() { IgnoreExtra = ["more"] });
    }

    [Fact]
    public void ATensorOfATypeThatIsNotReadIsAnExtraOne()
    {
        Optimizer optimizer = Trained(new Adamax(), Bias());
        byte[] plain = Save(optimizer);
        const string more = ",\"q\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[";
        int start = new PlainSafetensors(plain).DataStart, end = plain.AsSpan(0, start).LastIndexOf((byte)'}'), data = plain.Length - start;
        byte[] header = [.. plain[8..end], .. Encoding.ASCII.GetBytes($"{more}{data},{data + 2}]}}}}")];
        byte[] file = [.. BitConverter.GetBytes((long)header.Length), .. header, .. plain[start..], 1, 2];
        Assert.Equal(["extra: q I8[2]"], Assert.Throws<CheckpointMismatchException>(() => Restore(file, optimizer)).Differences);
        Restore(file, optimizer, new() { IgnoreExtra = ["q"] });
    }

    [Fact]
    public void SettingsThatExcludeEachOtherAreTheFilesFault()
    {
        byte[] file = Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(Save(Trained(new Adamax(0.5) { UseMasterWeights = true }, Bias())))
            .Replace("\\u0022use_master_weights\\u0022: true", "\\u0022use_stochastic_rounding\\u0022: true, \\u0022use_master_weights\\u0022: true"));
        BitConverter.TryWriteBytes(file, BitConverter.ToInt64(file) + ", \\u0022use_stochastic_rounding\\u0022: true".Length);
        Refusal.Is<InvalidFileException>(
            "x: its config cannot be read: Adamax: Only one of use_master_weights and use_stochastic_rounding can be set.",
            () => Load(file, [Bias()]));
    }

    [Fact]
    public void ALossScaleOptimizerHasTheFloatXOfTheOneInside()
    {
        Optimizer Make() => new LossScaleOptimizer(new Adamax(0.1) { FloatX = DType.Float64 });
        Optimizer saved = Trained(Make(), Kernel(), Bias());
        Assert.Equal(DType.Float64, saved.FloatX);
        byte[] file = Save(saved);
        Assert.Equal(StateOf.All(saved), StateOf.All(Load(file, [Kernel(), Bias()])));
        Optimizer restored = Make();
        restored.Build(Kernel(), Bias());
        Restore(file, restored);
        Assert.Equal(StateOf.All(saved), StateOf.All(restored));
        Assert.Equal(0.1, restored.CurrentLearningRate);
    }

    [Fact]
    public void AConfigThatCannotBeReadIsTheFilesFault()
    {
        byte[] file = Save(Trained(new Adamax(new(() => 0.1)), Bias()));
        Refusal.Is<InvalidFileException>(
            "x: its config cannot be read: learning rate: the function '<lambda>' is not known; register it first with "
            + "LearningRate.RegisterFunction",
            () => Load(file, [Bias()]));
        var other = new Adamax(new(() => 0.2)); // a function is not in a file; whoever restores brings it
        other.Build(Bias());
        Restore(file, other);
        Assert.Equal((2, 0.2), (other.Iterations, other.CurrentLearningRate));
    }

    [Fact]
    public void LoadTakesTheSettingsFromTheFile()
    {
        var saved = new Adamax(0.1) { WeightDecay = 0.5, FloatX = DType.Float64 };
        saved.ExcludeFromWeightDecay(names: ["b"]);
        Optimizer loaded = Load(Save(Trained(saved, Kernel(), Bias())), [Kernel(), Bias()]);
        Assert.Equal(saved.ToJson(), loaded.ToJson());
        Assert.Equal(DType.Float64, loaded.FloatX);
        Assert.Equal(["b"], loaded.WeightDecayExclusions.Select(variable => variable.Path));
        Assert.Equal(StateOf.All(saved), StateOf.All(loaded));
    }

    static Variable Kernel() => new Variable<float>("d/k", new float[] { 1, 2, 3, 4, 5, 6 }, [2, 3]);

    static Variable Bias() => new Variable<float>("b", new float[] { 0.5f, -0.5f, 0 });

    /// <summary>The optimizer after two steps.</summary>
    static Optimizer Trained(Optimizer optimizer, params Variable[] variables)
    {
        optimizer.Build(variables);
        for (int step = 1; step <= 2; step++)
            optimizer.Apply([.. variables.Select(variable => (Gradient)Enumerable.Range(step, variable.Length).Select(x => (float)x).ToArray())]);
        return optimizer;
    }

    static byte[] Save(Optimizer optimizer, bool includeVariables = true)
    {
        var stream = new MemoryStream();
        CheckpointFile.Write(optimizer, stream, includeVariables);
        return stream.ToArray();
    }

    static Optimizer Load(byte[] file, IEnumerable<Variable> variables, LoadOptions? options = null) =>
        CheckpointFile.Load(new SafetensorsFile(new MemoryStream(file), "x"), [.. variables], options ?? new());

    static void Restore(byte[] file, Optimizer optimizer, LoadOptions? options = null) => Restore(new MemoryStream(file), optimizer, options);

    static void Restore(Stream file, Optimizer optimizer, LoadOptions? options = null) =>
        CheckpointFile.Restore(optimizer, new SafetensorsFile(file, "x"), options ?? new());
}
