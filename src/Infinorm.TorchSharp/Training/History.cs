namespace Infinorm.Torch;

/// <summary>What was seen in one epoch.</summary>
/// <param name="Epoch">Its number, from 0.</param>
/// <param name="Batches">How many batches it had.</param>
/// <param name="Duration">The time it took, validation included; of a resumed epoch, the part after resuming.</param>
/// <param name="Values">
/// <c>loss</c> and the metrics, over the training batches as they were learnt from; <c>val_loss</c> and so on, over the validation data
/// after the epoch; <c>learning_rate</c>, of the last step. In this order.
/// </param>
public sealed record EpochLog(int Epoch, int Batches, TimeSpan Duration, OrderedDictionary<string, double> Values);

/// <summary>What <see cref="Trainer.Fit"/> saw. Keras: <c>History</c>.</summary>
public sealed class History
{
    internal List<EpochLog> Logs { get; } = [];

    /// <summary>Every epoch, also those before the run was resumed.</summary>
    public IReadOnlyList<EpochLog> Epochs => Logs;

    /// <summary>One value in all epochs, such as <c>history["val_loss"]</c>.</summary>
    /// <exception cref="KeyNotFoundException">There is no such value; the message lists those that are there.</exception>
    public IReadOnlyList<double> this[string name] => [.. Logs.Select(log => log.Values.TryGetValue(name, out double value)
        ? value
        : throw new KeyNotFoundException($"The history has no '{name}'; it has {string.Join(", ", log.Values.Keys)}."))];

    /// <summary>Batches trained with, also those before the run was resumed.</summary>
    public long Steps { get; internal set; }

    /// <summary>Of these, how many a <see cref="LossScaleOptimizer"/> skipped because a gradient was not finite.</summary>
    public long SkippedSteps { get; internal set; }

    /// <summary>
    /// Gradients that wait in the optimizer for an update: with accumulation, the batches after the last whole group. As in Keras they
    /// carry over from epoch to epoch and into the next Fit, and make no update of their own.
    /// </summary>
    public int PendingBatches { get; internal set; }

    /// <summary>The time spent in the optimizer since the run was started or resumed.</summary>
    public TimeSpan OptimizerTime { get; internal set; }

    /// <summary>Why a callback stopped the training; null if none did.</summary>
    public string? StopReason { get; internal set; }

    /// <summary>The seed of the run: with it, the same run can be had again.</summary>
    public long Seed { get; internal set; }
}
