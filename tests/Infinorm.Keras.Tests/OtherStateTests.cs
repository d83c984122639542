using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Constraints;
using Infinorm.Optimizers;
using Infinorm.Tests;
using Infinorm.Variables;

namespace Infinorm.Keras.Tests;

/// <summary>Optimizer state that is another's, or of other variables.</summary>
public class OtherStateTests
{
    const string Advice =
        "To continue with another optimizer, keep the weights and start with new state: build one for TrainableVariables, and set it as Optimizer.";

    [Fact]
    public void AdamsStateIsNotTakenForAdamaxs()
    {
        string path = TestFile.PathOf("adam.keras");
        KerasArchive archive = KerasArchive.Open(path);
        var optimizer = new Adamax();
        Refusal.Is<ArgumentException>(
            $"{path} has the state of Adam, the optimizer given is Adamax. {Advice}", () => archive.LoadOptimizer(optimizer));
        Assert.False(optimizer.IsBuilt);
        Assert.Null(archive.Optimizer);

        optimizer.Build(archive.TrainableVariables); // what the message says
        archive.Optimizer = optimizer;
    }

    [Fact]
    public void AWeightsFileNamesTheOptimizerByItsGroup()
    {
        string path = TestFile.PathOf("adam.weights.h5");
        KerasArchive archive = KerasArchive.Open(path, KerasArchive.Open(TestFile.PathOf("adam.keras")).ModelConfig!["config"] is JsonObject config
            ? new JsonObject { ["class_name"] = "Sequential", ["config"] = config.DeepClone() } : null);
        Refusal.Is<ArgumentException>(
            $"{path} has the state of an optimizer called 'adam', the optimizer given is Adamax. {Advice}",
            () => archive.LoadOptimizer(new Adamax()));
    }

    [Fact]
    public void AWrapperIsNotTakenForWhatIsInItNorTheOtherWayRound()
    {
        string path = TestFile.PathOf("adam.keras");
        KerasArchive archive = KerasArchive.Open(path);
        Refusal.Is<ArgumentException>(
            $"{path} has the state of an optimizer that is in no LossScaleOptimizer, and lso is one. Give the optimizer inside of it. {Advice}",
            () => archive.LoadOptimizer(new LossScaleOptimizer(new Adam()) { Name = "lso" }));

        var wrapper = new LossScaleOptimizer(new Adam());
        wrapper.Build(archive.TrainableVariables);
        archive.Optimizer = wrapper;
        using var file = new MemoryStream();
        archive.Save(file);
        file.Position = 0;
        Refusal.Is<ArgumentException>(
            "stream has the state of an optimizer in a LossScaleOptimizer, and bare is in none. Give a LossScaleOptimizer around it. " + Advice,
            () => KerasArchive.Open(file).LoadOptimizer(new Adam { Name = "bare" }));
    }

    [Fact]
    public void StateOfAStepThatFailedInTheMiddleIsNotSaved()
    {
        KerasArchive archive = KerasArchive.Open(TestFile.PathOf("adam.keras"));
        archive.TrainableVariables[0].Constraint = new Thrower();
        Optimizer optimizer = archive.LoadOptimizer();
        Assert.ThrowsAny<InvalidOperationException>(
            () => optimizer.Apply([.. archive.TrainableVariables.Select(variable => (Gradient)new float[variable.Length])]));
        using var file = new MemoryStream();
        Assert.Throws<InvalidOperationException>(() => archive.Save(file));
        Assert.Equal(0, file.Length);
    }

    [Fact]
    public void ANameOfOnesOwnSaysNothing()
    {
        KerasArchive archive = Dense(out KerasArchive golden, golden => golden.GroupNames.ToDictionary(
            group => group.Key, group => group.Key == "optimizer/vars" ? "mine" : group.Value));
        Optimizer optimizer = archive.LoadOptimizer(new Adamax(), golden.TrainableVariables);
        Assert.Equal(4, optimizer.Iterations);
    }

