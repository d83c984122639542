using System.Numerics;

namespace Infinorm.Kernels;

/// <summary>Powers of elements: the double function of arguments of the element's type, rounded once.</summary>
static class ElementPower
{
    public static T Of<T>(T value, double exponent)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        T.CreateTruncating(Math.Pow(double.CreateTruncating(value), double.CreateTruncating(T.CreateTruncating(exponent))));
}
