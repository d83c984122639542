using System.Runtime.CompilerServices;
using Infinorm.Rules;
using Infinorm.Types;

namespace Infinorm.Kernels;

/// <summary>
/// Loops over blocks of memory. <c>bytes</c> is a multiple of the lane's size; blocks may be unaligned; <c>target</c> may be the same
/// block as a source.
/// </summary>
static unsafe class BlockKernels
{
    /// <summary>
    /// accumulator ← gradient / scale + accumulator; the division only where there is a loss scale, and zero for a spent accumulator.
    /// </summary>
    [MethodImpl(Hot.Loop)]
    public static void Accumulate<L>(byte* accumulator, byte* gradient, nint bytes, in GradientFormula<L> formula, bool spent)
        where L : struct, ILane<L>
    {
        GradientFormula<L> stages = formula;
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
            Store(accumulator, i, Stages.Accumulate(in stages, Load<L>(gradient, i), spent ? default : Load<L>(accumulator, i)));
    }

    /// <summary>
    /// accumulator ← as above; target ← the gradient that norms are taken of, in a call that updates. In one loop, as the division then goes on
    /// while memory is waited for.
    /// </summary>
    [MethodImpl(Hot.Loop)]
    public static void AccumulateMean<L>(byte* target, byte* accumulator, byte* gradient, nint bytes, in GradientFormula<L> formula)
        where L : struct, ILane<L>
    {
        GradientFormula<L> stages = formula;
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
        {
            L value = Load<L>(gradient, i), accumulated = Load<L>(accumulator, i);
            Store(accumulator, i, Stages.Accumulate(in stages, value, accumulated));
            Store(target, i, Stages.Unclipped(in stages, value, accumulates: true, accumulated));
        }
    }

    /// <summary>target ← the gradient that the rule sees; accumulator null where there is none.</summary>
    [MethodImpl(Hot.Loop)]
    public static void Prepare<L>(byte* target, byte* gradient, byte* accumulator, nint bytes, in GradientFormula<L> formula)
        where L : struct, ILane<L>
    {
        GradientFormula<L> stages = formula;
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
        {
            bool accumulates = accumulator != null;
            L value = Stages.Unclipped(in stages, Load<L>(gradient, i), accumulates, accumulates ? Load<L>(accumulator, i) : default);
            Store(target, i, stages.Clip(value));
        }
    }

    [MethodImpl(Hot.Loop)]
    public static void Max<L>(byte* target, byte* left, byte* right, nint bytes)
        where L : struct, ILane<L>
    {
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
            Store(target, i, L.Max(Load<L>(left, i), Load<L>(right, i)));
    }

    /// <summary>Decays the weights, if there is weight decay.</summary>
    [MethodImpl(Hot.Loop)]
    public static void Decay<L>(byte* weights, nint bytes, in WeightFormula<L> formula)
        where L : struct, ILane<L>
    {
        WeightFormula<L> stages = formula;
        if (!stages.Decays)
            return;
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
            Store(weights, i, stages.Decay(Load<L>(weights, i)));
    }

    /// <summary>Moves the averages towards the weights and, if they overwrite, the weights to the averages.</summary>
    [MethodImpl(Hot.Loop)]
    public static void Average<L>(byte* averages, byte* weights, nint bytes, in WeightFormula<L> formula)
        where L : struct, ILane<L>
    {
        WeightFormula<L> stages = formula;
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
        {
            L weight = Load<L>(weights, i), average = Load<L>(averages, i);
            Stages.Average(in stages, ref weight, ref average);
            Store(averages, i, average);
            if (stages.Overwrites)
                Store(weights, i, weight);
        }
    }

    /// <summary>Whether every element is finite.</summary>
    [MethodImpl(Hot.Loop)]
    public static bool IsFinite<L>(byte* source, nint bytes)
        where L : struct, ILane<L>
    {
        L check = default;
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
        {
            L value = Load<L>(source, i);
            check += value - value; // 0 if finite, else NaN
        }

        return double.IsFinite(L.Sum(check));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int ElementSize<L>()
        where L : struct, ILane<L> => L.IsDouble ? sizeof(double) : sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static L Load<L>(byte* source, nint offset)
        where L : struct, ILane<L> => Unsafe.ReadUnaligned<L>(source + offset);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<L>(byte* target, nint offset, L value)
        where L : struct, ILane<L> => Unsafe.WriteUnaligned(target + offset, value);
}
