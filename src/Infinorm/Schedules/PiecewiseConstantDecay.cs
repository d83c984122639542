using Infinorm.Config;

namespace Infinorm.Schedules;

/// <summary>
/// Keras's <c>PiecewiseConstantDecay</c>: <c>values[0]</c> up to and including step <c>boundaries[0]</c>, <c>values[i]</c> up to and
/// including <c>boundaries[i]</c>, the last value after the last boundary.
/// </summary>
/// <remarks>
/// As in Keras the fraction of a boundary is cut off (1.9 acts as 1), and the rate is the sum of all values whose range holds the step:
/// boundaries that do not ascend can add two values.
/// </remarks>
public sealed class PiecewiseConstantDecay : LearningRateSchedule
{
    readonly Hyperparameter<double[]> _boundaries, _values;

    /// <param name="boundaries">The last step of each value but the last; at least one, finite.</param>
    /// <param name="values">The rates, one more than there are boundaries; finite.</param>
    /// <param name="name">Keras's <c>name</c>; "PiecewiseConstant" by default.</param>
    /// <exception cref="ArgumentException">There is no boundary, or the number of values does not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is NaN or infinite.</exception>
    public PiecewiseConstantDecay(ReadOnlySpan<double> boundaries, ReadOnlySpan<double> values, string? name = null)
        : base(name ?? "PiecewiseConstant")
    {
        _boundaries = Hyperparameters.RequiredNumbers("boundaries", boundaries.ToArray(), areSteps: true, nameof(boundaries));
        _values = Hyperparameters.RequiredNumbers("values", values.ToArray(), name: nameof(values));
        Validate();
    }

    /// <inheritdoc/>
    public override double At(long step)
    {
        // Every value is multiplied by 0 or 1 and added, in Keras's order: the first, the last, those between.
        float rate = Where(step <= (long)Boundaries[0], Values[0]);
        rate += Where(step > (long)Boundaries[^1], Values[^1]);
        for (int i = 1; i < Boundaries.Length; i++)
            rate += Where(step > (long)Boundaries[i - 1] && step <= (long)Boundaries[i], Values[i]);
        return rate;
    }

    /// <inheritdoc/>
    protected override void Validate()
    {
        if (Boundaries.Length == 0)
            throw new ArgumentException("There must be at least one boundary.", "boundaries");
        if (Values.Length != Boundaries.Length + 1)
        {
            throw new ArgumentException(
                $"There must be one value more than boundaries, but there are {Values.Length} values and {Boundaries.Length} boundaries.",
                "values");
        }
    }

    double[] Boundaries => _boundaries.Value;

    double[] Values => _values.Value;

    static float Where(bool condition, double value) => (condition ? 1f : 0f) * (float)value;
}
