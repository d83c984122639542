using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tool;

/// <summary>How far two tensors of the same shape are apart.</summary>
/// <param name="Count">How many elements differ in a bit or, if the types differ, in value.</param>
/// <param name="MaxAbs">The largest distance of two elements, NaN if one of two is; 0 if none differs.</param>
/// <param name="MaxUlp">The largest distance in units in the last place, NaNs left out; null if the types differ.</param>
/// <param name="At">The index of the first element that is that far away, in C order; −1 if none differs.</param>
readonly record struct TensorDifference(long Count, double MaxAbs, ulong? MaxUlp, long At)
{
    public static TensorDifference Of(IEnumerable<NdArray> first, IEnumerable<NdArray> second)
    {
        var total = new TensorDifference(0, 0, 0, -1);
        long start = 0;
        foreach (var (one, two) in first.Zip(second))
        {
            if (one.DType != two.DType)
                total = total with { MaxUlp = null };
            if (one.DType != two.DType || !one.Bytes.SequenceEqual(two.Bytes))
                total = total.With(one, two, start);
            start += one.Length;
        }

        return total;
    }

    /// <summary>Whether values of a type are integers, whose width says nothing: Keras's counters are of 32 bits or 64, as its backend is.</summary>
    public static bool IsInteger(DType type) => type is DType.Int32 or DType.Int64 or DType.UInt8;

    TensorDifference With(NdArray one, NdArray two, long start)
    {
        bool isSameType = one.DType == two.DType, areIntegers = IsInteger(one.DType) && IsInteger(two.DType);
        ReadOnlySpan<double> a = one.Cast(DType.Float64).AsSpan<double>(), b = two.Cast(DType.Float64).AsSpan<double>();
        ReadOnlySpan<long> ranksA = isSameType || areIntegers ? UlpRanks.Of(one) : [], ranksB = isSameType || areIntegers ? UlpRanks.Of(two) : [];
        int size = one.DType.Size();
        var (count, maxAbs, maxUlp, at) = this;
        for (int i = 0; i < a.Length; i++)
        {
            bool isSame = areIntegers ? ranksA[i] == ranksB[i]
                : isSameType ? one.Bytes.Slice(i * size, size).SequenceEqual(two.Bytes.Slice(i * size, size))
                : a[i].Equals(b[i]);
            if (isSame)
                continue;
            count++;
            double distance = a[i] == b[i] ? 0 : Math.Abs(a[i] - b[i]); // 0 and −0; integers that double cannot tell apart
            if (at < 0 || distance > maxAbs || (double.IsNaN(distance) && !double.IsNaN(maxAbs)))
                (maxAbs, at) = (distance, start + i);
            if (isSameType && !double.IsNaN(distance))
                maxUlp = Math.Max(maxUlp!.Value, Distance(ranksA[i], ranksB[i]));
        }

        return new(count, maxAbs, maxUlp, at);
    }

    static ulong Distance(long a, long b) => a > b ? (ulong)a - (ulong)b : (ulong)b - (ulong)a;
}
