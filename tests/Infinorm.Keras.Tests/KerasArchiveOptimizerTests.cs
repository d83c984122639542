using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Tests;
using Infinorm.Tests.Checkpoints;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Keras.Tests;

public class KerasArchiveOptimizerTests
{
    const string Dense = "dense_float_lr.keras", DenseWeights = "dense_float_lr.weights.h5";

    static KerasArchive Open(string archive) => KerasArchive.Open(GoldenFile.PathOf(archive));

    [Fact]
    public void VariablesCanBeExcludedFromWeightDecayBeforeTheStateIsLoaded()
    {
        KerasArchive archive = Open("dense_schedule_wd.keras");
        Optimizer optimizer = archive.CreateOptimizer();
        Assert.NotNull(Assert.IsType<Adamax>(optimizer).WeightDecay);
        optimizer.ExcludeFromWeightDecay(names: ["bias"]);
        Assert.Same(optimizer, archive.LoadOptimizer(optimizer));
        Assert.Same(optimizer, archive.Optimizer);

        KerasArchive plain = Open("dense_schedule_wd.keras");
        Optimizer decaying = plain.LoadOptimizer();
        Gradient[] gradients = [new float[12], new float[4], new float[8], new float[2]];
        optimizer.Apply(gradients);
        decaying.Apply(gradients);
        foreach (var (with, without) in plain.TrainableVariables.Zip(archive.TrainableVariables))
            Assert.Equal(with.Name != "bias", with.ToNdArray().Bytes.SequenceEqual(without.ToNdArray().Bytes));
    }

    [Fact]
    public void AWeightsFileNeedsTheOrderAndTheSettings()
    {
        KerasArchive archive = Open(DenseWeights);
        Refusal.Is<InvalidOperationException>(
            $"{GoldenFile.PathOf(DenseWeights)}: the order of the variables of layers in the model is unknown. "
            + "Give Open the model's config, or LoadOptimizer the variables.",
            () => archive.LoadOptimizer());
        Refusal.Is<InvalidOperationException>(
            $"{GoldenFile.PathOf(DenseWeights)} has no settings of an optimizer. "
            + "Make one with the settings that its state was saved with, and give it to LoadOptimizer.",
            () => archive.LoadOptimizer(variables: archive.TrainableVariables));

        Optimizer optimizer = archive.LoadOptimizer(
            new Adamax(0.5), [archive["hidden/kernel"], archive["hidden/bias"], archive["out/kernel"], archive["out/bias"]]);
        Assert.Equal(4, optimizer.Iterations);
        Assert.Equal(0.009999999776482582, optimizer.CurrentLearningRate);
    }

    [Fact]
    public void AStateThatDoesNotFitIsRefusedAndNothingIsBuilt()
    {
        KerasArchive archive = Open(Dense);
        var averaging = new Adamax { Name = "a", UseEma = true };
        Refusal.Is<ArgumentException>(
            "optimizer/vars has 10 variables; a has 14, for the 4 variables that it trains. "
            + "It was saved with other settings (averages, accumulated gradients and the like have variables of their own), or for other variables.",
            () => archive.LoadOptimizer(averaging));
        Assert.False(averaging.IsBuilt);
        Assert.Null(archive.Optimizer);

        Assert.Throws<ArgumentException>(() => archive.LoadOptimizer(variables: archive.TrainableVariables.Reverse()));
    }

    [Fact]
    public void AnotherOptimizerMustBeBuilt() =>
        Refusal.Is<ArgumentException>("a is not built.", () => Open(Dense).Optimizer = new Adamax { Name = "a" });

