using System.Globalization;
using System.Runtime.InteropServices;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tool;

/// <summary>Numbers of any type: as text, and as places on a line.</summary>
static class Values
{
    /// <summary>A number for a table: six digits.</summary>
    public static string Format(double? value) => value?.ToString("G6", CultureInfo.InvariantCulture) ?? "-";

    /// <summary>A single number with all its digits.</summary>
    public static string FormatExact(NdArray scalar) => scalar.DType switch
    {
        DType.Float32 => scalar.AsSpan<float>()[0].ToString("R", CultureInfo.InvariantCulture),
        DType.Int64 => scalar.AsSpan<long>()[0].ToString(CultureInfo.InvariantCulture),
        _ => scalar.Cast(DType.Float64).AsSpan<double>()[0].ToString("R", CultureInfo.InvariantCulture),
    };

    /// <summary>
    /// For each element a number such that those of neighbouring values are one apart: their difference is a distance in units in the
    /// last place (ulp). 0 and −0 have the same, NaN has one beyond infinity; an integer is its own.
    /// </summary>
    public static long[] Ranks(NdArray array)
    {
        return array.DType switch
        {
            DType.Float16 or DType.BFloat16 => Of<short>(bits => FromSignAndMagnitude(bits, bits & short.MaxValue)),
            DType.Float32 => Of<int>(bits => FromSignAndMagnitude(bits, bits & int.MaxValue)),
            DType.Float64 => Of<long>(bits => FromSignAndMagnitude(bits, bits & long.MaxValue)),
            DType.Int32 => Of<int>(value => value),
            _ => Of<long>(value => value),
        };

        long[] Of<T>(Func<T, long> rank)
            where T : unmanaged
        {
            ReadOnlySpan<T> elements = MemoryMarshal.Cast<byte, T>(array.Bytes);
            var ranks = new long[elements.Length];
            for (int i = 0; i < ranks.Length; i++)
                ranks[i] = rank(elements[i]);
            return ranks;
        }
    }

    static long FromSignAndMagnitude(long bits, long magnitude) => bits < 0 ? -magnitude : magnitude;
}
