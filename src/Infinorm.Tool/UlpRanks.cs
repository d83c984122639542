using System.Runtime.InteropServices;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tool;

/// <summary>Numbers of any type as places on a line.</summary>
static class UlpRanks
{
    /// <summary>
    /// For each element a number such that those of neighbouring values are one apart: their difference is a distance in units in the
    /// last place (ulp). 0 and −0 have the same, NaN has one beyond infinity; an integer is its own.
    /// </summary>
    public static long[] Of(NdArray array)
    {
        return array.DType switch
        {
            DType.Float16 or DType.BFloat16 => Map<short>(bits => FromSignAndMagnitude(bits, bits & short.MaxValue)),
            DType.Float32 => Map<int>(bits => FromSignAndMagnitude(bits, bits & int.MaxValue)),
            DType.Float64 => Map<long>(bits => FromSignAndMagnitude(bits, bits & long.MaxValue)),
            DType.Int32 => Map<int>(value => value),
            DType.UInt8 => Map<byte>(value => value),
            _ => Map<long>(value => value),
        };

        long[] Map<T>(Func<T, long> rank)
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