    [Theory]
    [InlineData("UseEma", true)]
    [InlineData("None", false)]
    public void ShortCountersStayShort(string setting, bool writtenAnew)
    {
        // As the PyTorch and JAX backends save them.
        KerasArchive golden = Open(Dense);
        golden.LoadOptimizer();
        KerasArchive archive = KerasArchive.Create(
            golden.Locations.Select(location => KeyValuePair.Create(location, location == "optimizer/vars/0"
                ? golden.Read(location).Cast(DType.Int32) : golden.Read(location))),
            golden.GroupNames, (JsonObject)golden.ModelConfig!.DeepClone());
        Optimizer optimizer = archive.LoadOptimizer();
        Assert.Equal(4, optimizer.Iterations);
        if (writtenAnew)
        {
            Assert.Equal("UseEma", setting);
            optimizer = new Adamax { Name = "adamax", UseEma = true };
            optimizer.Build(archive.TrainableVariables);
            archive.Optimizer = optimizer;
        }

        optimizer.Apply([new float[12], new float[4], new float[8], new float[2]]);
        using var folder = new TemporaryFolder();
        archive.Save(folder / "model.keras");
        KerasArchive again = KerasArchive.Open(folder / "model.keras");
        Assert.Equal(DType.Int32, again.Read("optimizer/vars/0").DType);
        Assert.Equal(writtenAnew ? 1 : 5, again.LoadOptimizer().Iterations);
    }

    [Fact]
    public void ACounterThatGrewTooLargeIsWrittenLong()
    {
        KerasArchive golden = Open(Dense);
        KerasArchive archive = KerasArchive.Create(
            golden.Locations.Select(location => KeyValuePair.Create(location, location == "optimizer/vars/0"
                ? NdArray.Create(new[] { int.MaxValue }, ReadOnlySpan<int>.Empty) : golden.Read(location))),
            golden.GroupNames, (JsonObject)golden.ModelConfig!.DeepClone());
        archive.LoadOptimizer().Apply([new float[12], new float[4], new float[8], new float[2]]);
        using var folder = new TemporaryFolder();
        archive.Save(folder / "model.keras");
        KerasArchive again = KerasArchive.Open(folder / "model.keras");
        Assert.Equal(DType.Int64, again.Read("optimizer/vars/0").DType);
        Assert.Equal(int.MaxValue + 1L, again.LoadOptimizer().Iterations);
    }

    [Fact]
    public void HalfSlotsAreRoundedToTheTypeFound()
    {
        KerasArchive golden = Open(Dense);
        KerasArchive archive = KerasArchive.Create(
            golden.Locations.Select(location => KeyValuePair.Create(location, golden.Read(location) is { DType: DType.Float32 } value
                && location != "optimizer/vars/1" ? value.Cast(DType.Float16) : golden.Read(location))),
            golden.GroupNames, (JsonObject)golden.ModelConfig!.DeepClone());
        Optimizer optimizer = archive.LoadOptimizer();
        Assert.All(optimizer.Variables.Skip(1), variable => Assert.Equal(DType.Float32, variable.DType));
        optimizer.Apply([.. archive.TrainableVariables.Select(variable => (Gradient)Enumerable.Repeat((Half)0.1, variable.Length).ToArray())]);

        using var folder = new TemporaryFolder();
        archive.Save(folder / "model.keras");
        KerasArchive again = KerasArchive.Open(folder / "model.keras");
        for (int i = 2; i < optimizer.Variables.Count; i++)
        {
            NdArray stored = again.Read($"optimizer/vars/{i}");
            Assert.Equal(DType.Float16, stored.DType);
            Assert.True(stored.Bytes.SequenceEqual(optimizer.Variables[i].ToNdArray().Cast(DType.Float16).Bytes));
        }
    }

    [Fact]
    public void DoubleFloatxIsSeenFromTheStoredRate()
    {
        KerasArchive golden = Open(Dense);
        KerasArchive archive = KerasArchive.Create(
            golden.Locations.Select(location => KeyValuePair.Create(location, location == "optimizer/vars/1"
                ? NdArray.Create(new[] { 0.1 }, ReadOnlySpan<int>.Empty) : golden.Read(location))),
            golden.GroupNames, (JsonObject)golden.ModelConfig!.DeepClone());
        Assert.Equal(0.1, archive.LoadOptimizer().CurrentLearningRate);
    }

