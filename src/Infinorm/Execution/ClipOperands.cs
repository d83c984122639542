using Infinorm.Types;

namespace Infinorm.Execution;

/// <summary>The norm of all gradients and the factor that they are multiplied by; null without clipping by global norm.</summary>
readonly record struct GradientNorm(double? Norm, double? Factor);

/// <summary>
/// What gradients are clipped with, from sums of squares. Products, quotients, sums and roots of two floats, formed in double and rounded
/// to float, are rounded correctly.
/// </summary>
static class ClipOperands
{
    /// <summary>A number in a gradient's type.</summary>
    public static double Rounded(double value, DType type) => type == DType.Float64 ? value : (float)value;

    /// <summary>The divisor of a gradient that is clipped by its own norm.</summary>
    public static double Divisor(double squaredNorm, double limit, DType type)
    {
        double norm = squaredNorm > 0 ? Root(squaredNorm, type) : squaredNorm;
        return Math.Max(norm, Rounded(limit, type));
    }

    /// <summary>
    /// The factor of all gradients: c · min(1/n, 1/c) + (n − n). The last term makes every gradient NaN if the norm is not finite.
    /// </summary>
    public static GradientNorm Factor(double squaredNorm, double limit, DType type)
    {
        double norm = Root(Rounded(squaredNorm, type), type);
        double inverse = Math.Min(Rounded(1 / norm, type), Rounded(1 / limit, type));
        double factor = Rounded(Rounded(limit, type) * inverse, type);
        return new GradientNorm(norm, Rounded(factor + Rounded(norm - norm, type), type));
    }

    static double Root(double value, DType type) => Rounded(Math.Sqrt(value), type);
}

/// <summary>Adds up the squared norms of all gradients, and remembers the wider of their types.</summary>
struct GlobalNorm()
{
    double _squared;
    DType _type = DType.Float32;

    /// <summary>Adds the squared norm of a gradient, which is clipped in some type.</summary>
    public void Add(double squaredNorm, DType type)
    {
        _squared += squaredNorm;
        if (type == DType.Float64)
            _type = type;
    }

    /// <summary>The norm, and the factor that clips it.</summary>
    public readonly GradientNorm ClippedTo(double limit) => ClipOperands.Factor(_squared, limit, _type);
}
