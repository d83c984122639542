using System.Numerics;
using System.Runtime.CompilerServices;
using Infinorm.Kernels;
using Infinorm.Rules;

namespace Infinorm.Tests.Kernels;

/// <summary>A lane of any width computes what single numbers do, bit for bit.</summary>
public sealed class LaneTests
{
    static readonly double[] Numbers =
        [0, -0.0, 1, -1, 0.1, -3.7, 1e-45, 5e-324, 1e-310, 3e38, -3e38, 1e300, double.PositiveInfinity, double.NegativeInfinity, double.NaN];

    [Fact]
    public void LanesOf512Bits() => Compare<Lane512<float>, Lane512<double>>();

    [Fact]
    public void LanesOf256Bits() => Compare<Lane256<float>, Lane256<double>>();

    [Fact]
    public void LanesOf128Bits() => Compare<Lane128<float>, Lane128<double>>();

    static void Compare<LSingle, LDouble>()
        where LSingle : struct, ILane<LSingle>
        where LDouble : struct, ILane<LDouble>
    {
        Compare<float, LSingle, Lane1<float>>();
        Compare<double, LDouble, Lane1<double>>();
    }

    static void Compare<T, L, LOne>()
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
        where L : struct, ILane<L>
        where LOne : struct, ILane<LOne>
    {
        Assert.Equal(typeof(T) == typeof(double), L.IsDouble);
        foreach (double x in Numbers)
        {
            T one = T.CreateTruncating(x);
            Check<T, L>(one, L.Of(x));
            Check<T, L>(T.Abs(one), L.Abs(L.Of(x)));
            Check<T, L>(T.Sqrt(one), L.Sqrt(L.Of(x)));
            foreach (double y in Numbers)
            {
                T two = T.CreateTruncating(y);
                Check<T, L>(one + two, L.Of(x) + L.Of(y));
                Check<T, L>(one - two, L.Of(x) - L.Of(y));
                Check<T, L>(one * two, L.Of(x) * L.Of(y));
                Check<T, L>(one / two, L.Of(x) / L.Of(y));
                Check<T, L>(T.Max(one, two), L.Max(L.Of(x), L.Of(y)));
                Check<T, L>(T.Min(one, two), L.Min(L.Of(x), L.Of(y)));
                Check<T, LOne>(T.Max(one, two), LOne.Max(LOne.Of(x), LOne.Of(y)));
            }
        }
    }

    static void Check<T, L>(T expected, L actual)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
        where L : struct, ILane<L>
    {
        for (int i = 0; i < Unsafe.SizeOf<L>() / Unsafe.SizeOf<T>(); i++)
            Assert.Equal(expected, Unsafe.Add(ref Unsafe.As<L, T>(ref actual), i));
    }
}
