using System.Text.Json.Nodes;
using Infinorm.Optimizers;
using Infinorm.Tests;
using Infinorm.Tests.Checkpoints;
using Infinorm.Variables;

namespace Infinorm.Keras.Tests;

/// <summary>Archives of optimizers inside of others: what is stored where, and that each goes on as if there had been no file.</summary>
public sealed class NestedOptimizerTests : IDisposable
{
    const string Multi = "multioptimizer.keras";

    readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Wrappers => [.. Makers.Keys];

    static Dictionary<string, Func<Optimizer>> Makers { get; } = new()
    {
        ["Nadam"] = () => new LossScaleOptimizer(new Nadam(0.1)),
        ["Adafactor"] = () => new LossScaleOptimizer(new Adafactor(0.1)),
        ["Multi"] = () => MakeMulti(),
        ["Multi in LossScale"] = () => new LossScaleOptimizer(MakeMulti()),
        ["Function"] = () => new LossScaleOptimizer(MakeDivided()),
    };

    [Theory]
    [MemberData(nameof(Wrappers))]
    public void TrainingGoesOnAcrossFiles(string maker)
    {
        KerasArchive archive = Model();
        Optimizer optimizer = Makers[maker]();
        optimizer.Apply(Gradients(1), [.. archive.TrainableVariables]);
        optimizer.Apply(Gradients(2));
        archive.Optimizer = optimizer;
        for (int step = 3; step < 6; step++)
        {
            archive.Save(_folder / "model.keras"); // anew, then in place
            archive.Save(_folder / "model.weights.h5");
            KerasArchive again = KerasArchive.Open(_folder / "model.keras");
            KerasArchive weights = KerasArchive.Open(_folder / "model.weights.h5", archive.ModelConfig);
            Optimizer loaded = again.LoadOptimizer(), fromWeights = weights.LoadOptimizer(Makers[maker]());
            Assert.Equal(optimizer.Iterations, loaded.Iterations);
            foreach (Optimizer one in (Optimizer[])[optimizer, loaded, fromWeights])
                one.Apply(Gradients(step));
            AssertSame(archive.TrainableVariables, again.TrainableVariables);
            AssertSame(archive.TrainableVariables, weights.TrainableVariables);
            AssertSame(optimizer.Variables, loaded.Variables);
            AssertSame(optimizer.Variables, fromWeights.Variables);
            (archive, optimizer) = (again, loaded);
        }
    }

    [Fact]
    public void EveryOptimizerOfAMultiOptimizerIsStoredOnceMore()
    {
        KerasArchive archive = KerasArchive.Open(GoldenFile.PathOf(Multi));
        string[] locations = [.. archive.Locations];
        archive.LoadOptimizer().Apply(Gradients(1));
        archive.Save(_folder / "model.keras");

        KerasArchive saved = KerasArchive.Open(_folder / "model.keras");
        Assert.Equal(locations, saved.Locations);
        for (int i = 0; i < 7; i++)
            Assert.Equal(saved.Read($"optimizer/vars/{i + 2}").Bytes, saved.Read($"optimizer/optimizers/nadam/vars/{i}").Bytes);
        for (int i = 0; i < 2; i++)
            Assert.Equal(saved.Read($"optimizer/vars/{i + 9}").Bytes, saved.Read($"optimizer/optimizers/sgd/vars/{i}").Bytes);
        Assert.Equal(4, saved.Read("optimizer/optimizers/sgd/vars/0").AsSpan<long>()[0]);
    }

    [Fact]
    public void OfTwoCopiesTheOneCountsThatKerasReadsLast()
    {
        KerasArchive golden = KerasArchive.Open(GoldenFile.PathOf(Multi));
        KerasArchive changed = Changed(golden, "optimizer/optimizers/sgd/vars/1", NdArray.Create(new[] { 0.5f }, ReadOnlySpan<int>.Empty));
        Assert.Equal(0.5, ((MultiOptimizer)changed.LoadOptimizer()).Optimizers[1].CurrentLearningRate);
    }

