using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Infinorm.Benchmarks;

/// <summary>
/// What the machine can do at most: the streams of a step (weights, gradients and up to two slots) are read, and all but the gradients
/// written in place, with hardly any arithmetic. Plain loops of many kinds are offered; the fastest one at a length is the ceiling there.
/// </summary>
static unsafe class Ceiling
{
    const int Line = 64 / sizeof(float);

    delegate void Loop(float* weights, float* gradients, float* momentum, float* norm, int length);

    // A constant in the loops.
    interface ISlots
    {
        static abstract int Count { get; }
    }

    readonly struct NoSlot : ISlots
    {
        public static int Count => 0;
    }

    readonly struct OneSlot : ISlots
    {
        public static int Count => 1;
    }

    readonly struct TwoSlots : ISlots
    {
        public static int Count => 2;
    }

    // How a loop walks. Constants in it, too.
    interface IWalk
    {
        /// <summary>Vectors a turn: 1, 2 or 4.</summary>
        static abstract int Unroll { get; }

        /// <summary>How many bytes ahead is prefetched; 0 for not at all.</summary>
        static virtual int Ahead => 0;

        /// <summary>Whether both halves are walked at once.</summary>
        static virtual bool ByHalves => false;

        /// <summary>Whether writing bypasses the caches.</summary>
        static virtual bool BypassesCaches => false;
    }

    readonly struct ByOne : IWalk
    {
        public static int Unroll => 1;
    }

    readonly struct ByTwo : IWalk
    {
        public static int Unroll => 2;
    }

    readonly struct ByFour : IWalk
    {
        public static int Unroll => 4;
    }

    readonly struct Prefetched : IWalk
    {
        public static int Unroll => 2;

        public static int Ahead => 1024;
    }

    readonly struct Halved : IWalk
    {
        public static int Unroll => 2;

        public static bool ByHalves => true;
    }

    readonly struct Bypassing : IWalk
    {
        public static int Unroll => 2;

        public static bool BypassesCaches => true;
    }

    /// <summary>Every loop, on the calling thread or on those of a team.</summary>
    public static Contender[] Variants(Streams streams, int slots, SpinTeam? team)
    {
        Loop[] loops = slots switch
        {
            0 => Loops<NoSlot>(),
            1 => Loops<OneSlot>(),
            2 => Loops<TwoSlots>(),
            _ => throw new ArgumentOutOfRangeException(nameof(slots), slots, "There are loops for up to two slots."),
        };
        return [.. loops.Select(loop => team is null
            ? new Contender(() => Run(loop, streams, 0, 1))
            : new Contender(() => team.Run((part, parts) => Run(loop, streams, part, parts))) { Before = team.Wake, After = team.Rest })];
    }

    static Loop[] Loops<TSlots>()
        where TSlots : ISlots
    {
        Loop[] narrow = [Loop256<TSlots, ByOne>, Loop256<TSlots, ByTwo>, Loop256<TSlots, ByFour>, Loop256<TSlots, Prefetched>, Loop256<TSlots, Halved>];
        Loop[] wide =
        [
            Loop512<TSlots, ByOne>, Loop512<TSlots, ByTwo>, Loop512<TSlots, ByFour>, Loop512<TSlots, Prefetched>, Loop512<TSlots, Halved>,
            Loop512<TSlots, Bypassing>,
        ];
        return Vector512.IsHardwareAccelerated ? [.. narrow, .. wide] : narrow;
    }

