using System.Numerics;
using Infinorm.Types;

namespace Infinorm.Kernels;

/// <summary>Sums over whole variables, in double, in an order that nothing changes, rounded once to the element type.</summary>
static class WholeSums
{
    /// <summary>The root of the mean of the squares, each operation rounded to the element type.</summary>
    public static T RootMeanSquare<T>(ReadOnlySpan<T> values)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        T.Sqrt(T.CreateTruncating(OfSquares(values)) / T.CreateTruncating(values.Length));

    /// <summary>The root of the sum of the squares, each operation rounded to the element type.</summary>
    public static T Norm<T>(ReadOnlySpan<T> values)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> => T.Sqrt(T.CreateTruncating(OfSquares(values)));

    /// <summary>The sum of the squares, each rounded to the element type, before it is rounded itself.</summary>
    public static unsafe double OfSquares<T>(ReadOnlySpan<T> values)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        double* sums = stackalloc double[SquareSums.Count];
        fixed (T* first = values)
            SquareSums.Add((byte*)first, typeof(T) == typeof(double) ? DType.Float64 : DType.Float32, values.Length, sums);
        return SquareSums.Fold(sums);
    }

    /// <summary>The mean of every <paramref name="step"/>th of a number of values.</summary>
    public static T Mean<T>(ReadOnlySpan<T> values, int start, int step, int count)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        double sum = 0;
        for (int i = 0; i < count; i++)
            sum += double.CreateTruncating(values[start + (i * step)]);
        return T.CreateTruncating(sum) / T.CreateTruncating(count);
    }
}
