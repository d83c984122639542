using System.Text.Json.Nodes;
using CsCheck;
using Infinorm.Execution.Memory;
using Infinorm.Schedules;

namespace Infinorm.Tests.Properties;

/// <summary>How gradients are clipped.</summary>
public enum Clip
{
    None,
    Value,
    Norm,
    GlobalNorm,
}

/// <summary>How 16-bit variables are kept.</summary>
public enum Narrow
{
    Nearest,
    MasterWeights,
    StochasticRounding,
}

/// <summary>The settings of an optimizer, to be drawn at random.</summary>
sealed record Settings(
    bool IsScheduled = false, double? WeightDecay = null, Clip Clip = Clip.None, bool UseEma = false, int? EmaOverwriteFrequency = null,
    double? LossScaleFactor = null, int? GradientAccumulationSteps = null, bool HasDynamicScale = false,
    Narrow Narrow = Narrow.Nearest, string Variant = "Adamax", bool HasByteSlots = false)
{
    /// <summary>Everything but the norms, whose sums run over whole gradients.</summary>
    public static Settings AllElementwise { get; } = new(
        IsScheduled: true, WeightDecay: 0.1, Clip: Clip.Value, UseEma: true, EmaOverwriteFrequency: 2, LossScaleFactor: 8,
        GradientAccumulationSteps: 2);

    /// <summary>Any settings of one of the registered optimizers.</summary>
    public static Gen<Settings> Of(string variant) => Any.Select(settings => settings with { Variant = variant });

    /// <summary>Any settings of an Adamax.</summary>
    public static Gen<Settings> Any { get; } = Gen.Select(
        Gen.Select(Gen.Bool, Gen.OneOf<double?>(null, 0.0, 0.1), Gen.Enum<Clip>()),
        Gen.Select(Gen.Bool, Gen.OneOf<int?>(null, 1, 2)),
        Gen.Select(Gen.OneOf<double?>(null, 8, 3), Gen.OneOf<int?>(null, 2, 3), Gen.Bool),
        Gen.Enum<Narrow>(),
        (step, average, gradient, narrow) => new Settings(
            step.Item1, step.Item2, step.Item3, average.Item1, average.Item2, gradient.Item1, gradient.Item2, gradient.Item3,
            narrow));

    /// <summary>Any settings of any optimizer.</summary>
    public static Gen<Settings> OfAll { get; } =
        Gen.Select(Any, Gen.OneOf(Registered.Variants.ToArray()), (settings, variant) => settings with { Variant = variant });

    public Optimizer Create(int? threads = null)
    {
        JsonObject config = Registered.Config(Variant), own = config["config"]!.AsObject();
        own["learning_rate"] = 0.1;
        if (WeightDecay is { } decay)
            own["weight_decay"] = decay;
        own["clipvalue"] = Clip == Clip.Value ? 0.5 : null;
        own["clipnorm"] = Clip == Clip.Norm ? 0.7 : null;
        own["global_clipnorm"] = Clip == Clip.GlobalNorm ? 0.9 : null;
        own["use_ema"] = UseEma;
        own["ema_momentum"] = 0.6;
        own["ema_overwrite_frequency"] = EmaOverwriteFrequency;
        own["loss_scale_factor"] = LossScaleFactor;
        own["gradient_accumulation_steps"] = GradientAccumulationSteps;
        if (Narrow == Narrow.MasterWeights)
            own["use_master_weights"] = true;
        if (Narrow == Narrow.StochasticRounding)
            own["use_stochastic_rounding"] = true;
        if (HasByteSlots)
            own["one_byte_slots"] = true;
        var optimizer = (RuleOptimizer)Optimizer.FromConfig(config);
        if (threads is { } count)
            optimizer.UseExecutor(() => new MemoryExecutor(count));
        if (IsScheduled)
            optimizer.LearningRate = new ExponentialDecay(0.1, 3, 0.5);
        return HasDynamicScale ? new LossScaleOptimizer(optimizer, initialScale: 4, dynamicGrowthSteps: 2) { Name = "scaled" } : optimizer;
    }
}
