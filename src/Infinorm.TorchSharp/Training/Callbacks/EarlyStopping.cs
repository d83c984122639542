namespace Infinorm.Torch;

/// <summary>
/// Ends the training when a value has not become better for some epochs, and puts the weights of the best epoch back into the model: those
/// that were validated, which are the averages where the optimizer keeps some. Keras: <c>EarlyStopping</c>.
/// </summary>
/// <param name="monitor">The value to watch. The default is <c>val_loss</c>.</param>
/// <param name="patience">Epochs without a better value after which to stop, ≥ 1. The default is 5.</param>
public sealed class EarlyStopping(string monitor = "val_loss", int patience = 5) : Callback
{
    readonly int _patience = patience >= 1
        ? patience
        : throw new ArgumentOutOfRangeException(nameof(patience), patience, "The patience is at least one epoch.");

    double? _best;
    int _waited;
    ModelWeights? _bestWeights;

    /// <summary>Whether a larger value is better, as of an accuracy. The default is false. Keras: <c>mode</c>.</summary>
    public bool Larger { get; init; }

    /// <summary>By how much a value must be better to count, ≥ 0. The default is 0. Keras: <c>min_delta</c>.</summary>
    public double MinDelta { get; init; }

    /// <summary>
    /// Whether the weights of the best epoch end up in the model, however the training ends unless it fails or is cancelled. The default is
    /// true. Keras: <c>restore_best_weights</c>.
    /// </summary>
    public bool RestoreBestWeights { get; init; } = true;

    /// <summary>The epoch of the best value, from 0; null before there is one.</summary>
    public int? BestEpoch { get; private set; }

    /// <inheritdoc/>
    public override void OnFitBegin(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Step == 0)
            Forget();
    }

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingRun run, EpochLog log)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(log);
        var watched = new Monitor(monitor, Larger, MinDelta);
        if (watched.IsBetter(log, _best))
        {
            (_best, _waited, BestEpoch) = (watched.Of(log), 0, log.Epoch);
            if (!RestoreBestWeights)
                return;
            using IDisposable? averages = run.UseAverages();
            (_bestWeights ??= new ModelWeights()).CopyFrom(run.Model);
        }
        else if (++_waited >= _patience)
        {
            run.Stop($"{monitor} did not become better than {_best} in {_waited} epochs");
        }
    }

    /// <inheritdoc/>
    public override void OnFitEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Outcome is FitOutcome.Completed or FitOutcome.Stopped)
            _bestWeights?.CopyTo(run.Model);
        if (run.Outcome != FitOutcome.Cancelled)
            _bestWeights?.Dispose();
    }

    /// <inheritdoc/>
    public override void SaveState(CallbackState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (_best is null && _waited == 0)
            return;
        (state.Values["best"], state.Values["waited"], state.Values["best_epoch"]) = (_best, _waited, BestEpoch);
        if (_bestWeights is null)
            return;
        foreach (var (name, tensor) in _bestWeights.Tensors)
            state.Tensors[name] = tensor;
    }

    /// <inheritdoc/>
    public override void LoadState(CallbackState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        Forget();
        (_best, _waited, BestEpoch) = ((double?)state.Values["best"], (int)state.Values["waited"]!, (int?)state.Values["best_epoch"]);
        if (state.Tensors.Count > 0)
            _bestWeights = new ModelWeights(state.Tensors);
    }

    void Forget()
    {
        _bestWeights?.Dispose();
        (_best, _waited, BestEpoch, _bestWeights) = (null, 0, null, null);
    }
}
