using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Infinorm.Kernels;

/// <summary>
/// Eight 16-bit floats at a time to and from float, with integer and float operations that every machine has: .NET offers no vector
/// conversion for them. A result differs from the scalar conversion only in the bits of a NaN.
/// </summary>
static class HalfVectors
{
    public const int Length = 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FromBFloat16(Vector128<ushort> values) => (Widen(values) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> ToBFloat16(Vector256<float> values)
    {
        Vector256<uint> odd = (values.AsUInt32() >> 16) & Vector256<uint>.One;
        return CutToBFloat16(values, Vector256.Create(0x7FFFu) + odd);
    }

    /// <summary>Up or down, given 16 random bits for each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> ToBFloat16AtRandom(Vector256<float> values, Vector256<uint> random) => CutToBFloat16(values, random);

    // The addend carries into what is kept from its rounding on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<ushort> CutToBFloat16(Vector256<float> values, Vector256<uint> addend)
    {
        Vector256<uint> bits = values.AsUInt32();
        Vector256<uint> rounded = (bits + addend) >> 16;
        Vector256<uint> quiet = (bits >> 16) | Vector256.Create(0x40u);
        return Narrow(Vector256.ConditionalSelect(Vector256.Equals(values, values).AsUInt32(), rounded, quiet));
    }

    // Exponent and fraction moved to their places in a float are the value times 2^-112, of a subnormal too; 5.19e33 is 2^112.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FromHalf(Vector128<ushort> values)
    {
        Vector256<uint> bits = Widen(values);
        Vector256<uint> magnitude = (bits & Vector256.Create(0x7FFFu)) << 13;
        Vector256<uint> scaled = (magnitude.AsSingle() * Vector256.Create(5.192296858534828e33f)).AsUInt32();
        Vector256<uint> notFinite = Vector256.GreaterThanOrEqual(magnitude.AsInt32(), Vector256.Create(0x7C00 << 13)).AsUInt32();
        Vector256<uint> sign = (bits & Vector256.Create(0x8000u)) << 16;
        return (scaled | (notFinite & Vector256.Create(0x7F800000u)) | sign).AsSingle();
    }

    // Normal results are rounded in integers, subnormal ones by adding a number whose last place is theirs.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> ToHalf(Vector256<float> values)
    {
        const uint subnormalMagic = (127 - 15 + 23 - 10 + 1) << 23;
        Vector256<uint> magnitude = Magnitude(values);
        Vector256<uint> odd = (magnitude >> 13) & Vector256<uint>.One;
        Vector256<uint> magic = Vector256.Create(subnormalMagic);
        Vector256<uint> subnormal = (magnitude.AsSingle() + magic.AsSingle()).AsUInt32() - magic;
        return CutToHalf(values, Vector256.Create(0xFFFu) + odd, subnormal);
    }

    /// <summary>
    /// Up or down, given 16 random bits for each. Subnormal results are rounded from fixed-point numbers with 16 bits below their last
    /// place; lower digits are cut off.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> ToHalfAtRandom(Vector256<float> values, Vector256<uint> random)
    {
        Vector256<float> scaled = Magnitude(values).AsSingle() * Vector256.Create((float)(1L << (24 + 16)));
        return CutToHalf(values, random >> 3, (Vector256.ConvertToInt32Native(scaled).AsUInt32() + random) >> 16);
    }

    // The addend carries into what is kept of a normal result; subnormal ones come rounded.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<ushort> CutToHalf(Vector256<float> values, Vector256<uint> addend, Vector256<uint> subnormal)
    {
        const uint overflow = (127 + 16) << 23, smallestNormal = (127 - 14) << 23;
        Vector256<uint> magnitude = Magnitude(values);
        Vector256<uint> sign = values.AsUInt32() ^ magnitude;
        Vector256<uint> normal = (magnitude - Vector256.Create((127u - 15) << 23) + addend) >> 13;
        Vector256<uint> notFinite = Vector256.ConditionalSelect(
            Vector256.Equals(values, values).AsUInt32(), Vector256.Create(0x7C00u), Vector256.Create(0x7E00u));

        Vector256<uint> result = Vector256.ConditionalSelect(
            Vector256.LessThan(magnitude.AsInt32(), Vector256.Create((int)smallestNormal)).AsUInt32(), subnormal, normal);
        result = Vector256.ConditionalSelect(
            Vector256.GreaterThanOrEqual(magnitude.AsInt32(), Vector256.Create((int)overflow)).AsUInt32(), notFinite, result);
        return Narrow(result | (sign >> 16));
    }

    static Vector256<uint> Magnitude(Vector256<float> values) => values.AsUInt32() & Vector256.Create(0x7FFFFFFFu);

    static Vector256<uint> Widen(Vector128<ushort> values) =>
        Vector256.Create(Vector128.WidenLower(values), Vector128.WidenUpper(values));

    static Vector128<ushort> Narrow(Vector256<uint> values) => Vector128.Narrow(values.GetLower(), values.GetUpper());
}
