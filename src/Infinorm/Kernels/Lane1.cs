using System.Numerics;
using Infinorm.Rules;

namespace Infinorm.Kernels;

/// <summary>One element: for machines without vector instructions, and for gradients of another type than their variable.</summary>
readonly struct Lane1<T>(T element) : ILane<Lane1<T>>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    readonly T _element = element;

    public static Lane1<T> operator +(Lane1<T> left, Lane1<T> right) => new(left._element + right._element);

    public static Lane1<T> operator -(Lane1<T> left, Lane1<T> right) => new(left._element - right._element);

    public static Lane1<T> operator *(Lane1<T> left, Lane1<T> right) => new(left._element * right._element);

    public static Lane1<T> operator /(Lane1<T> left, Lane1<T> right) => new(left._element / right._element);

    public static Lane1<T> operator -(Lane1<T> value) => new(-value._element);

    public static Lane1<T> Max(Lane1<T> left, Lane1<T> right) =>
        left._element > right._element || T.IsNaN(left._element) ? left : right;

    public static Lane1<T> Min(Lane1<T> left, Lane1<T> right) =>
        left._element < right._element || T.IsNaN(left._element) ? left : right;

    public static Lane1<T> Abs(Lane1<T> value) => new(T.Abs(value._element));

    public static Lane1<T> Sqrt(Lane1<T> value) => new(T.Sqrt(value._element));

    public static Lane1<T> SelectGreater(Lane1<T> left, Lane1<T> right, Lane1<T> whenGreater, Lane1<T> otherwise) =>
        left._element > right._element ? whenGreater : otherwise;

    public static Lane1<T> Pow(Lane1<T> value, double exponent) =>
        exponent == 0.5 ? Sqrt(value) : new(ElementPower.Of(value._element, exponent));

    public static Lane1<T> Of(double value) => new(T.CreateTruncating(value));

    public static Lane1<T> Pow(double value, long exponent) => new(IntegerPower.Of<T>(value, exponent));

    public static bool IsDouble => typeof(T) == typeof(double);

    public static double Sum(Lane1<T> value) => double.CreateTruncating(value._element);
}
