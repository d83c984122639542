using System.Numerics;

namespace Infinorm.Kernels;

/// <summary>
/// Powers with an integer exponent, rounded once. One unit in the last place of 1 − β₁ᵗ changes a sixth of the updated values, and the
/// C libraries behind <see cref="Math.Pow"/> differ in it, so the power is formed in double-double arithmetic (about 106 bits):
/// binary exponentiation loses at most one bit a squaring, 40 bits for an exponent of 10¹².
/// </summary>
static class IntegerPower
{
    /// <summary>Both arguments are rounded to <typeparamref name="T"/> first, as Keras casts them.</summary>
    public static T Of<T>(double value, long exponent)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        double b = double.CreateTruncating(T.CreateTruncating(value));
        double t = double.CreateTruncating(T.CreateTruncating(exponent));
        double binaryExponent = t * Math.Log2(Math.Abs(b)); // of the power
        if (t is > 0 and < 1L << 53 && Math.Abs(b) is > 0 and < 2 && Math.Abs(binaryExponent) < 900)
            return T.CreateTruncating(Power(b, (long)t));
        if (t > 0 && b > 0 && binaryExponent < -1100)
            return T.Zero; // below the least double; Math.Pow takes ten times as long to find that

        // The result is exact, underflows or overflows, or belongs to a counter that somebody set below zero.
        return T.CreateTruncating(Math.Pow(b, t));
    }

    static double Power(double value, long exponent)
    {
        (double High, double Low) result = (1, 0), square = (value, 0);
        while (true)
        {
            if ((exponent & 1) != 0)
                result = Multiply(result, square);
            exponent >>= 1;
            if (exponent == 0)
                return result.High + result.Low;
            square = Multiply(square, square);
        }
    }

    // Dekker's product: the fused multiply-add recovers the rounding error of High * High exactly, with or without hardware for it.
    static (double High, double Low) Multiply((double High, double Low) x, (double High, double Low) y)
    {
        double product = x.High * y.High;
#pragma warning disable RS0030 // What the rounding of the product lost, exactly: only one rounding gives it.
        double error = Math.FusedMultiplyAdd(x.High, y.High, -product) + (x.High * y.Low + x.Low * y.High);
#pragma warning restore RS0030
        double high = product + error;
        return (high, error - (high - product));
    }
}
