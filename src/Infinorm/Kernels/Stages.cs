using System.Runtime.CompilerServices;
using Infinorm.Rules;

namespace Infinorm.Kernels;

/// <summary>
/// The order of the stages, Keras's, for one lane of one variable:
/// <code>
/// unscale → accumulate → clip → decay → rule → average → overwrite
/// </code>
/// It stands here and nowhere else: loops over memory, blocks, tensors and the reductions all call these methods, one after the other. Before
/// them comes only what looks at all gradients (norms, and whether all are finite), after them what looks at whole variables (constraints)
/// and the counter. The formulas know which stages are on.
/// </summary>
static class Stages
{
    /// <summary>unscale → accumulate, in a call that does not update: what the accumulator becomes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static L Accumulate<L>(in GradientFormula<L> formula, L gradient, L accumulated)
        where L : struct, ILane<L> => formula.Unscale(gradient) + accumulated;

    /// <summary>unscale → accumulate, in a call that updates: the gradient that norms are taken of and that is clipped.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static L Unclipped<L>(in GradientFormula<L> formula, L gradient, bool accumulates, L accumulated)
        where L : struct, ILane<L>
    {
        L unscaled = formula.Unscale(gradient);
        return accumulates ? formula.Mean(unscaled, accumulated) : unscaled;
    }

    /// <summary>clip → decay → rule.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Update<L, TRule>(
        ref TRule rule, in GradientFormula<L> gradientFormula, in WeightFormula<L> weightFormula, ref L weight, L unclipped, nint offset)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        L gradient = gradientFormula.Clip(unclipped);
        if (weightFormula.Decays)
            weight = weightFormula.Decay(weight);
        rule.Step(ref weight, gradient, offset);
    }

    /// <summary>average → overwrite, in every call with averages.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Average<L>(in WeightFormula<L> formula, ref L weight, ref L average)
        where L : struct, ILane<L>
    {
        average = formula.Average(average, weight);
        if (formula.Overwrites)
            weight = average;
    }
}
