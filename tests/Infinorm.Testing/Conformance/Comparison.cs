using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Infinorm.Types;

namespace Infinorm.Tests.Conformance;

/// <summary>
/// Comparison of arrays by their bits; a NaN equals a NaN, and +0 equals -0. A norm in double precision depends on the order of its sum, so
/// double arrays behind one may differ by a relative 1e-13. Other sums and products without a canonical rounding have the tolerance that
/// their case says. Nothing else may differ.
/// </summary>
static class Comparison
{
    static readonly Tolerance Norm = new(DType.Float64, 1e-13, 0, Why: "the sum of a norm");

    public static void AssertSame(string name, DType dtype, ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual, bool behindNorm,
        Tolerance? allowed = null)
    {
        if (actual.SequenceEqual(expected))
            return;
        if (actual.Length != expected.Length)
            Assert.Fail($"{name}: {actual.Length} bytes, expected {expected.Length}.");
        if (dtype is DType.Int32 or DType.Int64)
            Assert.Fail($"{name}: {Convert.ToHexString(actual)}, expected {Convert.ToHexString(expected)}.");

        // Widening is exact, so equal doubles mean equal bits, but for NaN and zero, which are meant to be equal.
        Tolerance? tolerance = allowed ?? (behindNorm && dtype == DType.Float64 ? Norm : null);
        double[] want = ToDoubles(dtype, expected), got = ToDoubles(dtype, actual);
        for (int i = 0; i < want.Length; i++)
        {
            bool same = want[i].Equals(got[i])
                || (double.IsFinite(want[i]) && Math.Abs(want[i] - got[i]) <= tolerance?.Atol + (tolerance?.Rtol * Math.Abs(want[i])));
            if (!same)
                Assert.Fail($"{name}[{i}] of {dtype}: {got[i]:R} ({BitConverter.DoubleToInt64Bits(got[i]):X16} as double), "
                    + $"expected {want[i]:R} ({BitConverter.DoubleToInt64Bits(want[i]):X16}).");
        }
    }

    /// <summary>What Keras calls a variable that nobody named.</summary>
    public const string Nameless = "variable";

    /// <summary>A variable without a name has a number that counts them, and the optimizer's path only in some calls.</summary>
    public static string WithoutNumber(string path) => Regex.IsMatch(path, @"^(\w+/)*variable(_\d+)?$") ? Nameless : path;

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

/// <summary>How far a case allows arrays to differ: |got − want| ≤ atol + rtol · |want|.</summary>
/// <param name="Dtype">The type of the arrays that it is about.</param>
/// <param name="Rtol">The part that grows with the value.</param>
/// <param name="Atol">The part that does not.</param>
/// <param name="Variables">The paths of the model's variables that it is about, also their averages; null for all arrays of the type.</param>
/// <param name="Why">What has no canonical rounding.</param>
sealed record Tolerance(DType Dtype, double Rtol, double Atol, string[]? Variables = null, string? Why = null)
{
    /// <summary>Whether it is about an array: a variable of the model, or one of the optimizer's, at the end of whose path it stands.</summary>
    public bool Covers(string path, DType dtype) => dtype == Dtype && (Variables is null || Variables.Any(
        variable => path == variable || path.EndsWith($"/{variable.Replace('/', '_')}_average", StringComparison.Ordinal)));
}
