using Infinorm.Types;

namespace Infinorm.Constraints;

/// <summary>
/// Norms drawn into an interval: <c>w * ((rate * clip(norm, minValue, maxValue) + (1 - rate) * norm) / (1e-7 + norm))</c>
/// (Keras: <c>MinMaxNorm</c>).
/// </summary>
public sealed class MinMaxNorm : NormConstraint
{
    readonly double _minValue;
    readonly double _maxValue;
    readonly double _rate;

    /// <param name="minValue">The smallest norm; finite. Keras: <c>min_value</c>.</param>
    /// <param name="maxValue">The largest norm; finite. Keras: <c>max_value</c>.</param>
    /// <param name="rate">How much of the way into the interval each step goes; finite; 1 is all of it.</param>
    /// <param name="axis">The axes to sum over, negative ones counted from the last; axis 0 if none is given.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is NaN or infinite.</exception>
    public MinMaxNorm(double minValue = 0, double maxValue = 1, double rate = 1, params int[] axis)
        : base(axis)
    {
        _minValue = Check.Finite(minValue);
        _maxValue = Check.Finite(maxValue);
        _rate = Check.Finite(rate);
    }

    private protected override T Factor<T>(T norm)
    {
        T clipped = T.Min(T.Max(norm, T.CreateTruncating(_minValue)), T.CreateTruncating(_maxValue));
        T desired = T.CreateTruncating(_rate) * clipped + T.CreateTruncating(1 - _rate) * norm;
        return desired / (T.CreateTruncating(Epsilon) + norm);
    }
}
