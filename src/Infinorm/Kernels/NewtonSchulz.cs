namespace Infinorm.Kernels;

/// <summary>
/// The iteration that makes a matrix nearly orthogonal: x ← a · x + (b · A + c · A · A) · x with A = x · xᵀ, from x of norm 1. It is computed
/// in double, and every operation is rounded to float where the matrix is float, products of matrices once.
/// </summary>
/// <param name="a">The factor of x.</param>
/// <param name="b">The factor of x · xᵀ · x.</param>
/// <param name="c">The factor of x · xᵀ · x · xᵀ · x.</param>
/// <param name="steps">How many iterations are made.</param>
/// <param name="rounds">Whether the matrix is float.</param>
readonly struct NewtonSchulz(double a, double b, double c, int steps, bool rounds)
{
    // Against division by zero; Keras's, not a setting.
    const double Epsilon = 1e-7;

    /// <summary>How many numbers of memory it needs beside the matrix.</summary>
    public static int ScratchLength(int rows, int columns)
    {
        int side = Math.Min(rows, columns);
        return checked((rows * columns) + (3 * side * side));
    }

    /// <summary>Makes a matrix nearly orthogonal, in place.</summary>
    public void Run(Span<double> matrix, int rows, int columns, Span<double> scratch)
    {
        Span<double> other = scratch[..matrix.Length];
        if (rows <= columns)
        {
            Iterate(matrix, rows, columns, other, scratch[matrix.Length..]);
            return;
        }

        MatrixProduct.Transpose(matrix, other, rows, columns);
        Iterate(other, columns, rows, matrix, scratch[matrix.Length..]);
        other.CopyTo(matrix);
        MatrixProduct.Transpose(other, matrix, columns, rows);
    }

    // n ≤ m; beside has the size of x.
    void Iterate(Span<double> x, int n, int m, Span<double> beside, Span<double> squares)
    {
        double norm = Round(Round(Math.Sqrt(Round(SumOfSquares(x)))) + Round(Epsilon)), a1 = Round(a), b1 = Round(b), c1 = Round(c);
        foreach (ref double value in x)
            value = Round(value / norm);
        Span<double> gram = squares[..(n * n)], scaled = squares.Slice(n * n, n * n), factor = squares.Slice(2 * n * n, n * n);
        for (int step = 0; step < steps; step++)
        {
            MatrixProduct.Transpose(x, beside, n, m);
            MatrixProduct.Multiply(x, beside, gram, n, m, n);
            for (int i = 0; i < gram.Length; i++)
            {
                gram[i] = Round(gram[i]);
                scaled[i] = Round(c1 * gram[i]);
            }

            MatrixProduct.Multiply(scaled, gram, factor, n, n, n);
            for (int i = 0; i < factor.Length; i++)
                factor[i] = Round(Round(b1 * gram[i]) + Round(factor[i]));
            MatrixProduct.Multiply(factor, x, beside, n, n, m);
            for (int i = 0; i < x.Length; i++)
                x[i] = Round(Round(a1 * x[i]) + Round(beside[i]));
        }
    }

    double SumOfSquares(ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double value in values)
            sum += Round(value * value);
        return sum;
    }

    double Round(double value) => rounds ? (float)value : value;
}
