using CsCheck;
using Infinorm.Optimizers;
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
    Narrow Narrow = Narrow.Nearest)
{
    /// <summary>Everything but the norms, whose sums run over whole gradients.</summary>
    public static Settings AllElementwise { get; } = new(
        IsScheduled: true, WeightDecay: 0.1, Clip: Clip.Value, UseEma: true, EmaOverwriteFrequency: 2, LossScaleFactor: 8,
        GradientAccumulationSteps: 2);

    public static Gen<Settings> Any { get; } = Gen.Select(
        Gen.Select(Gen.Bool, Gen.OneOf<double?>(null, 0.0, 0.1), Gen.Enum<Clip>()),
        Gen.Select(Gen.Bool, Gen.OneOf<int?>(null, 1, 2)),
        Gen.Select(Gen.OneOf<double?>(null, 8, 3), Gen.OneOf<int?>(null, 2, 3), Gen.Bool),
        Gen.Enum<Narrow>(),
        (step, average, gradient, narrow) => new Settings(
            step.Item1, step.Item2, step.Item3, average.Item1, average.Item2, gradient.Item1, gradient.Item2, gradient.Item3,
            narrow));

    public Optimizer Create(int? threads = null)
    {
        var adamax = new Adamax(IsScheduled ? new ExponentialDecay(0.1, 3, 0.5) : 0.1)
        {
            Name = "adamax",
            WeightDecay = WeightDecay,
            ClipValue = Clip == Clip.Value ? 0.5 : null,
            ClipNorm = Clip == Clip.Norm ? 0.7 : null,
            GlobalClipNorm = Clip == Clip.GlobalNorm ? 0.9 : null,
            UseEma = UseEma,
            EmaMomentum = 0.6,
            EmaOverwriteFrequency = EmaOverwriteFrequency,
            LossScaleFactor = LossScaleFactor,
            GradientAccumulationSteps = GradientAccumulationSteps,
            UseMasterWeights = Narrow == Narrow.MasterWeights,
            UseStochasticRounding = Narrow == Narrow.StochasticRounding,
            MaxDegreeOfParallelism = threads ?? Environment.ProcessorCount,
        };
        return HasDynamicScale ? new LossScaleOptimizer(adamax, initialScale: 4, dynamicGrowthSteps: 2) { Name = "scaled" } : adamax;
    }
}
