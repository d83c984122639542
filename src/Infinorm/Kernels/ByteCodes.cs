using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Infinorm.Kernels;

/// <summary>
/// Floats as codes of one byte, in blocks that share a scale: four bits of exponent and three of fraction beside the sign, or four of
/// fraction where there is none. The value is (2^(exponent − 15) · (1 + fraction) − 2^−15) times the scale: code 0 is zero.
/// </summary>
/// <remarks>
/// Between two codes a value goes up or down at random, so that the mean is the value: changes that are smaller than the distance of two
/// codes add up. The random bits depend on the seed and on an element's number alone, neither on the width of vectors nor on threads.
/// A block with a value that is not finite becomes NaN as a whole: its scale is NaN.
/// </remarks>
static unsafe class ByteCodes
{
    /// <summary>How many elements share a scale.</summary>
    public const int BlockLength = 256;

    /// <summary>How many blocks hold a number of elements, ≥ 1.</summary>
    public static int BlocksFor(int length) => ((length - 1) / BlockLength) + 1;

    /// <summary>target ← the values of codes; blocks follow each other, the last one filled with codes 0.</summary>
    public static void Decode(byte* codes, float* scales, float* target, int blocks, bool isSigned)
    {
        for (int block = 0; block < blocks; block++, codes += BlockLength, target += BlockLength)
            DecodeBlock(codes, scales[block], target, isSigned);
    }

    /// <summary>target ← the values of a block's codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void DecodeBlock(byte* codes, float scale, float* target, bool isSigned)
    {
        if (Vector512.IsHardwareAccelerated && isSigned)
            CodeLoops.Decode<CodeLane512, SignedCode>(codes, scale, target);
        else if (Vector512.IsHardwareAccelerated)
            CodeLoops.Decode<CodeLane512, UnsignedCode>(codes, scale, target);
        else if (isSigned)
            CodeLoops.Decode<CodeLane256, SignedCode>(codes, scale, target);
        else
            CodeLoops.Decode<CodeLane256, UnsignedCode>(codes, scale, target);
    }

    /// <summary>codes ← values.</summary>
    /// <param name="values">The values, filled up to whole blocks with zeros.</param>
    /// <param name="codes">Their codes.</param>
    /// <param name="scales">A scale for each block, as the last encoding left it.</param>
    /// <param name="blocks">How many blocks there are.</param>
    /// <param name="isSigned">Whether values may be below zero.</param>
    /// <param name="decay">
    /// What every value of a block is at least, as a part of what it was: the scale shrinks by it, so that values that do nothing but decay
    /// keep their codes. 0 where there is no such bound: then the scale follows the largest value.
    /// </param>
    /// <param name="seed">Of the random bits; null rounds to nearest.</param>
    /// <param name="first">The number of the first value.</param>
    public static void Encode(float* values, byte* codes, float* scales, int blocks, bool isSigned, float decay, uint? seed, int first)
    {
        for (int block = 0; block < blocks; block++, values += BlockLength, codes += BlockLength)
            EncodeBlock(values, codes, ref scales[block], isSigned, decay, seed, (first / BlockLength) + block);
    }

    /// <summary>As <see cref="Encode"/>, one block, which has a number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void EncodeBlock(float* values, byte* codes, ref float scale, bool isSigned, float decay, uint? seed, int block)
    {
        if (Vector512.IsHardwareAccelerated)
            EncodeBlock<CodeLane512>(values, codes, ref scale, isSigned, decay, seed, block);
        else
            EncodeBlock<CodeLane256>(values, codes, ref scale, isSigned, decay, seed, block);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void EncodeBlock<V>(float* values, byte* codes, ref float scale, bool isSigned, float decay, uint? seed, int block)
        where V : struct, ICodeLane<V>
    {
        bool followsLargest = decay == 0;
        float expected = followsLargest ? scale : scale * decay;
        uint mixed = Mix(unchecked(seed.GetValueOrDefault() + ((uint)block * 0x9E3779B1))); // odd, near 2^32 divided by the golden ratio
        scale = (isSigned, seed is not null) switch
        {
            (true, true) => CodeLoops.Encode<V, SignedCode, AtRandom>(values, codes, expected, followsLargest, mixed),
            (true, false) => CodeLoops.Encode<V, SignedCode, ToNearest>(values, codes, expected, followsLargest, mixed),
            (false, true) => CodeLoops.Encode<V, UnsignedCode, AtRandom>(values, codes, expected, followsLargest, mixed),
            (false, false) => CodeLoops.Encode<V, UnsignedCode, ToNearest>(values, codes, expected, followsLargest, mixed),
        };
    }

    /// <summary>The seed of a slot of a variable in an update.</summary>
    public static uint SeedOf(int stream, long iterations, int slot) =>
        Mix(unchecked(((uint)iterations * 3266489917) + (uint)(iterations >> 32) + ((uint)slot * 668265263))) ^ (uint)stream;

    static uint Mix(uint value)
    {
        value = unchecked((value ^ (value >> 16)) * 0x21F0AAAD);
        value = unchecked((value ^ (value >> 15)) * 0xD35A2D97);
        return value ^ (value >> 15);
    }
}
