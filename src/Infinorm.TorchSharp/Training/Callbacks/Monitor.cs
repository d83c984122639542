namespace Infinorm.Torch;

/// <summary>Whether a value of the epochs became better.</summary>
/// <param name="Name">A name in <see cref="EpochLog.Values"/>.</param>
/// <param name="Larger">Whether larger is better.</param>
/// <param name="MinDelta">By how much it must be better to count, ≥ 0.</param>
readonly record struct Monitor(string Name, bool Larger, double MinDelta = 0)
{
    /// <summary>Whether an epoch is better than the best before; NaN is better than nothing and nothing is better than NaN.</summary>
    public bool IsBetter(EpochLog log, double? best)
    {
        double value = Of(log);
        return !double.IsNaN(value) && (best is not { } other || (Larger ? value > other + MinDelta : value < other - MinDelta));
    }

    /// <summary>The value in an epoch.</summary>
    public double Of(EpochLog log) => log.Values.TryGetValue(Name, out double value)
        ? value
        : throw new InvalidOperationException(
            $"There is no '{Name}' to watch; there is {string.Join(", ", log.Values.Keys)}. "
            + (Name.StartsWith("val_", StringComparison.Ordinal) ? "Give Fit validation data, or watch" : "Watch") + " another value.");
}
