using System.Text.Json.Nodes;
using CsCheck;
using Infinorm.Checkpoints;
using Infinorm.Keras;
using Infinorm.Optimizers;
using Infinorm.Tests.Checkpoints;
using Infinorm.Types;
using Infinorm.Variables;
using AnyModel = Infinorm.Tests.Properties.Model;
using AnySettings = Infinorm.Tests.Properties.Settings;

namespace Infinorm.Tool.Tests;

public sealed class ConvertCommandTests : IDisposable
{
    const string Dense = "dense_float_lr.keras";

    static readonly LoadOptions OnlyTheCheckpoint = new() { IgnoreExtra = ["non_trainable"] };

    static readonly JsonObject Model = (JsonObject)JsonNode.Parse("""
        {"module": "keras", "class_name": "Sequential", "registered_name": null,
         "config": {"name": "model", "layers": [{"module": "mine", "class_name": "Mine", "config": {"name": "layer"}}]}}
        """)!;

    readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Command.KerasFiles), MemberType = typeof(Command))]
    public void ThereAndBackNothingIsLost(string name)
    {
        string there = _folder / "there.safetensors", back = _folder / name;
        Command outward = Command.Run("convert", Command.Golden(name), there);
        Assert.Equal(0, outward.ExitCode);
        Assert.DoesNotContain("not carried over", outward.Error);
        Command.Succeed("convert", there, back);
        Command.AssertSame(KerasArchive.Open(Command.Golden(name)), KerasArchive.Open(back));
        Assert.Equal("", Command.Succeed("diff", Command.Golden(name), there).Output);
        Assert.Equal("", Command.Succeed("diff", Command.Golden(name), back).Output);
    }

    [Theory]
    [InlineData(65)]
    [InlineData(20_000)]
    public void GroupsThatAreNestedTooDeepAreRefusedAndNothingIsWritten(int depth)
    {
        string from = _folder / "deep.safetensors", group = string.Join('/', Enumerable.Repeat("a", depth));
        string origin = "{\"groups\":{\"" + group + "\":\"x\"},\"arrays\":{\"layers/dense/vars/0\":{\"tensor\":\"t\",\"dtype\":\"float32\"}}}";
        Command.WriteSafetensors(from, [("t", NdArray.Create([1f]))], KeyValuePair.Create("keras_archive", origin));
        Command.Fail($"{from}: 'a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/…' is nested deeper than 64 groups. (Parameter 'path')",
            "convert", from, _folder / "out.weights.h5");
        Assert.Equal(["deep.safetensors"], _folder.Files);
    }

    [Fact]
    public void AnOptimizerThatKerasWrappedByItselfGoesThereAndBack()
    {
        // As of a mixed_float16 model: the settings are those of the optimizer inside.
        KerasArchive golden = KerasArchive.Open(Command.Golden("dense_loss_scale.keras"));
        golden.ModelConfig!["compile_config"]!["optimizer"] = golden.OptimizerConfig!["config"]!["inner_optimizer"]!.DeepClone();
        string from = _folder / "mixed.keras", there = _folder / "there.safetensors", back = _folder / "back.keras";
        KerasArchive.Create(golden.Locations.Select(at => KeyValuePair.Create(at, golden.Read(at))), golden.GroupNames, golden.ModelConfig, golden.Metadata).Save(from);
        Assert.Equal(0, Command.Run("convert", from, there).ExitCode);
        Command.Succeed("convert", there, back);
        Command.AssertSame(golden, KerasArchive.Open(back));
        Assert.IsType<LossScaleOptimizer>(Optimizer.Load(there, golden.TrainableVariables, OnlyTheCheckpoint));
        Assert.Equal("", Command.Succeed("diff", from, there).Output);
    }

    [Theory]
    [MemberData(nameof(Command.Archives), MemberType = typeof(Command))]
    public void AnArchiveBecomesACheckpoint(string name)
    {
        string there = _folder / "there.safetensors";
        Assert.Equal(0, Command.Run("convert", Command.Golden(name), there).ExitCode);
        KerasArchive archive = KerasArchive.Open(Command.Golden(name)), empty = KerasArchive.Open(Command.Golden(name));
        foreach (Variable variable in empty.TrainableVariables)
            variable.Assign(NdArray.Zeros(variable.DType, variable.Shape));
        Optimizer expected = archive.LoadOptimizer(), loaded = Optimizer.Load(there, empty.TrainableVariables, OnlyTheCheckpoint);
        Command.AssertSame(expected, loaded);
        Assert.All(archive.TrainableVariables.Zip(empty.TrainableVariables), pair => Assert.True(pair.First.ToNdArray().Data.HasSame(pair.Second.ToNdArray().Data), pair.First.Path));

        // What trains on as a checkpoint comes back by its template.
        Gradient[] gradients = [.. archive.TrainableVariables.Select(variable => (Gradient)Enumerable.Repeat(0.25f, variable.Length).ToArray())];
        expected.Apply(gradients);
        loaded.Apply(gradients);
        loaded.Save(_folder / "trained.safetensors");
        Assert.Equal(0, Command.Run("convert", _folder / "trained.safetensors", _folder / "trained.keras", "--template", Command.Golden(name)).ExitCode);
        archive.Save(_folder / "expected.keras");
        Command.AssertSame(KerasArchive.Open(_folder / "expected.keras"), KerasArchive.Open(_folder / "trained.keras"));
    }

    [Fact]
    public void EverySettingAndTypeGoesThereAndBack() => Gen.Select(AnySettings.Any, AnyModel.Any).Sample((settings, model) =>
    {
        KerasArchive archive = KerasArchive.Create(
            model.MakeVariables().Select((variable, i) => KeyValuePair.Create($"layers/mine/vars/{i}", variable.ToNdArray())),
            new Dictionary<string, string> { ["layers/mine/vars"] = "layer", ["layers/flatten/vars"] = "flat" }, (JsonObject)Model.DeepClone());
        Optimizer optimizer = settings.Create();
        optimizer.Build(archive.TrainableVariables);
        archive.Optimizer = optimizer;
        for (int step = 0; step < 3; step++)
            optimizer.Apply(model.MakeGradients(step));
        archive.Save(_folder / "from.keras");

        Assert.Equal(0, Command.Run("convert", _folder / "from.keras", _folder / "there.safetensors").ExitCode);
        Assert.Equal(0, Command.Run("convert", _folder / "there.safetensors", _folder / "back.keras").ExitCode);
        KerasArchive again = KerasArchive.Open(_folder / "back.keras");
        Command.AssertSame(KerasArchive.Open(_folder / "from.keras"), again);
        Command.AssertSame(optimizer, again.LoadOptimizer());
        Command.AssertSame(optimizer, Optimizer.Load(_folder / "there.safetensors", KerasArchive.Open(_folder / "from.keras").TrainableVariables));
    }, iter: 100, threads: 1);

    [Fact]
    public void KerasOwn16BitSlotsAreWidenedAndComeBackAsTheyWere()
    {
        Command.WriteArchive(_folder / "half.keras", change: Narrow);
        Assert.Equal(0, Command.Run("convert", _folder / "half.keras", _folder / "half.safetensors").ExitCode);
        using (SafetensorsFile there = SafetensorsFile.Open(_folder / "half.safetensors"))
        {
            Assert.Equal(DType.Float16, there.Tensors["variables/hidden/kernel"].DType);
            Assert.Equal(DType.Float32, there.Tensors["optimizer/momentum/hidden/kernel"].DType);
            Assert.Equal(DType.Int64, there.Tensors["optimizer/iteration"].DType);
        }

        Command.Succeed("convert", _folder / "half.safetensors", _folder / "back.keras");
        Command.AssertSame(KerasArchive.Open(_folder / "half.keras"), KerasArchive.Open(_folder / "back.keras"));

        KerasArchive.Open(_folder / "half.keras").LoadOptimizer().Save(_folder / "checkpoint.safetensors");
        Command rounded = Command.Run("convert", _folder / "checkpoint.safetensors", _folder / "a.keras", "--template", _folder / "half.keras");
        Assert.Equal("infinorm: note: slots of 16-bit variables are rounded to the types that they have in the archive\n", rounded.Error);

        static NdArray Narrow(string location, NdArray array)
        {
            array = array.Cast((array.DType, array.Shape.Length) switch
            {
                (DType.Int64, _) => DType.Int32,
                (DType.Float32, > 0) => DType.Float16,
                var (type, _) => type,
            });
            if (location != "optimizer/vars/2")
                return array;
            Half[] values = array.AsSpan<Half>().ToArray();
            values[0] = BitConverter.UInt16BitsToHalf(0x7D01); // a signaling NaN, which no wider type gives back
            return NdArray.Create<Half>(values, array.Shape);
        }
    }

    [Fact]
    public void AnOptimizerThatIsNotKnownIsCarriedAsItIsStored()
    {
        Command.WriteArchive(_folder / "novel.keras", optimizerClass: "Novel");
        Command command = Command.Run("convert", _folder / "novel.keras", _folder / "novel.safetensors");
        Assert.Equal(0, command.ExitCode);
        Assert.StartsWith("infinorm: note: the file will not be a checkpoint of an optimizer, but can be converted back\n", command.Error);
        Assert.Equal("", Command.Succeed("diff", _folder / "novel.keras", _folder / "novel.safetensors").Output);
        Command.Succeed("convert", _folder / "novel.safetensors", _folder / "back.keras");
        Command.AssertSame(KerasArchive.Open(_folder / "novel.keras"), KerasArchive.Open(_folder / "back.keras"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void WhatCannotBeCarriedOverIsSaidFirst(bool strict)
    {
        string there = _folder / "there.safetensors", from = _folder / "more.keras";
        using (FileStream golden = File.OpenRead(Command.Golden(Dense)), written = File.Create(from))
            ZipEntry.WriteAll(written, [.. ZipEntry.ReadAll(Dense, golden), new ZipEntry("assets/words.txt", "a"u8.ToArray(), DateTimeOffset.Now)]);
        const string loss = "infinorm: not carried over: the file assets/words.txt\n";
        Command command = Command.Run(["convert", from, there, .. strict ? ["--strict"] : Array.Empty<string>()]);
        Assert.Equal(strict ? $"{loss}infinorm: {there} was not written: --strict, and something cannot be carried over\n" : loss, command.Error);
        Assert.Equal(strict ? 2 : 0, command.ExitCode);
        Assert.Equal(!strict, File.Exists(there));
    }

    [Fact]
    public void ExclusionsAndTensorsOfOthersAreNotKeras()
    {
        KerasArchive archive = KerasArchive.Open(Command.Golden(Dense));
        var optimizer = new Adamax { WeightDecay = 0.1 };
        optimizer.ExcludeFromWeightDecay(names: ["bias"]);
        optimizer.Build(archive.TrainableVariables);
        optimizer.Save(_folder / "a.safetensors");
        Command command = Command.Run("convert", _folder / "a.safetensors", _folder / "a.weights.h5", "--template", Command.Golden(Dense));
        Assert.Contains("not carried over: which variables weight decay leaves out (hidden/bias, out/bias): Keras's files do not say it\n", command.Error);
        Assert.Contains("not carried over: the model's config and the optimizer's settings: a .weights.h5 file has none\n", command.Error);
        Assert.Equal(0, command.ExitCode);
    }

    [Fact]
    public void AnArchiveBecomesAWeightsFileAndBackWithATemplate()
    {
        Command command = Command.Run("convert", Command.Golden(Dense), _folder / "a.weights.h5");
        Assert.Equal("infinorm: not carried over: the model's config and the optimizer's settings: a .weights.h5 file has none\n", command.Error);
        Command.Fail($"{_folder / "a.weights.h5"}: it has no model's config, which a .keras archive needs; give --template, or write a .weights.h5 file",
            "convert", _folder / "a.weights.h5", _folder / "a.keras");
        Command.Succeed("convert", _folder / "a.weights.h5", _folder / "a.keras", "--template", Command.Golden(Dense));
        KerasArchive again = KerasArchive.Open(_folder / "a.keras");
        Command.AssertSame(KerasArchive.Open(Command.Golden(Dense)).LoadOptimizer(), again.LoadOptimizer());
    }

    [Fact]
    public void WhatIsNotPossibleIsSaidBeforeAnythingIsWritten()
    {
        string some = _folder / "some.safetensors", checkpoint = _folder / "checkpoint.safetensors";
        Command.WriteSafetensors(some, [("x", NdArray.Create([1f]))]);
        var optimizer = new Adamax();
        optimizer.Build(new Variable<float>("x", new float[1]));
        optimizer.Save(checkpoint);

        Command.Fail($"{_folder / "a.h5"}: the name of the file to write must end in .safetensors, .keras or .weights.h5", "convert", Command.Golden(Dense), _folder / "a.h5");
        Command.Fail($"{some}: it is a safetensors file already", "convert", some, _folder / "b.safetensors");
        Command.Fail($"{some}: it is neither a checkpoint of an optimizer nor converted from a Keras archive", "convert", some, _folder / "a.keras");
        Command.Fail($"{checkpoint}: it does not say which model it is of; give --template, a .keras archive of that model", "convert", checkpoint, _folder / "a.keras");
        Command.Fail($"{checkpoint}: a template is a .keras archive, which has the model's config", "convert", checkpoint, _folder / "a.keras", "--template", checkpoint);
        Assert.Equal(["checkpoint.safetensors", "some.safetensors"], _folder.Files);
    }

    [Theory]
    [InlineData("[]", "keras_archive is not an object")]
    [InlineData("{", "keras_archive is not valid JSON")]
    [InlineData("{}", "keras_archive: groups is not an object")]
    [InlineData("""{"groups": {"a": 1}, "arrays": {}}""", "keras_archive: a has no text where it should")]
    [InlineData("""{"groups": {}, "arrays": {"a/b": 1}}""", "keras_archive: a/b is not an object")]
    [InlineData("""{"groups": {}, "arrays": {"a/b": {"tensor": "y", "dtype": "float32"}}}""", "keras_archive: a/b is the tensor y, which is not in the file")]
    [InlineData("""{"groups": {}, "arrays": {"a/b": {"tensor": "x", "dtype": "text"}}}""", "keras_archive: a/b is of the type text, which is unknown")]
    [InlineData("""{"groups": {}, "arrays": {"b": {"tensor": "x", "dtype": "float32"}}}""", "'b' is not a location such as layers/dense/vars/0.")]
    [InlineData("""{"groups": {}, "arrays": {"a/b/c": {"tensor": "x", "dtype": "float32"}, "a/b": {"tensor": "x", "dtype": "float32"}}}""", "'a/b' is an array and a group.")]
    public void MetadataMadeToDoHarmAreRefused(string metadata, string problem)
    {
        string path = _folder / "evil.safetensors";
        Command.WriteSafetensors(path, [("x", NdArray.Create([1f]))], new KeyValuePair<string, string>("keras_archive", metadata));
        Command command = Command.Run("convert", path, _folder / "a.weights.h5");
        Assert.Equal(2, command.ExitCode);
        Assert.StartsWith($"infinorm: {path}: {problem}", command.Error);
        Assert.Equal(["evil.safetensors"], _folder.Files);
    }

    [Fact]
    public void AMutatedFileIsConvertedOrRefused()
    {
        string path = _folder / "mutated.safetensors";
        Command.Succeed("convert", Command.Golden(Dense), path);
        byte[] whole = File.ReadAllBytes(path);
        int header = 8 + (int)BitConverter.ToInt64(whole);
        var random = new Random(1);
        for (int i = 0; i < 500; i++)
        {
            byte[] mutated = [.. whole];
            for (int count = random.Next(1, 4); count > 0; count--)
                mutated[random.Next(header)] = mutated[random.Next(header)]; // a byte that occurs: the JSON is sound more often
            File.WriteAllBytes(path, mutated);
            Command command = Command.Run("convert", path, _folder / "out.weights.h5");
            Assert.True(command.ExitCode is 0 or 2, $"{i}: {command.ExitCode}");
            Assert.DoesNotContain("should not have happened", command.Error);
        }
    }

    [Fact]
    public void ACheckpointWithoutVariablesHasThoseOfItsTemplate()
    {
        KerasArchive archive = KerasArchive.Open(Command.Golden(Dense));
        string state = _folder / "state.safetensors";
        archive.LoadOptimizer().Save(state, includeVariables: false);
        Command command = Command.Run("convert", state, _folder / "a.keras", "--template", Command.Golden(Dense));
        Assert.Equal($"infinorm: note: {state} has no variables; they are those of {Command.Golden(Dense)}\n", command.Error);
        Command.AssertSame(archive, KerasArchive.Open(_folder / "a.keras"));
    }

    [Fact]
    public void AFormerFileIsReplacedOnlyByAWholeOne()
    {
        string there = _folder / "there.safetensors";
        File.WriteAllText(there, "former");
        Assert.Equal(2, Command.Run("convert", _folder / "none.keras", there).ExitCode);
        Assert.Equal("former", File.ReadAllText(there));
        Command.Succeed("convert", Command.Golden(Dense), there);
        Assert.Equal("", Command.Succeed("diff", Command.Golden(Dense), there).Output);
    }

    [Fact]
    public void AnArchiveOfUnknownOrderComesBack()
    {
        string archive = Path.Combine(AppContext.BaseDirectory, "Golden", "unordered.keras");
        Assert.Equal(0, Command.Run("convert", archive, _folder / "there.safetensors").ExitCode);
        Assert.Equal("", Command.Succeed("diff", archive, _folder / "there.safetensors").Output);
        Assert.Equal(0, Command.Run("convert", _folder / "there.safetensors", _folder / "back.keras").ExitCode);
        Command.AssertSame(KerasArchive.Open(archive), KerasArchive.Open(_folder / "back.keras"));
    }

    [Fact]
    public void ATemplateThatIsNotNeededIsSaid()
    {
        string unused = "infinorm: note: nothing.keras is not needed as a template, and not used\n";
        string there = _folder / "there.safetensors";
        Assert.Contains(unused, Command.Run("convert", Command.Golden(Dense), there, "--template", "nothing.keras").Error);
        Assert.Contains(unused, Command.Run("convert", Command.Golden(Dense), _folder / "a.weights.h5", "--template", "nothing.keras").Error);
        Assert.Contains(unused, Command.Run("convert", there, _folder / "b.keras", "--template", "nothing.keras").Error);
    }

    [Fact]
    public void ATemplateOfAnotherModelIsSaidInALine()
    {
        var optimizer = new Adamax();
        optimizer.Build(Enumerable.Range(0, 50).Select(i => new Variable<float>($"layer_{i}/kernel", new float[1])));
        optimizer.Save(_folder / "other.safetensors");
        Command command = Command.Run(
            "convert", _folder / "other.safetensors", _folder / "out.keras", "--template", Command.Golden("dense_float_lr.keras"));
        Assert.Equal(2, command.ExitCode);
        Assert.Contains("other.safetensors: it does not fit: ", command.Error);
        Assert.Matches("; and [0-9]+ more\n$", command.Error);
        Assert.InRange(command.Error.Length, 0, 500);
    }

    [Fact]
    public void WeightsOfTypesThatAreNotHeldAreRefusedNotLost()
    {
        var weights = new PureHDF.H5Group { ["0"] = new sbyte[] { 1, -2 }, ["1"] = new float[] { 3 } };
        var layer = new PureHDF.H5Group { ["dense"] = new PureHDF.H5Group { ["vars"] = weights } };
        new PureHDF.H5File { ["layers"] = layer }.Write(_folder / "quantized.weights.h5", new PureHDF.H5WriteOptions(PreferCompactDatasetLayout: false));
        Command command = Command.Run("convert", _folder / "quantized.weights.h5", _folder / "out.safetensors");
        Assert.Equal(2, command.ExitCode);
        Assert.Contains("weights of types that safetensors files of ours do not hold, which would be lost", command.Error);
        Assert.Matches("layers/dense/vars/0 [^ ]+\n$", command.Error);
        Assert.False(File.Exists(_folder / "out.safetensors"));
    }
}