    [Fact]
    public void LayersFrozenAfterCompileAreNamed()
    {
        string path = TestFile.PathOf("frozen_after.keras");
        KerasArchive archive = KerasArchive.Open(path);
        Refusal.Is<InvalidFileException>(
            $"{path}: optimizer/vars has 10 variables; adamax_1 has 6, for the 2 variables that it trains. "
            + "Keras keeps the state of layers that are frozen after compile(). Give LoadOptimizer all variables that were trained, in the "
            + "model's order; those not trained now are hidden/kernel, hidden/bias.",
            () => archive.LoadOptimizer());
        Optimizer optimizer = archive.LoadOptimizer(variables: archive.Weights.Select(weight => weight.Variable));
        Assert.Equal(4, optimizer.Iterations);
    }

    [Fact]
    public void AModelThatWasCompiledButNeverTrained()
    {
        KerasArchive archive = Dense(out _, golden => golden.GroupNames, location => !location.StartsWith("optimizer/", StringComparison.Ordinal)
            || location is "optimizer/vars/0" or "optimizer/vars/1");
        string message = Assert.Throws<InvalidFileException>(() => archive.LoadOptimizer()).Message;
        Assert.Contains("The model was compiled, but never trained", message);
        Assert.Contains("optimizer/vars has 2 variables; adamax has 10, for the 4 variables that it trains", message);
    }

    [Theory]
    [InlineData("lora_rank", "4")]
    [InlineData("quantization_config", "{\"class_name\": \"Int8QuantizationConfig\"}")]
    [InlineData("dtype", "{\"class_name\": \"QuantizedDTypePolicy\"}")]
    public void ALayerThatWasChangedAfterCompileIsNamed(string setting, string value)
    {
        KerasArchive archive = Dense(out _, golden => golden.GroupNames, location => location != "optimizer/vars/9");
        archive.ModelConfig!["config"]!["layers"]![1]!["config"]![setting] = JsonNode.Parse(value);
        Assert.Contains("hidden has LoRA or is quantized", Assert.Throws<InvalidFileException>(() => archive.LoadOptimizer()).Message);
    }

    [Fact]
    public void TheStateOfOptimizersByOtherNamesIsNoWeight()
    {
        KerasArchive golden = Open();
        KerasArchive archive = KerasArchive.Create(
            golden.Locations.SelectMany(location => location.StartsWith("optimizer/", StringComparison.Ordinal)
                ? new[] { "d_", "g_" }.Select(prefix => KeyValuePair.Create(prefix + location, golden.Read(location)))
                : [KeyValuePair.Create(location, golden.Read(location))]),
            golden.GroupNames.Where(group => !group.Key.StartsWith("optimizer", StringComparison.Ordinal)), golden.ModelConfig);
        Assert.Equal(golden.Weights.Select(weight => weight.Location), archive.Weights.Select(weight => weight.Location));
        Assert.Equal(4, archive.TrainableVariables.Count);
        Refusal.Is<InvalidOperationException>(
            "the archive has no optimizer state of compile(). It has that of d_optimizer and g_optimizer, which the model's own code made: "
            + "read it at d_optimizer/vars/0 and so on.",
            () => archive.LoadOptimizer());
    }

    static KerasArchive Open() => KerasArchive.Open(GoldenFile.PathOf("dense_float_lr.keras"));

    static KerasArchive Dense(
        out KerasArchive golden, Func<KerasArchive, IEnumerable<KeyValuePair<string, string>>> names, Func<string, bool>? isKept = null)
    {
        KerasArchive opened = golden = Open();
        return KerasArchive.Create(
            from location in opened.Locations where isKept?.Invoke(location) ?? true select KeyValuePair.Create(location, opened.Read(location)),
            names(opened), isKept is null ? null : opened.ModelConfig);
    }

    sealed class Thrower : Constraint
    {
        protected internal override void Apply<T>(Span<T> values, ReadOnlySpan<nint> shape) => throw new ArithmeticException();
    }
}