    [Fact]
    public void ClassesInsideGetNumbersAsInKeras()
    {
        KerasArchive archive = Model();
        var optimizer = new MultiOptimizer(new Sgd(), [Item("hidden/.*", new Sgd()), Item("out/kernel", new RMSprop()), Item("none", new Sgd())]);
        optimizer.Build(archive.TrainableVariables);
        archive.Optimizer = optimizer;
        archive.Save(_folder / "model.keras");
        Assert.Equal(
            ["optimizer/optimizers/rm_sprop/vars", "optimizer/optimizers/sgd/vars", "optimizer/optimizers/sgd_1/vars", "optimizer/optimizers/sgd_2/vars"],
            KerasArchive.Open(_folder / "model.keras").GroupNames.Keys.Where(name => name.Contains("optimizers", StringComparison.Ordinal)).Order());
    }

    [Fact]
    public void KerasFindsAsManyVariablesAsItListsAndOursAreBesideThem()
    {
        // Inside a LossScaleOptimizer Keras neither saves nor expects Nadam's product; a file with one more would load nothing at all.
        KerasArchive archive = Model();
        var optimizer = new LossScaleOptimizer(new Nadam(0.1));
        optimizer.Apply(Gradients(1), [.. archive.TrainableVariables]);
        archive.Optimizer = optimizer;
        archive.Save(_folder / "model.keras");
        KerasArchive saved = KerasArchive.Open(_folder / "model.keras");
        Assert.Equal(14, saved.Locations.Count(location => location.StartsWith("optimizer/vars/", StringComparison.Ordinal)));
        Assert.Equal(10, saved.Locations.Count(location => location.StartsWith("optimizer/inner_optimizer/vars/", StringComparison.Ordinal)));
        Assert.Equal(optimizer.Variables[^1].ToNdArray().Bytes, saved.Read("optimizer/untracked/0").Bytes);

        // As Keras saves it: the product begins anew.
        KerasArchive kerass = KerasArchive.Create(
            saved.Locations.Where(location => location != "optimizer/untracked/0").Select(location => KeyValuePair.Create(location, saved.Read(location))),
            saved.GroupNames, saved.ModelConfig, saved.Metadata);
        Optimizer loaded = kerass.LoadOptimizer();
        AssertSame([.. optimizer.Variables.SkipLast(1)], [.. loaded.Variables.SkipLast(1)]);
        Assert.Equal(1, loaded.Variables[^1].ToNdArray().AsSpan<float>()[0]);
    }

    [Theory]
    [InlineData("adam.keras", "Adam", "Adamax")]
    [InlineData("adam.keras", "Adam", "AdamW")]
    [InlineData("sgd.keras", "SGD", "RMSprop")]
    [InlineData("nadam.keras", "Nadam", "Adam")]
    [InlineData(Multi, "MultiOptimizer of Nadam, SGD", "MultiOptimizer of Adam, SGD")]
    [InlineData("lion.keras", "Lion", "MultiOptimizer of Adam, SGD")]
    public void AnotherOptimizersStateIsRefused(string file, string stored, string given)
    {
        KerasArchive archive = KerasArchive.Open(GoldenFile.PathOf(file));
        Optimizer optimizer = given.StartsWith("Multi", StringComparison.Ordinal)
            ? new MultiOptimizer(new Sgd(), [Item(".*hidden/.*", new Adam())])
            : Optimizer.Get(given);
        Refusal.Is<ArgumentException>(
            $"{GoldenFile.PathOf(file)} has the state of {stored}, the optimizer given is {given}. To continue with another optimizer, keep the weights "
            + "and start with new state: build one for TrainableVariables, and set it as Optimizer.",
            () => archive.LoadOptimizer(optimizer));
        Assert.False(optimizer.IsBuilt);

        optimizer.Build(archive.TrainableVariables);
        archive.Optimizer = optimizer;
        archive.Save(_folder / "model.keras");
        Assert.Equal(optimizer.GetType(), KerasArchive.Open(_folder / "model.keras").LoadOptimizer().GetType());
    }

