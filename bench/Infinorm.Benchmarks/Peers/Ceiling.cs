using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Infinorm.Benchmarks;

/// <summary>
/// What the machine can do at most: the streams of a step (weights, gradients and up to two slots) are read, and all but the gradients
/// written in place, with hardly any arithmetic. Several plain loops are offered; the fastest one at a length is the ceiling there.
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

    /// <summary>Every loop on the calling thread and, given a team, on its threads: where that does not pay, one thread is the ceiling.</summary>
    public static Contender[] Variants(Streams streams, int slots, SpinTeam? team)
    {
        Loop[] loops = slots switch
        {
            0 => Loops<NoSlot>(),
            1 => Loops<OneSlot>(),
            2 => Loops<TwoSlots>(),
            _ => throw new ArgumentOutOfRangeException(nameof(slots), slots, "There are loops for up to two slots."),
        };
        Action<int, int>[] splits = [.. loops.Select<Loop, Action<int, int>>(loop => (part, parts) => Run(loop, streams, part, parts))];
        IEnumerable<Contender> single = splits.Select(split => new Contender(() => split(0, 1)));
        return team is null
            ? [.. single]
            : [.. single, .. splits.Select(split => new Contender(() => team.Run(split)) { Before = team.Wake, After = team.Rest })];
    }

    static Loop[] Loops<TSlots>()
        where TSlots : ISlots => [Loop256<TSlots>, Loop512<TSlots>, Loop512Unrolled<TSlots>];

    // Whole cache lines for each thread: the streams are pinned and aligned, the lengths multiples of a line.
    static void Run(Loop loop, Streams streams, int part, int parts)
    {
        long lines = streams.Length / Line;
        int start = (int)(lines * part / parts) * Line;
        int end = (int)(lines * (part + 1) / parts) * Line;
        loop(At(streams.Weights), At(streams.Gradients), At(streams.Momentum), At(streams.Norm), end - start);

        float* At(Memory<float> pinned) => (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(pinned.Span)) + start;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Loop256<TSlots>(float* weights, float* gradients, float* momentum, float* norm, int length)
        where TSlots : ISlots
    {
        for (int i = 0; i < length; i += Vector256<float>.Count)
        {
            Vector256<float> gradient = Vector256.LoadAligned(gradients + i);
            Vector256<float> moved = gradient;
            if (TSlots.Count > 0)
            {
                moved -= Vector256.LoadAligned(momentum + i);
                moved.StoreAligned(momentum + i);
            }

            if (TSlots.Count > 1)
                (gradient - Vector256.LoadAligned(norm + i)).StoreAligned(norm + i);
            (moved - Vector256.LoadAligned(weights + i)).StoreAligned(weights + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Loop512<TSlots>(float* weights, float* gradients, float* momentum, float* norm, int length)
        where TSlots : ISlots
    {
        for (int i = 0; i < length; i += Vector512<float>.Count)
            Step512<TSlots>(weights + i, gradients + i, momentum + i, norm + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Loop512Unrolled<TSlots>(float* weights, float* gradients, float* momentum, float* norm, int length)
        where TSlots : ISlots
    {
        int i = 0;
        for (int next = Vector512<float>.Count; i <= length - 2 * next; i += 2 * next)
        {
            Step512<TSlots>(weights + i, gradients + i, momentum + i, norm + i);
            Step512<TSlots>(weights + i + next, gradients + i + next, momentum + i + next, norm + i + next);
        }
        for (; i < length; i += Vector512<float>.Count)
            Step512<TSlots>(weights + i, gradients + i, momentum + i, norm + i);
    }

    // Differences, so that the values stay bounded: momentum and norm alternate between two values, the weights drift a little.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Step512<TSlots>(float* weights, float* gradients, float* momentum, float* norm)
        where TSlots : ISlots
    {
        Vector512<float> gradient = Vector512.LoadAligned(gradients);
        Vector512<float> moved = gradient;
        if (TSlots.Count > 0)
        {
            moved -= Vector512.LoadAligned(momentum);
            moved.StoreAligned(momentum);
        }

        if (TSlots.Count > 1)
            (gradient - Vector512.LoadAligned(norm)).StoreAligned(norm);
        (moved - Vector512.LoadAligned(weights)).StoreAligned(weights);
    }
}
