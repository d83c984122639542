using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Infinorm.Rules;

namespace Infinorm.Kernels;

/// <summary>256 bits of elements.</summary>
readonly struct Lane256<T>(Vector256<T> elements) : ILane<Lane256<T>>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    readonly Vector256<T> _elements = elements;

    public static Lane256<T> operator +(Lane256<T> left, Lane256<T> right) => new(left._elements + right._elements);

    public static Lane256<T> operator -(Lane256<T> left, Lane256<T> right) => new(left._elements - right._elements);

    public static Lane256<T> operator *(Lane256<T> left, Lane256<T> right) => new(left._elements * right._elements);

    public static Lane256<T> operator /(Lane256<T> left, Lane256<T> right) => new(left._elements / right._elements);

    public static Lane256<T> operator -(Lane256<T> value) => new(-value._elements);

    public static Lane256<T> Max(Lane256<T> left, Lane256<T> right) => new(Vector256.ConditionalSelect(
        Vector256.GreaterThan(left._elements, right._elements) | IsNaN(left), left._elements, right._elements));

    public static Lane256<T> Min(Lane256<T> left, Lane256<T> right) => new(Vector256.ConditionalSelect(
        Vector256.LessThan(left._elements, right._elements) | IsNaN(left), left._elements, right._elements));

    public static Lane256<T> Abs(Lane256<T> value) => new(Vector256.Abs(value._elements));

    public static Lane256<T> Sqrt(Lane256<T> value) => new(Vector256.Sqrt(value._elements));

    public static Lane256<T> SelectGreater(Lane256<T> left, Lane256<T> right, Lane256<T> whenGreater, Lane256<T> otherwise) => new(
        Vector256.ConditionalSelect(Vector256.GreaterThan(left._elements, right._elements), whenGreater._elements, otherwise._elements));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lane256<T> Pow(Lane256<T> value, double exponent) => exponent == 0.5 ? Sqrt(value) : ElementPowers(value, exponent);

    static Lane256<T> ElementPowers(Lane256<T> value, double exponent)
    {
        Vector256<T> powers = value._elements;
        for (int i = 0; i < Vector256<T>.Count; i++)
            powers = powers.WithElement(i, ElementPower.Of(powers[i], exponent));
        return new(powers);
    }

    public static Lane256<T> Of(double value) => new(Vector256.Create(T.CreateTruncating(value)));

    public static Lane256<T> Pow(double value, long exponent) => new(Vector256.Create(IntegerPower.Of<T>(value, exponent)));

    public static bool IsDouble => typeof(T) == typeof(double);

    public static double Sum(Lane256<T> value) => double.CreateTruncating(Vector256.Sum(value._elements));

    static Vector256<T> IsNaN(Lane256<T> value) => ~Vector256.Equals(value._elements, value._elements);
}
