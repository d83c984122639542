using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Infinorm.Types;

namespace Infinorm.Kernels;

/// <summary>
/// Rounds floats to 16 bits, up or down at random, so that the mean is the value itself: what is a third of the way up is rounded up once
/// in three times. What a 16-bit float can hold stays, as do infinity and NaN.
/// </summary>
/// <remarks>
/// The 16 random bits of an element depend on seed, call, stream and place alone: not on threads, widths, or how blocks are cut.
/// </remarks>
/// <param name="seed">The key of the generator.</param>
/// <param name="call">The number of this call of Apply.</param>
readonly unsafe struct StochasticRounding(int seed, long call)
{
    /// <summary>Elements that are rounded with the random words of four counters; blocks begin at multiples of it.</summary>
    public const int TileLength = 4 * ElementsPerCounter;

    const int ElementsPerCounter = 4 * sizeof(uint) / sizeof(ushort);

    /// <summary>
    /// Which random bits are a variable's: a hash of its path (FNV-1a), so that they are the same whatever the order of the variables.
    /// </summary>
    public static int StreamOf(string path)
    {
        uint hash = 2166136261;
        foreach (char letter in path)
            hash = (hash ^ letter) * 16777619;
        return (int)hash;
    }

    /// <summary>Rounds a block of a variable.</summary>
    /// <param name="source">The floats.</param>
    /// <param name="target">Where the rounded ones go, of type <paramref name="type"/>.</param>
    /// <param name="type">A 16-bit type.</param>
    /// <param name="stream">The variable's <see cref="StreamOf"/>.</param>
    /// <param name="start">The block's first element, a multiple of <see cref="TileLength"/>.</param>
    /// <param name="count">The number of elements.</param>
    [MethodImpl(Hot.Loop)]
    public void Round(float* source, ushort* target, DType type, int stream, int start, int count)
    {
        Debug.Assert(start % TileLength == 0, "A tile is rounded as a whole.");
        int done = count & -TileLength, rest = count - done;
        for (int i = 0; i < done; i += TileLength)
            RoundTile(source + i, target + i, type, stream, start + i);
        if (rest == 0)
            return;

        float* values = stackalloc float[TileLength];
        ushort* rounded = stackalloc ushort[TileLength];
        new Span<float>(source + done, rest).CopyTo(new(values, rest));
        RoundTile(values, rounded, type, stream, start + done);
        new Span<ushort>(rounded, rest).CopyTo(new(target + done, rest));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    void RoundTile(float* source, ushort* target, DType type, int stream, int start)
    {
        Vector256<ulong> word0 = Vector256.Create((ulong)(start / ElementsPerCounter)) + Vector256<ulong>.Indices;
        Vector256<ulong> word1 = Vector256.Create((ulong)(uint)stream), word2 = Vector256.Create((ulong)call), word3 = word2 >> 32;
        Philox.Generate(ref word0, ref word1, ref word2, ref word3, (uint)seed, 0);

        // Eight elements take the lower halves of words 0 and 1 of the four counters in turn, eight the upper halves; then words 2 and 3.
        Vector256<uint> lower = Interleave(word0, word1), upper = Interleave(word2, word3);
        Vector256<uint> half = Vector256.Create((uint)ushort.MaxValue);
        RoundVector(source, target, type, lower & half);
        RoundVector(source + HalfVectors.Length, target + HalfVectors.Length, type, lower >> 16);
        RoundVector(source + (2 * HalfVectors.Length), target + (2 * HalfVectors.Length), type, upper & half);
        RoundVector(source + (3 * HalfVectors.Length), target + (3 * HalfVectors.Length), type, upper >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<uint> Interleave(Vector256<ulong> even, Vector256<ulong> odd) =>
        ((even & Vector256.Create((ulong)uint.MaxValue)) | (odd << 32)).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void RoundVector(float* source, ushort* target, DType type, Vector256<uint> random)
    {
        Vector256<float> values = Vector256.Load(source);
        Vector128<ushort> rounded = type == DType.Float16
            ? HalfVectors.ToHalfAtRandom(values, random)
            : HalfVectors.ToBFloat16AtRandom(values, random);
        rounded.Store(target);
    }
}
