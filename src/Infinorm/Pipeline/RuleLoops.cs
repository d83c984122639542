using System.Runtime.CompilerServices;
using Infinorm.Kernels;
using static Infinorm.Kernels.BlockKernels;

namespace Infinorm.Pipeline;

/// <summary>A rule's loop over one block: the weights, the gradient and the rule's slots, which lie <c>stride</c> bytes apart.</summary>
unsafe interface IRuleLoop
{
    void Run(byte* weights, byte* gradient, byte* slots, nint stride, nint bytes);
}

/// <summary>For calls that update nothing.</summary>
readonly struct NoRule : IRuleLoop
{
    public unsafe void Run(byte* weights, byte* gradient, byte* slots, nint stride, nint bytes)
    {
    }
}

readonly unsafe struct RuleLoop0<L, TRule>(TRule rule) : IRuleLoop
    where L : struct, ILane<L>
    where TRule : struct, IRule0<L>
{
    readonly TRule _rule = rule;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(byte* weights, byte* gradient, byte* slots, nint stride, nint bytes)
    {
        TRule rule = _rule;
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
        {
            L weight = Load<L>(weights, i);
            rule.Step(ref weight, Load<L>(gradient, i));
            Store(weights, i, weight);
        }
    }
}

readonly unsafe struct RuleLoop1<L, TRule>(TRule rule, Slot slot) : IRuleLoop
    where L : struct, ILane<L>
    where TRule : struct, IRule1<L>
{
    readonly TRule _rule = rule;
    readonly int _slot = slot.Index;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(byte* weights, byte* gradient, byte* slots, nint stride, nint bytes)
    {
        TRule rule = _rule;
        byte* slot = slots + (_slot * stride);
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
        {
            L weight = Load<L>(weights, i), a = Load<L>(slot, i);
            rule.Step(ref weight, Load<L>(gradient, i), ref a);
            Store(slot, i, a);
            Store(weights, i, weight);
        }
    }
}

readonly unsafe struct RuleLoop2<L, TRule>(TRule rule, Slot first, Slot second) : IRuleLoop
    where L : struct, ILane<L>
    where TRule : struct, IRule2<L>
{
    readonly TRule _rule = rule;
    readonly int _first = first.Index, _second = second.Index;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(byte* weights, byte* gradient, byte* slots, nint stride, nint bytes)
    {
        TRule rule = _rule;
        byte* first = slots + (_first * stride), second = slots + (_second * stride);
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
        {
            L weight = Load<L>(weights, i), a = Load<L>(first, i), b = Load<L>(second, i);
            rule.Step(ref weight, Load<L>(gradient, i), ref a, ref b);
            Store(first, i, a);
            Store(second, i, b);
            Store(weights, i, weight);
        }
    }
}

readonly unsafe struct RuleLoop3<L, TRule>(TRule rule, Slot first, Slot second, Slot third) : IRuleLoop
    where L : struct, ILane<L>
    where TRule : struct, IRule3<L>
{
    readonly TRule _rule = rule;
    readonly int _first = first.Index, _second = second.Index, _third = third.Index;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(byte* weights, byte* gradient, byte* slots, nint stride, nint bytes)
    {
        TRule rule = _rule;
        byte* first = slots + (_first * stride), second = slots + (_second * stride), third = slots + (_third * stride);
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
        {
            L weight = Load<L>(weights, i), a = Load<L>(first, i), b = Load<L>(second, i), c = Load<L>(third, i);
            rule.Step(ref weight, Load<L>(gradient, i), ref a, ref b, ref c);
            Store(first, i, a);
            Store(second, i, b);
            Store(third, i, c);
            Store(weights, i, weight);
        }
    }
}
