using System.Numerics.Tensors;

namespace Infinorm.Kernels;

/// <summary>
/// Products of matrices in double. Each element is the sum of its products in the order of the inner index, each rounded by itself, so the
/// bits do not depend on the vector width. That rules out <c>TensorPrimitives.Dot</c>, whose sums depend on it.
/// </summary>
static class MatrixProduct
{
    // This part of the matrix stays in the second-level cache while all rows of the result read it.
    const int TileRows = 32, TileColumns = 512;

    /// <summary>result ← left · right, of n × k and k × m elements, row by row.</summary>
    public static void Multiply(ReadOnlySpan<double> left, ReadOnlySpan<double> right, Span<double> result, int n, int k, int m)
    {
        result[..(n * m)].Clear();
        for (int tile = 0; tile < k; tile += TileRows)
        {
            for (int column = 0; column < m; column += TileColumns)
            {
                int end = Math.Min(tile + TileRows, k), width = Math.Min(TileColumns, m - column);
                for (int i = 0; i < n; i++)
                {
                    Span<double> sums = result.Slice((i * m) + column, width);
                    for (int j = tile; j < end; j++)
                        TensorPrimitives.MultiplyAdd(right.Slice((j * m) + column, width), left[(i * k) + j], sums, sums);
                }
            }
        }
    }

    /// <summary>target ← the transpose of a matrix.</summary>
    public static void Transpose(ReadOnlySpan<double> matrix, Span<double> target, int rows, int columns)
    {
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
                target[(j * rows) + i] = matrix[(i * columns) + j];
        }
    }
}
