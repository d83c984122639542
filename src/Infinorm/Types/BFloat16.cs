using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Infinorm.Types;

/// <summary>
/// A 16-bit float with the range of <see cref="float"/> and 8 significant bits: the upper half of a float's bits. It stores numbers;
/// arithmetic is done in <see cref="float"/>, to which it widens exactly.
/// </summary>
/// <remarks>
/// Rounding is to nearest, ties to even, with gradual underflow and overflow to infinity; a NaN stays a NaN (quiet, sign and upper
/// payload kept).
/// <para>
/// Its public members are among those of <c>System.Numerics.BFloat16</c> of .NET 11, which is to take its place. So are its conversions:
/// both to and from <see cref="float"/> they are explicit. For its bits use
/// <see cref="System.Runtime.CompilerServices.Unsafe.BitCast{TFrom, TTo}(TFrom)"/> with <see cref="ushort"/>.
/// </para>
/// </remarks>
public readonly struct BFloat16 : IEquatable<BFloat16>, IComparable<BFloat16>, IFormattable
{
    const ushort QuietBit = 0x0040;

    readonly ushort _bits;

    BFloat16(ushort bits) => _bits = bits;

    /// <summary>0.</summary>
    public static BFloat16 Zero => default;

    /// <summary>1.</summary>
    public static BFloat16 One => new(0x3F80);

    /// <summary>The smallest number above zero, 2^-133 (about 9.2e-41); subnormal.</summary>
    public static BFloat16 Epsilon => new(0x0001);

    /// <summary>The largest finite number, about 3.39e38.</summary>
    public static BFloat16 MaxValue => new(0x7F7F);

    /// <summary>The lowest finite number, about -3.39e38.</summary>
    public static BFloat16 MinValue => new(0xFF7F);

    /// <summary>Infinity.</summary>
    public static BFloat16 PositiveInfinity => new(0x7F80);

    /// <summary>Minus infinity.</summary>
    public static BFloat16 NegativeInfinity => new(0xFF80);

    /// <summary>A quiet NaN; its bits are those of <see cref="float.NaN"/>.</summary>
    public static BFloat16 NaN => new(0xFFC0);

    /// <summary>The number with these bits: sign, 8 bits of exponent, 7 of fraction.</summary>
    internal static BFloat16 FromBits(ushort bits) => new(bits);

    /// <summary>The bits: sign, 8 bits of exponent, 7 of fraction.</summary>
    internal static ushort ToBits(BFloat16 value) => value._bits;

    /// <summary>Whether the value is NaN.</summary>
    public static bool IsNaN(BFloat16 value) => (value._bits & 0x7FFF) > 0x7F80;

    /// <summary>Whether the value is neither infinite nor NaN.</summary>
    public static bool IsFinite(BFloat16 value) => (value._bits & 0x7F80) != 0x7F80;

    /// <summary>The same number.</summary>
    public static explicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value._bits << 16);

    /// <summary>The same number.</summary>
    public static explicit operator double(BFloat16 value) => (float)value;

    /// <summary>The nearest number, the even one of two.</summary>
    public static explicit operator BFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return new((ushort)(bits >> 16 | QuietBit));
        // Adding just under half of the last kept bit carries into it above the tie; the bit itself, added, carries at an odd tie.
        uint lastKept = bits >> 16 & 1;
        return new((ushort)(bits + 0x7FFF + lastKept >> 16));
    }

    /// <summary>The nearest number, the even one of two; rounded once, directly from the double.</summary>
    public static explicit operator BFloat16(double value)
    {
        float nearest = (float)value;
        if (nearest == value || double.IsNaN(value))
            return (BFloat16)nearest;
        // Rounded to float "to odd" (cut off, then the last bit set because something was lost), a number just beside a tie of the
        // second rounding stays beside it.
        uint bits = BitConverter.SingleToUInt32Bits(nearest);
        if (Math.Abs((double)nearest) > Math.Abs(value))
            bits--;
        return (BFloat16)BitConverter.UInt32BitsToSingle(bits | 1);
    }

    /// <summary>Whether the numbers are equal; NaN equals nothing, 0 equals -0.</summary>
    public static bool operator ==(BFloat16 left, BFloat16 right) => (float)left == (float)right;

    /// <summary>The opposite of <c>==</c>.</summary>
    public static bool operator !=(BFloat16 left, BFloat16 right) => (float)left != (float)right;

    /// <summary>Whether left is less; false if either is NaN.</summary>
    public static bool operator <(BFloat16 left, BFloat16 right) => (float)left < (float)right;

    /// <summary>Whether left is greater; false if either is NaN.</summary>
    public static bool operator >(BFloat16 left, BFloat16 right) => (float)left > (float)right;

    /// <summary>Whether left is less or equal; false if either is NaN.</summary>
    public static bool operator <=(BFloat16 left, BFloat16 right) => (float)left <= (float)right;

    /// <summary>Whether left is greater or equal; false if either is NaN.</summary>
    public static bool operator >=(BFloat16 left, BFloat16 right) => (float)left >= (float)right;

    /// <summary>As <c>==</c>, but NaN equals NaN.</summary>
    public bool Equals(BFloat16 other) => ((float)this).Equals((float)other);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is BFloat16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => ((float)this).GetHashCode();

    /// <summary>Orders by value; NaN comes before every number and equals itself.</summary>
    public int CompareTo(BFloat16 other) => ((float)this).CompareTo((float)other);

    /// <summary>The number as <see cref="float"/> would be written, in the invariant culture.</summary>
    public override string ToString() => ToString(null, CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public string ToString(string? format, IFormatProvider? formatProvider) => ((float)this).ToString(format, formatProvider);
}
