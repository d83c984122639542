using Infinorm.Kernels;
using Infinorm.Variables;

namespace Infinorm.Execution;

/// <summary>
/// What one call of Apply does, decided by the policy from the settings and counters before any element is touched.
/// Numbers are held in double; each stage rounds them to the type it computes in.
/// </summary>
readonly record struct StepPlan
{
    /// <summary>Whether the rule runs; else the gradients are only accumulated.</summary>
    public bool Updates { get; init; }

    /// <summary>The rate of this step.</summary>
    public double LearningRate { get; init; }

    /// <summary>Completed updates before this call.</summary>
    public long Iterations { get; init; }

    /// <summary>Calls before this one that were not skipped.</summary>
    public long CallsBefore { get; init; }

    /// <summary>The number by which gradients are divided first; null for none.</summary>
    public double? LossScale { get; init; }

    /// <summary>Whether the call is dropped if an element of a gradient is not finite.</summary>
    public bool RequiresFinite { get; init; }

    /// <summary>How many gradients make one update; 0 without accumulation.</summary>
    public int AccumulationSteps { get; init; }

    /// <summary>Which clip is on; none while accumulating.</summary>
    public ClipKind Clip { get; init; }

    /// <summary>The limit c of the clip.</summary>
    public double ClipLimit { get; init; }

    /// <summary>Decoupled weight decay; null for none. 0 still multiplies, as in Keras.</summary>
    public double? WeightDecay { get; init; }

    /// <summary>Whether the decay multiplies by 1 − rate · decay, as PyTorch's does, rather than subtracting as Keras's.</summary>
    public bool DecaysByFactor { get; init; }

    /// <summary>Momentum of the averages in this call; null without averages.</summary>
    public double? AverageMomentum { get; init; }

    /// <summary>Whether the averages then overwrite the variables.</summary>
    public bool Overwrites { get; init; }

    /// <summary>How 16-bit variables are rounded at random; null for to nearest.</summary>
    public StochasticRounding? Rounding { get; init; }

    /// <summary>Whether every accumulator is zeroed, also those of variables without a gradient in this call.</summary>
    public bool ResetsAccumulators { get; init; }

    /// <summary>
    /// Whether the reduction adds the gradients to the accumulators, so that the pass reads only these. False if the call may still be
    /// skipped, because then nothing may change.
    /// </summary>
    public bool ReducesIntoAccumulators => Updates && AccumulationSteps > 0 && !RequiresFinite && Clip is ClipKind.Norm or ClipKind.GlobalNorm;

    /// <summary>Whether the rule is the only stage; then its loop runs over whole chunks.</summary>
    public bool IsBare => Updates && LossScale is null && AccumulationSteps == 0 && Clip == ClipKind.None
        && WeightDecay is null && AverageMomentum is null;

    /// <summary>The decay of a variable; null for none.</summary>
    /// <param name="decays">Whether weight decay applies to it, if there is any.</param>
    /// <param name="own">Its decay, if it does not follow the plan's.</param>
    public double? DecayOf(bool decays, OwnDecay? own) => !decays ? null : own is { } some ? some.Value : WeightDecay;

    /// <summary>Whether a reduction over the gradients comes before the pass.</summary>
    public bool Reduces => RequiresFinite || Clip is ClipKind.Norm or ClipKind.GlobalNorm;
}
