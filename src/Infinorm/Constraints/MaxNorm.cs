using Infinorm.Types;

namespace Infinorm.Constraints;

/// <summary>Norms of at most a value: <c>w * (clip(norm, 0, maxValue) / (1e-7 + norm))</c> (Keras: <c>MaxNorm</c>).</summary>
public sealed class MaxNorm : NormConstraint
{
    readonly double _maxValue;

    /// <param name="maxValue">The largest norm; finite. Keras: <c>max_value</c>.</param>
    /// <param name="axis">The axes to sum over, negative ones counted from the last; axis 0 if none is given.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is NaN or infinite.</exception>
    public MaxNorm(double maxValue = 2, params int[] axis)
        : base(axis) => _maxValue = Check.Finite(maxValue);

    private protected override T Factor<T>(T norm)
    {
        T desired = T.Min(T.Max(norm, T.Zero), T.CreateTruncating(_maxValue));
        return desired / (T.CreateTruncating(Epsilon) + norm);
    }
}
