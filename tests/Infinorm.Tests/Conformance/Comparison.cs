using System.Runtime.InteropServices;
using Infinorm.Types;

namespace Infinorm.Tests.Conformance;

/// <summary>
/// Comparison of arrays by their bits; a NaN equals a NaN, and +0 equals -0. A norm in double precision depends on the order of its sum, so
/// double arrays behind one may differ by a relative 1e-13; nothing else may.
/// </summary>
static class Comparison
{
    const double NormTolerance = 1e-13;

    public static void AssertSame(string name, DType dtype, ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual, bool behindNorm)
    {
        if (actual.SequenceEqual(expected))
            return;
        if (actual.Length != expected.Length)
            Assert.Fail($"{name}: {actual.Length} bytes, expected {expected.Length}.");
        if (dtype is DType.Int32 or DType.Int64)
            Assert.Fail($"{name}: {Convert.ToHexString(actual)}, expected {Convert.ToHexString(expected)}.");

        // Widening is exact, so equal doubles mean equal bits, but for NaN and zero, which are meant to be equal.
        double tolerance = behindNorm && dtype == DType.Float64 ? NormTolerance : 0;
        double[] want = ToDoubles(dtype, expected), got = ToDoubles(dtype, actual);
        for (int i = 0; i < want.Length; i++)
        {
            bool same = want[i].Equals(got[i])
                || (double.IsFinite(want[i]) && Math.Abs(want[i] - got[i]) <= tolerance * Math.Abs(want[i]));
            if (!same)
                Assert.Fail($"{name}[{i}] of {dtype}: {got[i]:R} ({BitConverter.DoubleToInt64Bits(got[i]):X16} as double), "
                    + $"expected {want[i]:R} ({BitConverter.DoubleToInt64Bits(want[i]):X16}).");
        }
    }

    public static double[] ToDoubles(DType dtype, ReadOnlySpan<byte> bytes) => dtype switch
    {
        DType.Float16 => Widen<Half>(bytes, value => (double)value),
        DType.BFloat16 => Widen<BFloat16>(bytes, value => (double)value),
        DType.Float32 => Widen<float>(bytes, value => value),
        DType.Float64 => Widen<double>(bytes, value => value),
        _ => throw new NotSupportedException($"No floating-point type: {dtype}."),
    };

    static double[] Widen<T>(ReadOnlySpan<byte> bytes, Converter<T, double> widen) where T : unmanaged =>
        Array.ConvertAll(MemoryMarshal.Cast<byte, T>(bytes).ToArray(), widen);
}
