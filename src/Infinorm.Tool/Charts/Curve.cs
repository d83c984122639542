namespace Infinorm.Tool.Charts;

/// <summary>A learning rate at some steps.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Steps">The steps, ascending.</param>
/// <param name="Rates">The rates after them; what is not finite is not drawn.</param>
sealed record Curve(string Name, long[] Steps, double[] Rates)
{
    /// <summary>The smallest finite rate.</summary>
    public double Min { get; } = Rates.Where(double.IsFinite).DefaultIfEmpty().Min();

    /// <summary>The largest finite rate.</summary>
    public double Max { get; } = Rates.Where(double.IsFinite).DefaultIfEmpty().Max();

    /// <summary>The position of point i from left (0) to right (1).</summary>
    public double X(int i) => (double)Steps[i] / Steps[^1];

    /// <summary>
    /// The position of point i from the smallest rate (0) to the largest (1); a constant is in the middle. NaN if the point is not drawn.
    /// </summary>
    public double Y(int i) => !double.IsFinite(Rates[i]) ? double.NaN : Max > Min ? (Rates[i] - Min) / (Max - Min) : 0.5;
}
