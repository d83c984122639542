using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Infinorm.Benchmarks;

/// <summary>
/// The memory of a step, pinned and cut at 64 bytes. Everything measured at one length shares the weights and gradients;
/// momentum and norm belong to the hand-written steps, Infinorm has its own. They begin some cache lines further on: whole pages apart,
/// streams that are walked in parallel would all want the same lines of the cache.
/// </summary>
sealed record Streams(Memory<float> Weights, Memory<float> Gradients, Memory<float> Momentum, Memory<float> Norm)
{
    const int Line = 64 / sizeof(float), Stagger = 9 * Line;

    public Streams(int length)
        : this(Aligned(length), Aligned(length), Aligned(length + Stagger)[Stagger..], Aligned(length + 2 * Stagger)[(2 * Stagger)..])
    {
        var random = new Random(1);
        foreach (ref float weight in Weights.Span)
            weight = random.NextSingle() - 0.5f;
        foreach (ref float gradient in Gradients.Span)
            gradient = random.NextSingle() - 0.5f;
    }

    public int Length => Weights.Length;

    public Streams Take(int length) => new(Weights[..length], Gradients[..length], Momentum[..length], Norm[..length]);

    public static unsafe Memory<float> Aligned(int length)
    {
        float[] array = GC.AllocateArray<float>(length + Line, pinned: true);
        nuint address = (nuint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array));
        return array.AsMemory((int)((64 - address % 64) % 64 / sizeof(float)), length);
    }
}
