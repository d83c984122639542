using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Infinorm.Rules;

namespace Infinorm.Kernels;

/// <summary>128 bits of elements.</summary>
readonly struct Lane128<T>(Vector128<T> elements) : ILane<Lane128<T>>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    readonly Vector128<T> _elements = elements;

    public static Lane128<T> operator +(Lane128<T> left, Lane128<T> right) => new(left._elements + right._elements);

    public static Lane128<T> operator -(Lane128<T> left, Lane128<T> right) => new(left._elements - right._elements);

    public static Lane128<T> operator *(Lane128<T> left, Lane128<T> right) => new(left._elements * right._elements);

    public static Lane128<T> operator /(Lane128<T> left, Lane128<T> right) => new(left._elements / right._elements);

    public static Lane128<T> operator -(Lane128<T> value) => new(-value._elements);

    public static Lane128<T> Max(Lane128<T> left, Lane128<T> right) => new(Vector128.ConditionalSelect(
        Vector128.GreaterThan(left._elements, right._elements) | IsNaN(left), left._elements, right._elements));

    public static Lane128<T> Min(Lane128<T> left, Lane128<T> right) => new(Vector128.ConditionalSelect(
        Vector128.LessThan(left._elements, right._elements) | IsNaN(left), left._elements, right._elements));

    public static Lane128<T> Abs(Lane128<T> value) => new(Vector128.Abs(value._elements));

    public static Lane128<T> Sqrt(Lane128<T> value) => new(Vector128.Sqrt(value._elements));

    public static Lane128<T> SelectGreater(Lane128<T> left, Lane128<T> right, Lane128<T> whenGreater, Lane128<T> otherwise) => new(
        Vector128.ConditionalSelect(Vector128.GreaterThan(left._elements, right._elements), whenGreater._elements, otherwise._elements));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lane128<T> Pow(Lane128<T> value, double exponent) => exponent == 0.5 ? Sqrt(value) : ElementPowers(value, exponent);

    static Lane128<T> ElementPowers(Lane128<T> value, double exponent)
    {
        Vector128<T> powers = value._elements;
        for (int i = 0; i < Vector128<T>.Count; i++)
            powers = powers.WithElement(i, ElementPower.Of(powers[i], exponent));
        return new(powers);
    }

    public static Lane128<T> Of(double value) => new(Vector128.Create(T.CreateTruncating(value)));

    public static Lane128<T> Pow(double value, long exponent) => new(Vector128.Create(IntegerPower.Of<T>(value, exponent)));

    public static bool IsDouble => typeof(T) == typeof(double);

    public static double Sum(Lane128<T> value) => double.CreateTruncating(Vector128.Sum(value._elements));

    static Vector128<T> IsNaN(Lane128<T> value) => ~Vector128.Equals(value._elements, value._elements);
}