    // Whole cache lines for each thread: the streams are pinned and aligned, the lengths multiples of a line.
    static void Run(Loop loop, Streams streams, int part, int parts)
    {
        long lines = streams.Length / Line;
        int start = (int)(lines * part / parts) * Line;
        int end = (int)(lines * (part + 1) / parts) * Line;
        loop(At(streams.Weights), At(streams.Gradients), At(streams.Momentum), At(streams.Norm), end - start);

        float* At(Memory<float> pinned) => (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(pinned.Span)) + start;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Loop256<TSlots, TWalk>(float* weights, float* gradients, float* momentum, float* norm, int length)
        where TSlots : ISlots
        where TWalk : IWalk
    {
        int one = Vector256<float>.Count, turn = TWalk.Unroll * one, half = TWalk.ByHalves ? length / 2 & -turn : 0;
        int i = half;
        for (; i <= length - turn; i += turn)
        {
            if (TWalk.Ahead > 0)
                Ahead<TSlots, TWalk>(weights + i, gradients + i, momentum + i, norm + i, turn);
            Turn256<TSlots, TWalk>(weights + i, gradients + i, momentum + i, norm + i);
            if (TWalk.ByHalves && i - half < half)
                Turn256<TSlots, TWalk>(weights + i - half, gradients + i - half, momentum + i - half, norm + i - half);
        }

        for (; i < length; i += one)
            Step256<TSlots>(weights + i, gradients + i, momentum + i, norm + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Loop512<TSlots, TWalk>(float* weights, float* gradients, float* momentum, float* norm, int length)
        where TSlots : ISlots
        where TWalk : IWalk
    {
        int one = Vector512<float>.Count, turn = TWalk.Unroll * one, half = TWalk.ByHalves ? length / 2 & -turn : 0;
        int i = half;
        for (; i <= length - turn; i += turn)
        {
            if (TWalk.Ahead > 0)
                Ahead<TSlots, TWalk>(weights + i, gradients + i, momentum + i, norm + i, turn);
            Turn512<TSlots, TWalk>(weights + i, gradients + i, momentum + i, norm + i);
            if (TWalk.ByHalves && i - half < half)
                Turn512<TSlots, TWalk>(weights + i - half, gradients + i - half, momentum + i - half, norm + i - half);
        }

        for (; i < length; i += one)
            Step512<TSlots, TWalk>(weights + i, gradients + i, momentum + i, norm + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Turn256<TSlots, TWalk>(float* weights, float* gradients, float* momentum, float* norm)
        where TSlots : ISlots
        where TWalk : IWalk
    {
        int one = Vector256<float>.Count;
        Step256<TSlots>(weights, gradients, momentum, norm);
        if (TWalk.Unroll > 1)
            Step256<TSlots>(weights + one, gradients + one, momentum + one, norm + one);
        if (TWalk.Unroll > 2)
            Step256<TSlots>(weights + 2 * one, gradients + 2 * one, momentum + 2 * one, norm + 2 * one);
        if (TWalk.Unroll > 3)
            Step256<TSlots>(weights + 3 * one, gradients + 3 * one, momentum + 3 * one, norm + 3 * one);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Turn512<TSlots, TWalk>(float* weights, float* gradients, float* momentum, float* norm)
        where TSlots : ISlots
        where TWalk : IWalk
    {
        int one = Vector512<float>.Count;
        Step512<TSlots, TWalk>(weights, gradients, momentum, norm);
        if (TWalk.Unroll > 1)
            Step512<TSlots, TWalk>(weights + one, gradients + one, momentum + one, norm + one);
        if (TWalk.Unroll > 2)
            Step512<TSlots, TWalk>(weights + 2 * one, gradients + 2 * one, momentum + 2 * one, norm + 2 * one);
        if (TWalk.Unroll > 3)
            Step512<TSlots, TWalk>(weights + 3 * one, gradients + 3 * one, momentum + 3 * one, norm + 3 * one);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Ahead<TSlots, TWalk>(float* weights, float* gradients, float* momentum, float* norm, int turn)
        where TSlots : ISlots
        where TWalk : IWalk
    {
        for (int i = 0; Sse.IsSupported && i < turn; i += Line)
        {
            Sse.Prefetch0((byte*)(weights + i) + TWalk.Ahead);
            Sse.Prefetch0((byte*)(gradients + i) + TWalk.Ahead);
            if (TSlots.Count > 0)
                Sse.Prefetch0((byte*)(momentum + i) + TWalk.Ahead);
            if (TSlots.Count > 1)
                Sse.Prefetch0((byte*)(norm + i) + TWalk.Ahead);
        }
    }

    // Differences, so that the values stay bounded: momentum and norm alternate between two values, the weights drift a little. Everything
    // is read before anything is written.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Step256<TSlots>(float* weights, float* gradients, float* momentum, float* norm)
        where TSlots : ISlots
    {
        Vector256<float> gradient = Vector256.LoadAligned(gradients), weight = Vector256.LoadAligned(weights);
        Vector256<float> first = TSlots.Count > 0 ? gradient - Vector256.LoadAligned(momentum) : gradient;
        Vector256<float> second = TSlots.Count > 1 ? gradient - Vector256.LoadAligned(norm) : gradient;
        if (TSlots.Count > 0)
            first.StoreAligned(momentum);
        if (TSlots.Count > 1)
            second.StoreAligned(norm);
        (first - weight).StoreAligned(weights);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Step512<TSlots, TWalk>(float* weights, float* gradients, float* momentum, float* norm)
        where TSlots : ISlots
        where TWalk : IWalk
    {
        Vector512<float> gradient = Vector512.LoadAligned(gradients), weight = Vector512.LoadAligned(weights);
        Vector512<float> first = TSlots.Count > 0 ? gradient - Vector512.LoadAligned(momentum) : gradient;
        Vector512<float> second = TSlots.Count > 1 ? gradient - Vector512.LoadAligned(norm) : gradient;
        if (TSlots.Count > 0)
            Store<TWalk>(first, momentum);
        if (TSlots.Count > 1)
            Store<TWalk>(second, norm);
        Store<TWalk>(first - weight, weights);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store<TWalk>(Vector512<float> value, float* target)
        where TWalk : IWalk
    {
        if (TWalk.BypassesCaches)
            value.StoreAlignedNonTemporal(target);
        else
            value.StoreAligned(target);
    }
}
