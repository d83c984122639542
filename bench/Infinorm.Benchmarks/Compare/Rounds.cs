using System.Diagnostics;

namespace Infinorm.Benchmarks;

/// <summary>How long a measurement may take.</summary>
/// <param name="Time">The time to spend.</param>
/// <param name="Least">The number of rounds to run even if that takes longer, up to three times as long.</param>
readonly record struct Budget(TimeSpan Time, int Least)
{
    public Budget Part(double fraction) => this with { Time = Time * fraction };
}

/// <summary>
/// The times of some contenders, measured in turn: one batch of each makes a round. Neighbours on the machine disturb a whole round or
/// leave it alone, so the ratio within a round is trusted and the median over the rounds is the result.
/// </summary>
sealed class Rounds
{
    const int Most = 1000;
    static readonly TimeSpan Batch = TimeSpan.FromMilliseconds(1);

    readonly List<double[]> _seconds = [];

    Rounds() { }

    public int Count => _seconds.Count;

    /// <param name="contenders">What to measure.</param>
    /// <param name="budget">How long.</param>
    /// <param name="settle">A pause before each batch in which the threads of the one before stop spinning.</param>
    public static Rounds Measure(IReadOnlyList<Contender> contenders, Budget budget, TimeSpan settle)
    {
        var rounds = new Rounds();
        long start = Stopwatch.GetTimestamp();
        foreach (Contender contender in contenders)
            contender.Calibrate(Batch);
        while (rounds.Count == 0 || (rounds.Count < Most && Stopwatch.GetElapsedTime(start) < budget.Time * (rounds.Count < budget.Least ? 3 : 1)))
        {
            double[] round = new double[contenders.Count];
            for (int i = 0; i < round.Length; i++)
            {
                // To and fro: what drifts slowly then favours nobody.
                int turn = rounds.Count % 2 == 0 ? i : round.Length - 1 - i;
                if (settle > TimeSpan.Zero)
                    Thread.Sleep(settle);
                round[turn] = contenders[turn].TimeBatch();
            }
            rounds._seconds.Add(round);
        }
        return rounds;
    }

    /// <summary>All rounds of some measurements of the same contenders.</summary>
    public static Rounds Join(IEnumerable<Rounds> parts)
    {
        var all = new Rounds();
        foreach (Rounds part in parts)
            all._seconds.AddRange(part._seconds);
        return all;
    }

    /// <summary>The median time of one contender, in seconds a step.</summary>
    public double Seconds(int contender) => Statistics.Quantile(_seconds.Select(round => round[contender]), 0.5);

    /// <summary>A quantile over the rounds of a number computed from the times of one round.</summary>
    public double Quantile(Func<double[], double> ratio, double quantile) => Statistics.Quantile(_seconds.Select(ratio), quantile);
}

static class Statistics
{
    /// <summary>The quantile of some values, linear between neighbours: 0.5 is the median.</summary>
    public static double Quantile(IEnumerable<double> values, double quantile)
    {
        double[] sorted = [.. values.Order()];
        double position = quantile * (sorted.Length - 1);
        int below = (int)position;
        int above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (sorted[above] - sorted[below]) * (position - below);
    }
}
