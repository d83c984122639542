using System.Globalization;
using Infinorm.Types;
using Microsoft.Extensions.Logging;

namespace Infinorm.Torch.Training.Callbacks;

/// <summary>
/// Writes the course of the training to an <see cref="ILogger"/>: its beginning, its end, and for each epoch a message whose values are
/// properties of their own (<c>epoch</c>, <c>batches</c>, <c>seconds</c>, <c>loss</c>, <c>val_loss</c>, …).
/// </summary>
/// <remarks>The level is Information; Warning for a run that is cancelled; Error for one that fails; Debug for single steps.</remarks>
/// <param name="logger">Where to.</param>
public sealed class LoggerCallback(ILogger logger) : Callback
{
    static readonly EventId Begin = new(1, "FitBegin"), Step = new(2, "BatchEnd"), Epoch = new(3, "EpochEnd"), End = new(4, "FitEnd");

    readonly ILogger _logger = logger ?? throw new ArgumentNullException(nameof(logger));

    /// <summary>Also tell of every this many steps, ≥ 1, at level Debug; null, the default, tells only of epochs.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public int? EverySteps
    {
        get;
        init => field = value is { } steps ? Check.AtLeast(1, steps, nameof(EverySteps)) : null;
    }

    internal override bool IsForFirstRank => true;

    /// <inheritdoc/>
    public override void OnFitBegin(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        string text = run.History.Beginning ?? "the training begins";
        Log(LogLevel.Information, Begin, text, [new("epochs", run.Epochs), new("seed", run.History.Seed)]);
    }

    /// <inheritdoc/>
    public override void OnBatchEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (EverySteps is not { } steps || run.Step % steps != 0 || !_logger.IsEnabled(LogLevel.Debug))
            return;
        string text = string.Create(
            CultureInfo.InvariantCulture, $"step {run.Step}  loss {run.Loss:G4}  learning_rate {run.LearningRate:G4}");
        Log(LogLevel.Debug, Step, text, [new("step", run.Step), new("loss", run.Loss), new("learning_rate", run.LearningRate)]);
    }

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingRun run, EpochLog log)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(log);
        Log(LogLevel.Information, Epoch, log.Describe($"{log.Epoch}/{run.Epochs}"),
        [
            new("epoch", log.Epoch), new("epochs", run.Epochs), new("batches", log.Batches), new("seconds", log.Duration.TotalSeconds),
            .. log.Values.Select(pair => new KeyValuePair<string, object?>(pair.Key, pair.Value)),
        ]);
    }

    /// <inheritdoc/>
    public override void OnFitEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        var (level, text) = run.Outcome switch
        {
            FitOutcome.Stopped => (LogLevel.Information, $"stopped: {run.History.StopReason}"),
            FitOutcome.Cancelled => (LogLevel.Warning, $"cancelled after {run.Step} steps"),
            FitOutcome.Failed => (LogLevel.Error, $"failed after {run.Step} steps"),
            _ => (LogLevel.Information, $"completed: {run.History.Logs.Count} epochs, {run.Step} steps"),
        };
        Log(level, End, text, [new("outcome", run.Outcome.ToString()), new("steps", run.Step), new("stop_reason", run.History.StopReason)]);
    }

    // Loggers read the values of a message from its state.
    void Log(LogLevel level, EventId what, string text, IReadOnlyList<KeyValuePair<string, object?>> values) =>
        _logger.Log(level, what, values, exception: null, (_, _) => text);
}
