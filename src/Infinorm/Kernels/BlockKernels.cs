using System.Runtime.CompilerServices;

namespace Infinorm.Kernels;

/// <summary>
/// The elementwise formulas around the rule, one block of memory each. <c>bytes</c> is a multiple of the lane's size; blocks may be
/// unaligned; <c>target</c> may be the same block as a source. The order of operations is the order of rounding.
/// </summary>
static unsafe class BlockKernels
{
    const MethodImplOptions Hot = MethodImplOptions.AggressiveOptimization;

    /// <summary>Where one block of squares is summed: element i of a chunk goes to sum i mod 64, whatever the lane's width.</summary>
    public const int SumCount = 64;

    [MethodImpl(Hot)]
    public static void Divide<L>(byte* target, byte* source, nint bytes, L divisor)
        where L : struct, ILane<L>
    {
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
            Store(target, i, Load<L>(source, i) / divisor);
    }

    [MethodImpl(Hot)]
    public static void Multiply<L>(byte* target, byte* source, nint bytes, L factor)
        where L : struct, ILane<L>
    {
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
            Store(target, i, Load<L>(source, i) * factor);
    }

    [MethodImpl(Hot)]
    public static void MultiplyDivide<L>(byte* target, byte* source, nint bytes, L factor, L divisor)
        where L : struct, ILane<L>
    {
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
            Store(target, i, Load<L>(source, i) * factor / divisor);
    }

    [MethodImpl(Hot)]
    public static void Clamp<L>(byte* target, byte* source, nint bytes, L lowest, L highest)
        where L : struct, ILane<L>
    {
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
            Store(target, i, L.Max(L.Min(Load<L>(source, i), highest), lowest));
    }

    [MethodImpl(Hot)]
    public static void Add<L>(byte* target, byte* left, byte* right, nint bytes)
        where L : struct, ILane<L>
    {
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
            Store(target, i, Load<L>(left, i) + Load<L>(right, i));
    }

    [MethodImpl(Hot)]
    public static void AddDivide<L>(byte* target, byte* left, byte* right, nint bytes, L divisor)
        where L : struct, ILane<L>
    {
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
            Store(target, i, (Load<L>(left, i) + Load<L>(right, i)) / divisor);
    }

    [MethodImpl(Hot)]
    public static void Max<L>(byte* target, byte* left, byte* right, nint bytes)
        where L : struct, ILane<L>
    {
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
            Store(target, i, L.Max(Load<L>(left, i), Load<L>(right, i)));
    }

    /// <summary>Decoupled weight decay: w ← w − (w · decay) · rate.</summary>
    [MethodImpl(Hot)]
    public static void Decay<L>(byte* weights, nint bytes, L decay, L rate)
        where L : struct, ILane<L>
    {
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
        {
            L weight = Load<L>(weights, i);
            Store(weights, i, weight - weight * decay * rate);
        }
    }

    /// <summary>Exponential moving average: a ← momentum · a + (1 − momentum) · w.</summary>
    [MethodImpl(Hot)]
    public static void Average<L>(byte* averages, byte* weights, nint bytes, L momentum, L take)
        where L : struct, ILane<L>
    {
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
            Store(averages, i, momentum * Load<L>(averages, i) + take * Load<L>(weights, i));
    }

    /// <summary>Adds the squares of a block to <see cref="SumCount"/> sums of double.</summary>
    [MethodImpl(Hot)]
    public static void AddSquares<L>(byte* source, nint bytes, double* sums)
        where L : struct, ILane<L>
    {
        int lane = LaneLength<L>();
        int sum = 0;
        for (nint i = 0; i < bytes; i += Unsafe.SizeOf<L>())
        {
            L.AddSquares(Load<L>(source, i), ref sums[sum]);
            sum = (sum + lane) & (SumCount - 1);
        }
    }

    /// <summary>Whether every element is finite.</summary>
    [MethodImpl(Hot)]
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
    public static int LaneLength<L>()
        where L : struct, ILane<L> => Unsafe.SizeOf<L>() / ElementSize<L>();

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
