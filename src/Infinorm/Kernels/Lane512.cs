using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Infinorm.Rules;

namespace Infinorm.Kernels;

/// <summary>512 bits of elements.</summary>
readonly struct Lane512<T>(Vector512<T> elements) : ILane<Lane512<T>>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    readonly Vector512<T> _elements = elements;

    public static Lane512<T> operator +(Lane512<T> left, Lane512<T> right) => new(left._elements + right._elements);

    public static Lane512<T> operator -(Lane512<T> left, Lane512<T> right) => new(left._elements - right._elements);

    public static Lane512<T> operator *(Lane512<T> left, Lane512<T> right) => new(left._elements * right._elements);

    public static Lane512<T> operator /(Lane512<T> left, Lane512<T> right) => new(left._elements / right._elements);

    public static Lane512<T> operator -(Lane512<T> value) => new(-value._elements);

    public static Lane512<T> Max(Lane512<T> left, Lane512<T> right) => new(Vector512.ConditionalSelect(
        Vector512.GreaterThan(left._elements, right._elements) | IsNaN(left), left._elements, right._elements));

    public static Lane512<T> Min(Lane512<T> left, Lane512<T> right) => new(Vector512.ConditionalSelect(
        Vector512.LessThan(left._elements, right._elements) | IsNaN(left), left._elements, right._elements));

    public static Lane512<T> Abs(Lane512<T> value) => new(Vector512.Abs(value._elements));

    public static Lane512<T> Sqrt(Lane512<T> value) => new(Vector512.Sqrt(value._elements));

    public static Lane512<T> SelectGreater(Lane512<T> left, Lane512<T> right, Lane512<T> whenGreater, Lane512<T> otherwise) => new(
        Vector512.ConditionalSelect(Vector512.GreaterThan(left._elements, right._elements), whenGreater._elements, otherwise._elements));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lane512<T> Pow(Lane512<T> value, double exponent) => exponent == 0.5 ? Sqrt(value) : ElementPowers(value, exponent);

    static Lane512<T> ElementPowers(Lane512<T> value, double exponent)
    {
        Vector512<T> powers = value._elements;
        for (int i = 0; i < Vector512<T>.Count; i++)
            powers = powers.WithElement(i, ElementPower.Of(powers[i], exponent));
        return new(powers);
    }

    public static Lane512<T> Of(double value) => new(Vector512.Create(T.CreateTruncating(value)));

    public static Lane512<T> Pow(double value, long exponent) => new(Vector512.Create(IntegerPower.Of<T>(value, exponent)));

    public static bool IsDouble => typeof(T) == typeof(double);

    public static double Sum(Lane512<T> value) => double.CreateTruncating(Vector512.Sum(value._elements));

    static Vector512<T> IsNaN(Lane512<T> value) => ~Vector512.Equals(value._elements, value._elements);
}
