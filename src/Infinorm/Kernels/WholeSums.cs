using System.Numerics;

namespace Infinorm.Kernels;

/// <summary>Sums over whole variables, in order, in double, rounded once to the element type.</summary>
static class WholeSums
{
    /// <summary>The root of the mean of the squares, each operation rounded to the element type.</summary>
    public static T RootMeanSquare<T>(ReadOnlySpan<T> values)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        T.Sqrt(T.CreateTruncating(OfSquares(values)) / T.CreateTruncating(values.Length));

    /// <summary>The sum of the squares, each rounded to the element type, before it is rounded itself.</summary>
    public static double OfSquares<T>(ReadOnlySpan<T> values)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        double sum = 0;
        foreach (T value in values)
            sum += double.CreateTruncating(value * value);
        return sum;
    }

    /// <summary>The mean of every <paramref name="step"/>th of so many values.</summary>
    public static T Mean<T>(ReadOnlySpan<T> values, int start, int step, int count)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        double sum = 0;
        for (int i = 0; i < count; i++)
            sum += double.CreateTruncating(values[start + (i * step)]);
        return T.CreateTruncating(sum) / T.CreateTruncating(count);
    }
}
