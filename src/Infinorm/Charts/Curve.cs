namespace Infinorm.Charts;

/// <summary>Values at some steps.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Steps">The steps, ascending.</param>
/// <param name="Values">The value at each; what is not finite is not drawn.</param>
sealed record Curve(string Name, long[] Steps, double[] Values)
{
    /// <summary>The smallest finite value.</summary>
    public double Min { get; } = Values.Where(double.IsFinite).DefaultIfEmpty().Min();

    /// <summary>The largest finite value.</summary>
    public double Max { get; } = Values.Where(double.IsFinite).DefaultIfEmpty().Max();

    /// <summary>The position of point i from left (step 0, at 0) to right (the last step, at 1).</summary>
    public double X(int i) => (double)Steps[i] / Steps[^1];

    /// <summary>The position of point i from the smallest value (0) to the largest (1).</summary>
    /// <inheritdoc cref="Y(int, double, double)" path="/returns"/>
    public double Y(int i) => Y(i, Min, Max);

    /// <summary>The position of point i from one value (0) to another (1).</summary>
    /// <returns>The position; where all values are one, that is in the middle. NaN if the point is not drawn.</returns>
    public double Y(int i, double min, double max) =>
        !double.IsFinite(Values[i]) ? double.NaN : max > min ? (Values[i] - min) / (max - min) : 0.5;
}
