using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Infinorm.Kernels;

/// <summary>
/// Floats as codes of one byte, in blocks that share a scale: four bits of exponent and three of fraction beside the sign, or four of
/// fraction where there is none. Code 0 is zero; of the others the value is 2^(exponent − 15) · (1 + fraction) times the scale.
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

    const int ExponentBits = 4, FractionBitsOfFloat = 23, Bias = 127;

    // The exponent field of a float whose code has the exponent 0.
    const uint FirstExponent = Bias - ((1 << ExponentBits) - 1);

    /// <summary>target ← the values of codes; blocks follow each other, the last one filled with codes 0.</summary>
    public static void Decode(byte* codes, float* scales, float* target, int blocks, bool isSigned)
    {
        if (Vector512.IsHardwareAccelerated && isSigned)
            Decode<CodeLane512, SignedCode>(codes, scales, target, blocks);
        else if (Vector512.IsHardwareAccelerated)
            Decode<CodeLane512, UnsignedCode>(codes, scales, target, blocks);
        else if (isSigned)
            Decode<CodeLane256, SignedCode>(codes, scales, target, blocks);
        else
            Decode<CodeLane256, UnsignedCode>(codes, scales, target, blocks);
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
        if (Vector512.IsHardwareAccelerated)
            Encode<CodeLane512>(values, codes, scales, blocks, isSigned, decay, seed, first);
        else
            Encode<CodeLane256>(values, codes, scales, blocks, isSigned, decay, seed, first);
    }

    static void Encode<V>(float* values, byte* codes, float* scales, int blocks, bool isSigned, float decay, uint? seed, int first)
        where V : struct, ICodeLane<V>
    {
        switch (isSigned, seed)
        {
            case (true, { } number): Encode<V, SignedCode, AtRandom>(values, codes, scales, blocks, decay, number, first); break;
            case (true, null): Encode<V, SignedCode, ToNearest>(values, codes, scales, blocks, decay, 0, first); break;
            case (false, { } number): Encode<V, UnsignedCode, AtRandom>(values, codes, scales, blocks, decay, number, first); break;
            case (false, null): Encode<V, UnsignedCode, ToNearest>(values, codes, scales, blocks, decay, 0, first); break;
        }
    }

    /// <summary>The seed of a slot of a variable in an update.</summary>
    public static uint SeedOf(int stream, long iterations, int slot)
    {
        uint mixed = unchecked(((uint)iterations * 3266489917) + (uint)(iterations >> 32) + ((uint)slot * 668265263));
        mixed = unchecked((mixed ^ (mixed >> 16)) * 0x21F0AAAD);
        mixed = unchecked((mixed ^ (mixed >> 15)) * 0xD35A2D97);
        return mixed ^ (mixed >> 15) ^ (uint)stream;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Decode<V, TCode>(byte* codes, float* scales, float* target, int blocks)
        where V : struct, ICodeLane<V>
        where TCode : struct, ICode
    {
        V ones = V.Of(uint.MaxValue), first = V.Of(FirstExponent << FractionBitsOfFloat);
        V magnitudeBits = V.Of(TCode.Top), signBit = V.Of((uint)(byte.MaxValue - TCode.Top));
        for (int block = 0; block < blocks; block++, codes += BlockLength, target += BlockLength)
        {
            V scale = V.Of(BitConverter.SingleToUInt32Bits(scales[block]));
            for (int i = 0; i < BlockLength; i += V.Count)
            {
                V code = V.LoadBytes(codes + i), magnitude = code & magnitudeBits;
                V value = ((magnitude << (FractionBitsOfFloat - TCode.FractionBits)) + first) & (V.IsZero(magnitude) ^ ones);
                Unsafe.WriteUnaligned(target + i, V.MultiplyFloats(value, scale) | ((code & signBit) << 24));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Encode<V, TCode, TRounding>(float* values, byte* codes, float* scales, int blocks, float decay, uint seed, int first)
        where V : struct, ICodeLane<V>
        where TCode : struct, ICode
        where TRounding : struct, IRounding
    {
        V coarse = V.Of(~((2 * Margin) - 1)), margin = V.Of(TRounding.IsRandom ? Margin : 1u << (TCode.Dropped - 1));
        V number = ((V.Indices + V.Of((uint)first)) * V.Of(Weyl)) + V.Of(seed), step = V.Of(unchecked((uint)V.Count * Weyl));
        V magnitudeBits = V.Of(0x7FFFFFFF), bias = V.Of(FirstExponent << TCode.FractionBits), top = V.Of(TCode.Top), mixer = V.Of(0xD35A2D97);
        V signBit = V.Of((uint)(byte.MaxValue - TCode.Top)), zero = V.Of(0), one = V.Of(1);
        for (int block = 0; block < blocks; block++, values += BlockLength, codes += BlockLength)
        {
            V largest = V.Of(0);
            for (int i = 0; i < BlockLength; i += V.Count)
                largest = V.Max(largest, Unsafe.ReadUnaligned<V>(values + i) & magnitudeBits);
            float scale = ScaleFor(BitConverter.Int32BitsToSingle(V.Largest(largest)), scales[block] * decay, TCode.TopValue);
            scales[block] = scale;
            V inverse = V.Of(BitConverter.SingleToUInt32Bits(scale == 0 ? 0 : 1 / scale));
            for (int i = 0; i < BlockLength; i += V.Count)
            {
                V value = Unsafe.ReadUnaligned<V>(values + i), magnitude = value & magnitudeBits;
                V random = margin;
                if (TRounding.IsRandom)
                {
                    random = ((((number ^ (number >> 15)) * mixer) >> (32 - TCode.Dropped)) & coarse) | margin;
                    number += step;
                }

                V code = V.Min(((V.MultiplyFloats(magnitude, inverse) + random) >> TCode.Dropped) - bias, top);
                code = TCode.IsSigned
                    ? V.Max(code, zero) | ((value >> 24) & signBit)
                    : V.Max(code, one + V.IsZero(magnitude)); // what is not zero stays so, as variables are divided by it
                V.StoreBytes(codes + i, code);
            }
        }
    }

    // How many units in the last place a value may be off a code and is still rounded to it for sure: those of a few operations.
    const uint Margin = 16;

    // An odd number near 2^32 divided by the golden ratio: its multiples spread evenly.
    const uint Weyl = 0x9E3779B1;

    /// <summary>The scale of a block: as it decayed, times the power of two that keeps the largest value below the largest code.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)] // a call would have the loops' constants leave their registers
    static float ScaleFor(float largest, float decayed, float topValue)
    {
        const float least = 1.1754944e-38f; // the least normal float: its inverse is finite
        if (!float.IsFinite(largest))
            return float.NaN;
        if (largest == 0)
            return 0;
        if (!(decayed >= least))
            decayed = Math.Max(least, PowerOfTwo(largest));
        float ratio = largest / decayed;
        return ratio <= topValue * (1 + (Margin * 1.1920929e-7f)) ? decayed : decayed * 2 * PowerOfTwo(ratio / topValue);
    }

    // The largest that is not above a value.
    static float PowerOfTwo(float value) => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0x7F800000);

    /// <summary>A kind of codes.</summary>
    interface ICode
    {
        /// <summary>Bits of fraction.</summary>
        static abstract int FractionBits { get; }

        /// <summary>Bits of a float's fraction that a code does not have.</summary>
        static abstract int Dropped { get; }

        /// <summary>The largest code without its sign.</summary>
        static abstract byte Top { get; }

        /// <summary>The value of the largest code at scale 1.</summary>
        static abstract float TopValue { get; }

        /// <summary>Whether codes have a sign.</summary>
        static abstract bool IsSigned { get; }
    }

    /// <summary>How a value between two codes is rounded.</summary>
    interface IRounding
    {
        static abstract bool IsRandom { get; }
    }

    struct AtRandom : IRounding
    {
        public static bool IsRandom => true;
    }

    struct ToNearest : IRounding
    {
        public static bool IsRandom => false;
    }

    struct SignedCode : ICode
    {
        public static int FractionBits => 3;

        public static int Dropped => FractionBitsOfFloat - 3;

        public static byte Top => 0x7F;

        public static float TopValue => 1.875f;

        public static bool IsSigned => true;
    }

    struct UnsignedCode : ICode
    {
        public static int FractionBits => 4;

        public static int Dropped => FractionBitsOfFloat - 4;

        public static byte Top => 0xFF;

        public static float TopValue => 1.9375f;

        public static bool IsSigned => false;
    }
}