    [Theory]
    [InlineData("adam.keras", "an optimizer called 'adam', the optimizer given is Adamax")]
    [InlineData("adamw.keras", "an optimizer called 'adam_w', the optimizer given is Adamax")]
    [InlineData(Multi, "an optimizer called 'multi_optimizer', the optimizer given is Adamax")]
    public void AWeightsFileTellsByTheName(string file, string what)
    {
        KerasArchive golden = KerasArchive.Open(GoldenFile.PathOf(file));
        golden.Save(_folder / "model.weights.h5");
        KerasArchive archive = KerasArchive.Open(_folder / "model.weights.h5", golden.ModelConfig);
        archive.ModelConfig!.Remove("compile_config");
        Assert.Contains(what, Assert.Throws<ArgumentException>(() => archive.LoadOptimizer(new Adamax())).Message);
        Assert.Contains(what.Replace("Adamax", "LossScaleOptimizer"),
            Assert.Throws<ArgumentException>(() => archive.LoadOptimizer(new LossScaleOptimizer(new Adamax()))).Message);
    }

    [Fact]
    public void AWeightsFileTellsWhatIsInAMultiOptimizer()
    {
        KerasArchive golden = KerasArchive.Open(GoldenFile.PathOf(Multi));
        golden.Save(_folder / "model.weights.h5");
        golden.ModelConfig!.Remove("compile_config");
        KerasArchive archive = KerasArchive.Open(_folder / "model.weights.h5", golden.ModelConfig);
        var other = new MultiOptimizer(new Sgd(), [Item(".*hidden/.*", new Adam { Name = "mine" })]);
        Assert.Contains("has the state of nadam, sgd in a MultiOptimizer, the one given has adam, sgd.",
            Assert.Throws<ArgumentException>(() => archive.LoadOptimizer(other)).Message);
        Assert.Equal(3, archive.LoadOptimizer(new MultiOptimizer(new Sgd(), [Item(".*hidden/.*", new Nadam())])).Iterations);
    }

    static KerasArchive Changed(KerasArchive golden, string location, NdArray value) => KerasArchive.Create(
        golden.Locations.Select(at => KeyValuePair.Create(at, at == location ? value : golden.Read(at))),
        golden.GroupNames, (JsonObject)golden.ModelConfig!.DeepClone());

    // With the weights alone.
    static KerasArchive Model()
    {
        KerasArchive golden = KerasArchive.Open(GoldenFile.PathOf(Multi));
        var config = (JsonObject)golden.ModelConfig!.DeepClone();
        config.Remove("compile_config");
        return KerasArchive.Create(
            golden.Locations.Where(at => at.StartsWith("layers", StringComparison.Ordinal)).Select(at => KeyValuePair.Create(at, golden.Read(at))),
            golden.GroupNames.Where(name => !name.Key.StartsWith("optimizer", StringComparison.Ordinal)), config);
    }

    static MultiOptimizer MakeMulti() =>
        new(new Sgd(0.1, momentum: 0.5), [Item(".*kernel", new Nadam(0.1)), Item("hidden/bias", new Adafactor(0.1)), Item("none", new Adam())]);

    static MultiOptimizer MakeDivided()
    {
        var (kernels, rest) = (new Nadam(0.1), new Adam(0.1) { UseEma = true });
        return new(variable => variable.Name == "kernel" ? kernels : rest);
    }

    static KeyValuePair<string, RuleOptimizer> Item(string pattern, RuleOptimizer optimizer) => KeyValuePair.Create(pattern, optimizer);

    static Gradient[] Gradients(int step) =>
    [
        new float[] { 1, -1, step, 2, 3, 4 }, new float[] { step, 1 }, new float[] { 3, 1, step, 2 }, new float[] { step, -1 },
    ];

    static void AssertSame(IReadOnlyList<Variable> expected, IReadOnlyList<Variable> actual) =>
        Assert.Equal(expected.Select(variable => Convert.ToHexString(variable.ToNdArray().Bytes)), actual.Select(variable => Convert.ToHexString(variable.ToNdArray().Bytes)));
}
