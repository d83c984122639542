using System.Numerics;
using System.Runtime.InteropServices;

namespace Infinorm.Kernels;

/// <summary>Products of matrices in double, each element summed in the order of the inner index whatever the vector width.</summary>
static class MatrixProduct
{
    /// <summary>result ← left · right, of n × k and k × m elements, row by row.</summary>
    public static void Multiply(ReadOnlySpan<double> left, ReadOnlySpan<double> right, Span<double> result, int n, int k, int m)
    {
        for (int i = 0; i < n; i++)
        {
            Span<double> row = result.Slice(i * m, m);
            row.Clear();
            for (int j = 0; j < k; j++)
                AddProduct(row, left[(i * k) + j], right.Slice(j * m, m));
        }
    }

    /// <summary>The transpose of a matrix.</summary>
    public static double[] Transposed(ReadOnlySpan<double> matrix, int rows, int columns)
    {
        double[] transposed = new double[matrix.Length];
        for (int i = 0; i < transposed.Length; i++)
            transposed[(i % columns * rows) + (i / columns)] = matrix[i];
        return transposed;
    }

    static void AddProduct(Span<double> sum, double factor, ReadOnlySpan<double> row)
    {
        Span<Vector<double>> sums = MemoryMarshal.Cast<double, Vector<double>>(sum);
        ReadOnlySpan<Vector<double>> rows = MemoryMarshal.Cast<double, Vector<double>>(row);
        for (int i = 0; i < sums.Length; i++)
            sums[i] += rows[i] * factor;
        for (int i = sums.Length * Vector<double>.Count; i < sum.Length; i++)
            sum[i] += row[i] * factor;
    }
}
