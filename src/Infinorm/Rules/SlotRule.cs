using System.Runtime.CompilerServices;

namespace Infinorm.Rules;

#pragma warning disable IDE0044 // From a readonly field, a rule that is no readonly struct would be copied for every lane.

/// <summary>A rule together with the slots that it steps.</summary>
unsafe interface ISlotRule<L>
    where L : struct, ILane<L>
{
    /// <summary>Says where the slots of a block lie: a fixed number of bytes apart.</summary>
    void Bind(byte* slots, nint stride);

    /// <summary>Steps the lane at an offset of the block.</summary>
    void Step(ref L weight, L gradient, nint offset);

    /// <summary>Steps a lane whose slots are given, all that the optimizer declared.</summary>
    void Step(ref L weight, L gradient, Span<L> slots);
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

struct SlotRule0<L, TRule>(in TRule rule) : ISlotRule<L>
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

unsafe struct SlotRule1<L, TRule>(in TRule rule, int slot) : ISlotRule<L>
    where L : struct, ILane<L>
    where TRule : struct, IRule1<L>
{
    TRule _rule = rule;
    byte* _slot;

    public void Bind(byte* slots, nint stride) => _slot = slots + (slot * stride);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(ref L weight, L gradient, nint offset)
    {
        L value = Unsafe.ReadUnaligned<L>(_slot + offset);
        _rule.Step(ref weight, gradient, ref value);
        Unsafe.WriteUnaligned(_slot + offset, value);
    }

    public void Step(ref L weight, L gradient, Span<L> slots) => _rule.Step(ref weight, gradient, ref slots[slot]);
}

unsafe struct SlotRule2<L, TRule>(in TRule rule, int first, int second) : ISlotRule<L>
    where L : struct, ILane<L>
    where TRule : struct, IRule2<L>
{
    TRule _rule = rule;
    byte* _first, _second;

    public void Bind(byte* slots, nint stride)
    {
        _first = slots + (first * stride);
        _second = slots + (second * stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(ref L weight, L gradient, nint offset)
    {
        L a = Unsafe.ReadUnaligned<L>(_first + offset), b = Unsafe.ReadUnaligned<L>(_second + offset);
        _rule.Step(ref weight, gradient, ref a, ref b);
        Unsafe.WriteUnaligned(_first + offset, a);
        Unsafe.WriteUnaligned(_second + offset, b);
    }

    public void Step(ref L weight, L gradient, Span<L> slots) =>
        _rule.Step(ref weight, gradient, ref slots[first], ref slots[second]);
}

/// <summary>Three slots, any of which may be absent (−1): then it reads as zero, and what is written is dropped.</summary>
unsafe struct SlotRule3<L, TRule>(in TRule rule, int first, int second, int third) : ISlotRule<L>
    where L : struct, ILane<L>
    where TRule : struct, IRule3<L>
{
    TRule _rule = rule;
    byte* _first, _second, _third;

    public void Bind(byte* slots, nint stride)
    {
        _first = first < 0 ? null : slots + (first * stride);
        _second = second < 0 ? null : slots + (second * stride);
        _third = third < 0 ? null : slots + (third * stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(ref L weight, L gradient, nint offset)
    {
        L a = Read(_first, offset), b = Read(_second, offset), c = Read(_third, offset);
        _rule.Step(ref weight, gradient, ref a, ref b, ref c);
        Write(_first, offset, a);
        Write(_second, offset, b);
        Write(_third, offset, c);
    }

    public void Step(ref L weight, L gradient, Span<L> slots)
    {
        L none1 = L.Of(0), none2 = L.Of(0), none3 = L.Of(0);
        _rule.Step(
            ref weight, gradient, ref (first < 0 ? ref none1 : ref slots[first]), ref (second < 0 ? ref none2 : ref slots[second]),
            ref (third < 0 ? ref none3 : ref slots[third]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static L Read(byte* slot, nint offset) => slot == null ? default : Unsafe.ReadUnaligned<L>(slot + offset);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Write(byte* slot, nint offset, L value)
    {
        if (slot != null)
            Unsafe.WriteUnaligned(slot + offset, value);
    }
}

/// <summary>A rule of one slot as one of three, so that the slot may be absent.</summary>
struct OneOfThree<L, TRule>(in TRule rule) : IRule3<L>
    where L : struct, ILane<L>
    where TRule : struct, IRule1<L>
{
    TRule _rule = rule;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(ref L weight, L gradient, ref L first, ref L second, ref L third) => _rule.Step(ref weight, gradient, ref first);
}

/// <summary>A rule of two slots as one of three, so that either may be absent.</summary>
struct TwoOfThree<L, TRule>(in TRule rule) : IRule3<L>
    where L : struct, ILane<L>
    where TRule : struct, IRule2<L>
{
    TRule _rule = rule;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(ref L weight, L gradient, ref L first, ref L second, ref L third) =>
        _rule.Step(ref weight, gradient, ref first, ref second);
}
