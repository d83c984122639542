using System.Runtime.CompilerServices;

namespace Infinorm.Rules;

/// <summary>
/// A register's worth of elements of one type: the arithmetic a rule is written in. The library supplies
/// the lanes (512, 256, 128 bits and one element, of <see cref="float"/> and <see cref="double"/>), so a formula is written once.
/// Every operation rounds once to the element type; nothing is contracted to a fused multiply-add.
/// </summary>
/// <typeparam name="L">The lane itself.</typeparam>
public interface ILane<L>
    where L : struct, ILane<L>
{
    /// <summary>Adds element by element.</summary>
    static abstract L operator +(L left, L right);

    /// <summary>Subtracts element by element.</summary>
    static abstract L operator -(L left, L right);

    /// <summary>Multiplies element by element.</summary>
    static abstract L operator *(L left, L right);

    /// <summary>Divides element by element, exactly (no reciprocal estimate).</summary>
    static abstract L operator /(L left, L right);

    /// <summary>Changes the sign of each element.</summary>
    static abstract L operator -(L value);

    /// <summary>
    /// The larger of each pair; NaN if either is NaN, as in Keras; the right one where both are zero. Written as a comparison and a
    /// choice: .NET's own maximum, which tells +0 from −0, takes twice the instructions where there is none for it.
    /// </summary>
    static abstract L Max(L left, L right);

    /// <summary>The smaller of each pair; NaN if either is NaN, as in Keras; the right one where both are zero.</summary>
    static abstract L Min(L left, L right);

    /// <summary>The absolute value of each element.</summary>
    static abstract L Abs(L value);

    /// <summary>The square root of each element.</summary>
    static abstract L Sqrt(L value);

    /// <summary>
    /// Element by element, <paramref name="whenGreater"/> where <paramref name="left"/> is greater than <paramref name="right"/>, else
    /// <paramref name="otherwise"/>, also where one of them is NaN.
    /// </summary>
    static abstract L SelectGreater(L left, L right, L whenGreater, L otherwise);

    /// <summary>1 for each element above zero, −1 below, 0 for zero and, as in Keras, for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static virtual L Sign(L value) =>
        L.SelectGreater(value, L.Of(0), L.Of(1), L.SelectGreater(L.Of(0), value, L.Of(-1), L.Of(0)));

    /// <summary>
    /// Each element raised to the power <paramref name="exponent"/>, rounded to the element type first; the double function, rounded once.
    /// It goes element by element, so it is slow; 0.5 is the square root.
    /// </summary>
    static abstract L Pow(L value, double exponent);

    /// <summary>A lane that holds <paramref name="value"/>, rounded to the element type, in every element.</summary>
    static abstract L Of(double value);

    /// <summary>
    /// <paramref name="value"/> raised to the power <paramref name="exponent"/>, both first rounded to the element type, in every element.
    /// The result is the exact power rounded once.
    /// </summary>
    static abstract L Pow(double value, long exponent);

    /// <summary>Whether the elements are <see cref="double"/>, else <see cref="float"/>.</summary>
    internal static abstract bool IsDouble { get; }

    /// <summary>The sum of the elements; only whether it is finite has a meaning that does not depend on the width.</summary>
    internal static abstract double Sum(L value);
}
