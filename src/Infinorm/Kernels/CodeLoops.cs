using System.Runtime.CompilerServices;
using Infinorm.Types;

namespace Infinorm.Kernels;

/// <summary>
/// The loops over codes. Plus 2^−15, a value in units of its block's scale is a float of one of 16 exponents, and its code is the first bits
/// of that float: a code takes an addition, random bits and a shift.
/// </summary>
static unsafe class CodeLoops
{
    // 2^−15: the last four bits of its exponent are 0.
    const float Base = 1f / (1 << 15);

    const uint BaseBits = 0x38000000, SignBit = 0x80000000;

    // How many units in the last place a value may be off a code and is still rounded to it for sure: those of a few operations.
    const int Margin = 16;

    /// <summary>target ← the values of a block's codes.</summary>
    [MethodImpl(Hot.Loop)]
    public static void Decode<V, TCode>(byte* codes, float scale, float* target)
        where V : struct, ICodeLane<V>
        where TCode : struct, ICode
    {
        V factor = OfFloat<V>(scale);
        for (int i = 0; i < ByteCodes.BlockLength; i += V.Count)
            Unsafe.WriteUnaligned(target + i, Decode<V, TCode>(codes + i, factor));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static V Decode<V, TCode>(byte* codes, V scale)
        where V : struct, ICodeLane<V>
        where TCode : struct, ICode
    {
        V least = V.Of(BaseBits);
        if (!TCode.IsSigned)
            return V.MultiplyFloats(V.SubtractFloats((V.LoadBytes(codes) << TCode.Dropped) | least, least), scale);
        V bits = V.LoadSignedBytes(codes) << TCode.Dropped;
        V value = V.AndOr(bits, V.Of(SignBit | (0x7Fu << TCode.Dropped)), least);
        return V.MultiplyFloats(V.SubtractFloats(value, V.AndOr(bits, V.Of(SignBit), least)), scale);
    }

    // The scale that fits a block: the expected one, if it does.
    static float ScaleFor<TCode>(float largest, float expected, bool followsLargest)
        where TCode : struct, ICode
    {
        const float least = 1.1754944e-38f; // the least normal float: its inverse is finite
        const float tolerance = 1 + (Margin / 4 * 1.1920929e-7f);
        float top = TCode.TopValue - Base;
        if (!float.IsFinite(largest))
            return float.NaN;
        if (largest == 0)
            return 0;
        if (!(expected is >= least and < float.PositiveInfinity) || (followsLargest && largest < expected * (top / 4)))
            expected = Math.Max(least, PowerOfTwo(largest));
        return largest <= expected * (top * tolerance) ? expected : expected * 2 * PowerOfTwo(largest / expected / top);
    }

    // The largest that is not above a value.
    static float PowerOfTwo(float value) => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0x7F800000);

    /// <summary>codes ← a block of values.</summary>
    /// <param name="values">The values.</param>
    /// <param name="codes">Their codes.</param>
    /// <param name="expected">The scale that the block has if it fits.</param>
    /// <param name="followsLargest">Whether a scale that is much too large does not fit either.</param>
    /// <param name="seed">Random bits.</param>
    /// <returns>The block's scale.</returns>
    public static float Encode<V, TCode, TRounding>(float* values, byte* codes, float expected, bool followsLargest, uint seed)
        where V : struct, ICodeLane<V>
        where TCode : struct, ICode
        where TRounding : struct, IRounding
    {
        // The largest value is known only in the end: looking for it first would keep the processor waiting.
        float largest = EncodeAt<V, TCode, TRounding>(values, codes, expected, seed);
        float scale = ScaleFor<TCode>(largest, expected, followsLargest);
        if (scale != expected)
            EncodeAt<V, TCode, TRounding>(values, codes, scale, seed);
        return scale;
    }

