using System.Numerics;
using System.Text.Json.Nodes;
using CsCheck;
using Infinorm.Schedules;
using Infinorm.Tests.Properties;
using Infinorm.Variables;

namespace Infinorm.Tests.Extending;

/// <summary>Another optimizer names its slots, writes its rule, adds its settings, and inherits all the rest.</summary>
public sealed class ExtensionTests
{
    // Their powers are exact for as many steps as are made here.
    const double Beta1 = 0.75, Beta2 = 0.875;
    const int Steps = 6;

    [Fact]
    public void EveryStageWorksAroundItsRule() =>
        Gen.Select(Settings.Any.Where(IsElementwise), Gen.Int[0, 100], Gen.Int[0, 1000]).Sample((settings, length, seed) =>
        {
            Compare<float>(settings, length, seed);
            Compare<double>(settings, length, seed);
        });

    [Fact]
    public void ItsVariablesHaveTheNamesOfItsSlots()
    {
        var adam = new PlainAdamOptimizer(0.1) { Name = "adam", UseEma = true };
        adam.Build(new Variable<float>("dense/kernel", new float[6], [3, 2]));
        Assert.Equal(
            [
                "adam/iteration", "adam/learning_rate", "adam/dense_kernel_average", "adam/dense_kernel_momentum", "adam/dense_kernel_velocity",
            ],
            adam.Variables.Select(variable => variable.Path));
    }

    [Fact]
    public void ItsConfigCanBeReadAgainOnceItIsRegistered()
    {
        var adam = new PlainAdamOptimizer(0.5, Beta1) { Name = "mine", ClipNorm = 1 };
        string text = adam.ToJson();
        string expected = "{'module': null, 'class_name': 'PlainAdamOptimizer', 'config': {'name': 'mine', 'learning_rate': 0.5, 'weight_decay': null, "
            + "'clipnorm': 1.0, 'global_clipnorm': null, 'clipvalue': null, 'use_ema': false, 'ema_momentum': 0.99, "
            + "'ema_overwrite_frequency': null, 'loss_scale_factor': null, 'gradient_accumulation_steps': null, "
            + "'beta_1': 0.75, 'beta_2': 0.999, 'epsilon': 1e-07}, 'registered_name': 'PlainAdamOptimizer'}";
        Assert.Equal(expected.Replace('\'', '"'), text);
        Assert.Equal(text, Assert.IsType<PlainAdamOptimizer>(Optimizer.Get(text)).ToJson());
        Assert.Equal(text, Optimizer.FromConfig((JsonObject)JsonNode.Parse(text)!).ToJson());
    }

    [Fact]
    public void ItCanBeWrappedSavedAndLoaded()
    {
        Variable<float> straight = new("w", new float[] { 1, 2, 3 }), copy = new("w", new float[3]);
        Optimizer optimizer = new LossScaleOptimizer(new PlainAdamOptimizer(0.1) { GradientAccumulationSteps = 2 }, dynamicGrowthSteps: 1);
        optimizer.Build(straight);
        optimizer.Apply([new[] { 1f, -2, 3 }]);
        straight.Span.CopyTo(copy.Span);

        var store = new VariableStore();
        optimizer.SaveOwnVariables(store);
        var loaded = Optimizer.FromConfig(optimizer.GetConfig());
        loaded.Build(copy);
        loaded.LoadOwnVariables(store);
        for (int step = 0; step < 3; step++)
        {
            optimizer.Apply([new[] { 0.5f, 2, -3 }]);
            loaded.Apply([new[] { 0.5f, 2, -3 }]);
        }

        Assert.Equal(straight.Span, copy.Span);
    }

    static bool IsElementwise(Settings settings) => settings is { Clip: Clip.None or Clip.Value, HasDynamicScale: false };

    static void Compare<T>(Settings settings, int length, int seed)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var random = new Random(seed);
        T[] Values() => [.. Enumerable.Range(0, length).Select(_ => T.CreateTruncating((random.NextDouble() * 4) - 2))];
        T[] weights = Values();
        T[][] gradients = [.. Enumerable.Range(0, Steps).Select(_ => Values())];
        var schedule = new ExponentialDecay(0.1, 3, 0.5);
        T[] expected = PlainAdam<T>.Train(settings, weights, gradients, step => schedule.At(step), Beta1, Beta2, epsilon: 1e-7);

        var adam = new PlainAdamOptimizer(schedule, Beta1, Beta2)
        {
            WeightDecay = settings.WeightDecay,
            ClipValue = settings.Clip == Clip.Value ? 0.5 : null,
            UseEma = settings.UseEma,
            EmaMomentum = 0.6,
            EmaOverwriteFrequency = settings.EmaOverwriteFrequency,
            LossScaleFactor = settings.LossScaleFactor,
            GradientAccumulationSteps = settings.GradientAccumulationSteps,
        };
        adam.Build(new Variable<T>("w", weights));
        foreach (T[] gradient in gradients)
            adam.Apply(Gradient.Of<T>(gradient));
        Assert.Equal(expected, weights);
    }
}
