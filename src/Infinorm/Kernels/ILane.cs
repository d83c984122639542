namespace Infinorm.Kernels;

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
