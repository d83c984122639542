using System.Runtime.CompilerServices;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;
using static Infinorm.Kernels.BlockKernels;

namespace Infinorm.Execution.Memory;

/// <summary>The pass over one block, every stage that is on fused into one loop: each stream of memory is read and written once.</summary>
static unsafe class RuleLoop
{
    /// <summary>
    /// The rule and nothing else, two lanes at a time: the divisions of both overlap. Meanwhile as much of what comes next, if anything, is prefetched.
    /// </summary>
    [MethodImpl(Hot.Loop)]
    public static void RunBare<L, TRule>(
        in TRule slotRule, byte* slots, nint stride, byte* weights, byte* gradient, nint bytes, byte* nextWeights, byte* nextGradient)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        TRule rule = slotRule;
        rule.Bind(slots, stride);
        nint lane = Unsafe.SizeOf<L>(), i = 0;
        for (; i <= bytes - (2 * lane); i += 2 * lane)
        {
            if (nextWeights != null)
            {
                Prefetch.Lanes<L>(nextWeights + i);
                Prefetch.Lanes<L>(nextGradient + i);
            }

            L weight = Load<L>(weights, i), next = Load<L>(weights, i + lane);
            rule.Step(ref weight, Load<L>(gradient, i), i);
            rule.Step(ref next, Load<L>(gradient, i + lane), i + lane);
            Store(weights, i, weight);
            Store(weights, i + lane, next);
        }

        for (; i < bytes; i += lane)
        {
            L weight = Load<L>(weights, i);
            rule.Step(ref weight, Load<L>(gradient, i), i);
            Store(weights, i, weight);
        }
    }

    /// <summary>All stages from the unscaling to the overwriting; accumulator and averages are null where there are none.</summary>
    [MethodImpl(Hot.Loop)]
    public static void Run<L, TRule>(
        in TRule slotRule, byte* slots, nint stride, byte* weights, byte* gradient, byte* accumulator, byte* averages, nint bytes,
        in GradientFormula<L> gradientFormula, in WeightFormula<L> weightFormula)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        TRule rule = slotRule;
        rule.Bind(slots, stride);
        GradientFormula<L> gradients = gradientFormula;
        WeightFormula<L> formula = weightFormula;
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
        {
            bool accumulates = accumulator != null;
            L value = Stages.Unclipped(
                in gradients, Load<L>(gradient, i), accumulates, accumulates ? Load<L>(accumulator, i) : default);
            L weight = Load<L>(weights, i);
            Stages.Update(ref rule, in gradients, in formula, ref weight, value, i);
            if (averages != null)
            {
                L average = Load<L>(averages, i);
                Stages.Average(in formula, ref weight, ref average);
                Store(averages, i, average);
            }

            Store(weights, i, weight);
        }
    }
}