    // Returns the largest magnitude.
    [MethodImpl(Hot.Loop)]
    static float EncodeAt<V, TCode, TRounding>(float* values, byte* codes, float scale, uint seed)
        where V : struct, ICodeLane<V>
        where TCode : struct, ICode
        where TRounding : struct, IRounding
    {
        // Random numbers are an arithmetic progression with a random start and difference: those of any two elements are independent. Their
        // last bits are fixed, so that a value which is a code's own but for some units in the last place is rounded to it for sure.
        const int fixedBits = 5;
        int bits = TCode.Dropped - fixedBits, unused = 32 - bits;
        uint start = (seed << unused) | ((uint)Margin << (32 - TCode.Dropped)), difference = ((seed >> bits) << unused) | (1u << unused);
        V number = (V.Indices * V.Of(difference)) + V.Of(start), step = V.Of(unchecked((uint)V.Count * difference));
        V inverse = OfFloat<V>(scale == 0 ? 0 : 1 / scale), largest = V.Of(0);
        for (int i = 0; i < ByteCodes.BlockLength; i += 4 * V.Count)
        {
            V a = Encode<V, TCode, TRounding>(values + i, inverse, ref number, step, ref largest);
            V b = Encode<V, TCode, TRounding>(values + i + V.Count, inverse, ref number, step, ref largest);
            V c = Encode<V, TCode, TRounding>(values + i + (2 * V.Count), inverse, ref number, step, ref largest);
            V d = Encode<V, TCode, TRounding>(values + i + (3 * V.Count), inverse, ref number, step, ref largest);
            V.StoreBytes(codes + i, Codes<V, TCode>(V.Narrow(a, b)), Codes<V, TCode>(V.Narrow(c, d)));
        }

        return BitConverter.Int32BitsToSingle(V.Largest(largest));
    }

    // With a sign, the upper half of the float whose first bits are the code; else the code.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static V Encode<V, TCode, TRounding>(float* values, V inverse, ref V number, V step, ref V largest)
        where V : struct, ICodeLane<V>
        where TCode : struct, ICode
        where TRounding : struct, IRounding
    {
        V value = Unsafe.ReadUnaligned<V>(values), least = V.Of(BaseBits);
        largest = V.Max(largest, TCode.IsSigned ? value & V.Of(~SignBit) : value);
        V sum = V.AddFloats(V.MultiplyFloats(value, inverse), TCode.IsSigned ? V.AndOr(value, V.Of(SignBit), least) : least);
        // Without a sign, the bits of code 0 are taken off; with one, the bits above the code are dropped later.
        if (TRounding.IsRandom)
        {
            sum += number >> (32 - TCode.Dropped);
            number += step;
            if (!TCode.IsSigned)
                sum += V.Of(unchecked(0 - BaseBits));
        }
        else
            sum += V.Of(unchecked((1u << (TCode.Dropped - 1)) - (TCode.IsSigned ? 0 : BaseBits)));

        if (TCode.IsSigned)
            return sum >> 16;
        // What is not zero stays so, as variables are divided by it.
        return V.Max(sum >> TCode.Dropped, V.Min(value, V.Of(1)));
    }

    // Codes in 16 bits each.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static V Codes<V, TCode>(V halves)
        where V : struct, ICodeLane<V>
        where TCode : struct, ICode => TCode.IsSigned
            ? V.AndOr(halves >> (TCode.Dropped - 16), V.Of(0x007F007F), (halves >> 8) & V.Of(0x00800080))
            : halves;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static V OfFloat<V>(float value)
        where V : struct, ICodeLane<V> => V.Of(BitConverter.SingleToUInt32Bits(value));
}

/// <summary>A kind of codes.</summary>
interface ICode
{
    /// <summary>Bits of a float's fraction that a code does not have.</summary>
    static abstract int Dropped { get; }

    /// <summary>Whether codes have a sign.</summary>
    static abstract bool IsSigned { get; }

    /// <summary>The largest code as a float, 2^−15 included.</summary>
    static abstract float TopValue { get; }
}

/// <summary>A sign, four bits of exponent and three of fraction.</summary>
readonly struct SignedCode : ICode
{
    public static int Dropped => 20;

    public static bool IsSigned => true;

    public static float TopValue => 1.875f;
}

/// <summary>Four bits of exponent and four of fraction.</summary>
readonly struct UnsignedCode : ICode
{
    public static int Dropped => 19;

    public static bool IsSigned => false;

    public static float TopValue => 1.9375f;
}

/// <summary>How a value between two codes is rounded.</summary>
interface IRounding
{
    static abstract bool IsRandom { get; }
}

/// <summary>Up or down, by its distance from both.</summary>
readonly struct AtRandom : IRounding
{
    public static bool IsRandom => true;
}

/// <summary>To the nearer one.</summary>
readonly struct ToNearest : IRounding
{
    public static bool IsRandom => false;
}
