namespace Infinorm.Torch.Training.Callbacks;

/// <summary>A value of the epochs that a callback watches, and whether it became better.</summary>
sealed class MonitoredValue
{
    const string Validation = "val_", Loss = "loss", LearningRate = "learning_rate";

    readonly bool _largerIsBetter;
    readonly double _minDelta;

    /// <summary>All is checked before the first step.</summary>
    /// <param name="run">The run.</param>
    /// <param name="name">A name in <see cref="EpochLog.Values"/>.</param>
    /// <param name="largerIsBetter">Whether larger is better; null for what is known of the value.</param>
    /// <param name="minDelta">By how much it must be better to count, ≥ 0.</param>
    /// <exception cref="InvalidOperationException">The run has no such value, or it is not known which one is better.</exception>
    public MonitoredValue(TrainingRun run, string name, bool? largerIsBetter, double minDelta = 0)
    {
        RequireValue(run, name);
        _largerIsBetter = largerIsBetter ?? IsLargerBetter(run, name) ?? throw new InvalidOperationException(
            $"It is not known whether a larger '{name}' is better: set LargerIsBetter of the callback or of the metric.");
        (Name, _minDelta) = (name, minDelta);
    }

    public string Name { get; }

    /// <summary>Whether an epoch is better than another value; NaN is better than nothing and nothing is better than NaN.</summary>
    public bool IsBetter(EpochLog log, double? than)
    {
        double value = log.Values.GetValueOrDefault(Name, double.NaN);
        return !double.IsNaN(value) && (than is not { } other || (_largerIsBetter ? value > other + _minDelta : value < other - _minDelta));
    }

    /// <summary>Whether an epoch has the value: not each has one of validation.</summary>
    public bool IsIn(EpochLog log) => log.Values.ContainsKey(Name);

    /// <summary>The value in an epoch that has it.</summary>
    public double Of(EpochLog log) => log.Values[Name];

    /// <exception cref="InvalidOperationException">The epochs of the run will have no such value.</exception>
    public static void RequireValue(TrainingRun run, string name)
    {
        string[] trained = [Loss, .. run.Trainer.Metrics.Select(metric => metric.Name)];
        string[] names = [.. trained, .. run.HasValidation ? trained.Select(other => Validation + other) : [], LearningRate];
        if (!names.Contains(name))
        {
            throw new InvalidOperationException(
                $"There is no '{name}' to watch; there is {string.Join(", ", names)}. "
                + (name.StartsWith(Validation, StringComparison.Ordinal) && !run.HasValidation ? "Give Fit validation data, or watch" : "Watch")
                + " another value.");
        }
    }

    static bool? IsLargerBetter(TrainingRun run, string name)
    {
        string trained = name.StartsWith(Validation, StringComparison.Ordinal) ? name[Validation.Length..] : name;
        return trained == Loss ? false : run.Trainer.Metrics.FirstOrDefault(metric => metric.Name == trained)?.LargerIsBetter;
    }
}
