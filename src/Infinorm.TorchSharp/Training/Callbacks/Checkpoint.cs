namespace Infinorm.Torch.Training.Callbacks;

/// <summary>
/// Saves the run after each epoch, and when it is cancelled or stopped within one, so that <see cref="FitOptions.ResumeFrom"/> can go on
/// with it; and, if wanted, the best epoch's run to a second file. Keras: <c>BackupAndRestore</c> and <c>ModelCheckpoint</c>.
/// </summary>
/// <param name="path">The file for the run as it is: of safetensors, replaced as a whole each time. Its folder is made.</param>
/// <param name="bestPath">A file for the run as it was after the epoch with the best value; null, the default, for none.</param>
public sealed class Checkpoint(string path, string? bestPath = null) : Callback
{
    MonitoredValue? _watched;
    double? _best;

    /// <summary>Also save every this many steps, ≥ 1; null, the default, saves only after epochs. Keras: <c>save_freq</c>.</summary>
    public int? EverySteps
    {
        get;
        init => field = value is null or >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(EverySteps), value, "EverySteps is at least 1.");
    }

    /// <summary>The value whose best epoch goes to the second file. The default is <c>val_loss</c>.</summary>
    public string Monitor { get; init; } = "val_loss";

    /// <summary>
    /// Whether a larger value is better. The default is null: as <see cref="Metric.LargerIsBetter"/> says, and not for losses.
    /// Keras: <c>mode</c>.
    /// </summary>
    public bool? LargerIsBetter { get; init; }

    internal override bool SavesRuns => true;

    /// <inheritdoc/>
    public override void OnFitBegin(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        run.Trainer.Driver.RequireSavable();
        if (run.IsFirst)
            OutputFile.Prepare(path);
        if (bestPath is not null && run.IsFirst)
            OutputFile.Prepare(bestPath);
        _watched = bestPath is null ? null : new MonitoredValue(run, Monitor, LargerIsBetter);
        if (run.Step == 0)
            _best = null;
    }

    /// <inheritdoc/>
    public override void OnBatchEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (EverySteps is { } steps && run.Step % steps == 0)
            run.Save(path);
    }

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingRun run, EpochLog log)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(log);
        run.Save(path);
        if (_watched?.IsBetter(log, _best) != true)
            return;
        _best = _watched.Of(log);
        run.Save(bestPath!);
    }

    internal override void OnStoppedWithinEpoch(TrainingRun run) => run.Save(path);

    /// <inheritdoc/>
    public override void OnFitEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Outcome == FitOutcome.Cancelled)
            run.Save(path);
    }

    /// <inheritdoc/>
    public override void SaveState(CallbackState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (_best is { } best && double.IsFinite(best))
            state.Values["best"] = _best;
    }

    internal override void CheckState(CallbackState state, TrainingRun run) => BestIn(state);

    /// <inheritdoc/>
    public override void LoadState(CallbackState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        _best = BestIn(state);
    }

    static double? BestIn(CallbackState state) => (double?)state.Values["best"];
}
