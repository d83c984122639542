using System.Text.Json.Nodes;

namespace Infinorm;

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
    readonly double[] _boundaries;
    readonly double[] _values;

    /// <param name="boundaries">The last step of each value but the last; at least one, finite.</param>
    /// <param name="values">The rates, one more than there are boundaries; finite.</param>
    /// <param name="name">Keras's <c>name</c>; "PiecewiseConstant" by default.</param>
    /// <exception cref="ArgumentException">There is no boundary, or the number of values does not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is NaN or infinite.</exception>
    public PiecewiseConstantDecay(ReadOnlySpan<double> boundaries, ReadOnlySpan<double> values, string? name = null)
        : base(name ?? "PiecewiseConstant")
    {
        if (boundaries.IsEmpty)
            throw new ArgumentException("There must be at least one boundary.", nameof(boundaries));
        if (values.Length != boundaries.Length + 1)
        {
            throw new ArgumentException(
                $"There must be one value more than boundaries, but there are {values.Length} values and {boundaries.Length} boundaries.",
                nameof(values));
        }
        foreach (double boundary in boundaries)
            Check.Finite(boundary, nameof(boundaries));
        foreach (double value in values)
            Check.Finite(value, nameof(values));
        _boundaries = boundaries.ToArray();
        _values = values.ToArray();
    }

    internal PiecewiseConstantDecay(ConfigReader config)
        : this(config.Numbers("boundaries"), config.Numbers("values"), config.Text("name", null))
    {
    }

    /// <inheritdoc/>
    public override double At(long step)
    {
        // Every value is multiplied by 0 or 1 and added, in Keras's order: the first, the last, those between.
        float rate = Where(step <= (long)_boundaries[0], _values[0]);
        rate += Where(step > (long)_boundaries[^1], _values[^1]);
        for (int i = 1; i < _boundaries.Length; i++)
            rate += Where(step > (long)_boundaries[i - 1] && step <= (long)_boundaries[i], _values[i]);
        return rate;
    }

    /// <inheritdoc/>
    protected override void GetConfig(JsonObject config)
    {
        bool whole = Array.TrueForAll(_boundaries, double.IsInteger);
        config["boundaries"] = new JsonArray([.. _boundaries.Select(x => whole ? IntegerIfWhole(x) : x)]);
        config["values"] = new JsonArray([.. _values.Select(x => (JsonNode)x)]);
        config["name"] = Name;
    }

    static float Where(bool condition, double value) => (condition ? 1f : 0f) * (float)value;
}