    [Fact]
    public void AScheduleHasNoStoredRateThatASlotCouldBeTakenFor()
    {
        // Without a rate the second variable is the momentum of the model's first.
        KerasArchive archive = KerasArchive.Create(
            [KeyValuePair.Create("layers/mine/vars/0", NdArray.Create(new[] { 0.5 }, ReadOnlySpan<int>.Empty))],
            modelConfig: new JsonObject { ["class_name"] = "Sequential" });
        var optimizer = new Adamax(new CosineDecay(0.1, 10));
        optimizer.Build(archive.TrainableVariables);
        archive.Optimizer = optimizer;
        using var folder = new TemporaryFolder();
        archive.Save(folder / "model.keras");
        archive = KerasArchive.Open(folder / "model.keras");
        Assert.Equal(DType.Float64, archive.Read("optimizer/vars/1").DType);
        Assert.Equal(DType.Float32, archive.LoadOptimizer().FloatX);
    }

    [Fact]
    public void OnlyWhatChangedInTheSettingsIsWritten()
    {
        KerasArchive archive = Open("dense_loss_scale.keras");
        string before = archive.ModelConfig!.ToJsonString();
        archive.LoadOptimizer().LearningRate = 0.25;
        using var folder = new TemporaryFolder();
        archive.Save(folder / "model.keras");
        string after = KerasArchive.Open(folder / "model.keras").ModelConfig!.ToJsonString();
        Assert.Equal(before.Replace("0.019999999552965164", "0.25"), after);
        Assert.NotEqual(before, after);
    }

    [Fact]
    public void AMixedPrecisionModelSavesTheSettingsOfWhatIsInItsLossScaleOptimizer()
    {
        // compile() wraps the optimizer of a mixed_float16 model, and serializes the one that it was given.
        KerasArchive archive = MixedPrecision();
        string before = archive.ModelConfig!.ToJsonString();
        var optimizer = Assert.IsType<LossScaleOptimizer>(archive.LoadOptimizer());
        var explicitly = (LossScaleOptimizer)Open("dense_loss_scale.keras").LoadOptimizer();
        Assert.Equal("loss_scale_optimizer", optimizer.Name);
        Assert.Equal(explicitly.Variables.Select(v => v.Path), optimizer.Variables.Select(v => v.Path));
        foreach (var (expected, actual) in explicitly.Variables.Zip(optimizer.Variables))
            Assert.True(expected.ToNdArray().Bytes.SequenceEqual(actual.ToNdArray().Bytes), expected.Path);

        using var folder = new TemporaryFolder();
        optimizer.LearningRate = 0.25;
        archive.Save(folder / "model.keras");
        KerasArchive again = KerasArchive.Open(folder / "model.keras");
        Assert.Equal(before.Replace("0.019999999552965164", "0.25"), again.ModelConfig!.ToJsonString());
        Assert.Equal(0.25, Assert.IsType<LossScaleOptimizer>(again.LoadOptimizer()).CurrentLearningRate);
    }

    [Fact]
    public void SettingsThatKerasWouldNotWrapWithAreWritten()
    {
        KerasArchive archive = MixedPrecision();
        var optimizer = new LossScaleOptimizer(new Adamax(), dynamicGrowthSteps: 5);
        optimizer.Build(archive.TrainableVariables);
        archive.Optimizer = optimizer;
        using var folder = new TemporaryFolder();
        archive.Save(folder / "model.keras");
        Assert.Equal(5, Assert.IsType<LossScaleOptimizer>(KerasArchive.Open(folder / "model.keras").LoadOptimizer()).DynamicGrowthSteps);
    }

    [Fact]
    public void AnUnknownOptimizerIsRefusedWhenItIsLoaded()
    {
        KerasArchive archive = Open(Dense);
        archive.OptimizerConfig!["class_name"] = "NoSuchOptimizer";
        string message = Assert.Throws<InvalidFileException>(() => archive.LoadOptimizer()).Message;
        Assert.StartsWith($"{GoldenFile.PathOf(Dense)}: optimizer: no class 'NoSuchOptimizer'", message);
    }

    static KerasArchive MixedPrecision()
    {
        KerasArchive archive = Open("dense_loss_scale.keras");
        JsonObject inner = (JsonObject)archive.OptimizerConfig!["config"]!["inner_optimizer"]!.DeepClone();
        archive.ModelConfig!["compile_config"]!["optimizer"] = inner;
        return archive;
    }
}
