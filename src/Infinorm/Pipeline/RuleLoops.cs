using System.Runtime.CompilerServices;
using Infinorm.Kernels;
using static Infinorm.Kernels.BlockKernels;

namespace Infinorm.Pipeline;

#pragma warning disable IDE0044 // From a readonly field, a rule that is no readonly struct would be copied for every lane.

/// <summary>A rule together with which slots it steps.</summary>
unsafe interface ISlotRule<L>
    where L : struct, ILane<L>
{
    /// <summary>Says where the slots of a block lie: so many bytes apart.</summary>
    void Bind(byte* slots, nint stride);

    /// <summary>Steps the lane at an offset of the block.</summary>
    void Step(ref L weight, L gradient, nint offset);

    /// <summary>Steps a lane whose slots are given, all that the optimizer named.</summary>
    void Step(ref L weight, L gradient, Span<L> slots);
}

/// <summary>The pass over one block, every stage that is on fused into one loop: each stream of memory is read and written once.</summary>
static unsafe class RuleLoop
{
    /// <summary>
    /// The rule and nothing else, two lanes at a time: the divisions of both overlap. Meanwhile as much of what comes next, if anything, is prefetched.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
            L value = gradients.Unscale(Load<L>(gradient, i));
            if (accumulator != null)
                value = gradients.Mean(value, Load<L>(accumulator, i));

            L weight = Load<L>(weights, i);
            if (formula.Decays)
                weight = formula.Decay(weight);
            rule.Step(ref weight, gradients.Clip(value), i);
            if (averages != null)
            {
                L average = formula.Average(Load<L>(averages, i), weight);
                Store(averages, i, average);
                if (formula.Overwrites)
                    weight = average;
            }

            Store(weights, i, weight);
        }
    }
}

/// <summary>For calls that update nothing.</summary>
struct NoRule<L> : ISlotRule<L>
    where L : struct, ILane<L>
{
    public readonly unsafe void Bind(byte* slots, nint stride)
    {
    }

    public readonly void Step(ref L weight, L gradient, nint offset)
    {
    }

    public readonly void Step(ref L weight, L gradient, Span<L> slots)
    {
    }
}

struct SlotRule0<L, TRule>(TRule rule) : ISlotRule<L>
    where L : struct, ILane<L>
    where TRule : struct, IRule0<L>
{
    TRule _rule = rule;

    public readonly unsafe void Bind(byte* slots, nint stride)
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(ref L weight, L gradient, nint offset) => _rule.Step(ref weight, gradient);

    public void Step(ref L weight, L gradient, Span<L> slots) => _rule.Step(ref weight, gradient);
}

unsafe struct SlotRule1<L, TRule>(TRule rule, Slot slot) : ISlotRule<L>
    where L : struct, ILane<L>
    where TRule : struct, IRule1<L>
{
    TRule _rule = rule;
    byte* _slot;

    public void Bind(byte* slots, nint stride) => _slot = slots + (slot.Index * stride);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(ref L weight, L gradient, nint offset)
    {
        L value = Load<L>(_slot, offset);
        _rule.Step(ref weight, gradient, ref value);
        Store(_slot, offset, value);
    }

    public void Step(ref L weight, L gradient, Span<L> slots) => _rule.Step(ref weight, gradient, ref slots[slot.Index]);
}

unsafe struct SlotRule2<L, TRule>(TRule rule, Slot first, Slot second) : ISlotRule<L>
    where L : struct, ILane<L>
    where TRule : struct, IRule2<L>
{
    TRule _rule = rule;
    byte* _first, _second;

    public void Bind(byte* slots, nint stride)
    {
        _first = slots + (first.Index * stride);
        _second = slots + (second.Index * stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(ref L weight, L gradient, nint offset)
    {
        L a = Load<L>(_first, offset), b = Load<L>(_second, offset);
        _rule.Step(ref weight, gradient, ref a, ref b);
        Store(_first, offset, a);
        Store(_second, offset, b);
    }

    public void Step(ref L weight, L gradient, Span<L> slots) =>
        _rule.Step(ref weight, gradient, ref slots[first.Index], ref slots[second.Index]);
}

unsafe struct SlotRule3<L, TRule>(TRule rule, Slot first, Slot second, Slot third) : ISlotRule<L>
    where L : struct, ILane<L>
    where TRule : struct, IRule3<L>
{
    TRule _rule = rule;
    byte* _first, _second, _third;

    public void Bind(byte* slots, nint stride)
    {
        _first = slots + (first.Index * stride);
        _second = slots + (second.Index * stride);
        _third = slots + (third.Index * stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(ref L weight, L gradient, nint offset)
    {
        L a = Load<L>(_first, offset), b = Load<L>(_second, offset), c = Load<L>(_third, offset);
        _rule.Step(ref weight, gradient, ref a, ref b, ref c);
        Store(_first, offset, a);
        Store(_second, offset, b);
        Store(_third, offset, c);
    }

    public void Step(ref L weight, L gradient, Span<L> slots) =>
        _rule.Step(ref weight, gradient, ref slots[first.Index], ref slots[second.Index], ref slots[third.Index]);
}
