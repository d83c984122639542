using System.Globalization;
using Infinorm.Types;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training.Callbacks;

/// <summary>
/// Ends the training when a value has not improved for some epochs, and restores the weights of the best epoch. These are the weights that were
/// validated: the averages, if the optimizer keeps some. Keras: <c>EarlyStopping</c>.
/// </summary>
/// <param name="monitor">The value to watch. The default is <c>val_loss</c>.</param>
/// <param name="patience">Epochs with the value, but not a better one, after which to stop, ≥ 1. The default is 5.</param>
public sealed class EarlyStopping(string monitor = "val_loss", int patience = 5) : Callback
{
    readonly int _patience = patience >= 1
        ? patience
        : throw new ArgumentOutOfRangeException(nameof(patience), patience, "The patience is at least one epoch.");

    MonitoredValue? _watched;
    double? _best;
    int _waited;
    ModelSnapshot? _bestWeights;

    /// <summary>
    /// Whether a larger value is better. The default is null: as <see cref="Metric.LargerIsBetter"/> says, and not for losses.
    /// Keras: <c>mode</c>.
    /// </summary>
    public bool? LargerIsBetter { get; init; }

    /// <summary>By how much a value must be better to count: finite, ≥ 0. The default is 0. Keras: <c>min_delta</c>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 0 or not finite.</exception>
    public double MinDelta
    {
        get;
        init => field = value >= 0 && double.IsFinite(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(MinDelta), value, "MinDelta is finite and at least 0.");
    }

    /// <summary>
    /// A value that must also be beaten before the patience starts again; null, the default, for none. Keras: <c>baseline</c>.
    /// </summary>
    public double? Baseline { get; init; }

    /// <summary>
    /// The number of epochs, ≥ 0, that are ignored at the beginning. The default is 0. Keras: <c>start_from_epoch</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 0.</exception>
    public int StartFromEpoch
    {
        get;
        init => field = Check.AtLeast(0, value, nameof(StartFromEpoch));
    }

    /// <summary>
    /// Whether the weights of the best epoch end up in the model, however the training ends unless it fails or is cancelled. The default is
    /// true. Keras: <c>restore_best_weights</c>.
    /// </summary>
    public bool RestoreBestWeights { get; init; } = true;

    /// <summary>The epoch of the best value, from 1; null before there is one.</summary>
    public int? BestEpoch { get; private set; }

    /// <inheritdoc/>
    public override void OnFitBegin(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        _watched = new MonitoredValue(run, monitor, LargerIsBetter, MinDelta);
        if (run.Step == 0)
            Forget();
        else if (run.Batch == 0 && run.CompletedEpochs < run.Epochs && BestEpoch != run.CompletedEpochs)
            StopIfWaitedEnough(run);
    }

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingRun run, EpochLog log)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(log);
        MonitoredValue watched = _watched ?? throw new InvalidOperationException("The training has not begun.");
        if (log.Epoch <= StartFromEpoch || !watched.IsIn(log))
            return;
        _waited++;
        if (watched.IsBetter(log, _best))
        {
            (_best, BestEpoch) = (watched.Of(log), log.Epoch);
            if (Baseline is null || watched.IsBetter(log, Baseline))
                _waited = 0;
            if (!RestoreBestWeights)
                return;
            using IDisposable? averages = run.UseAverages();
            (_bestWeights ??= new ModelSnapshot()).CopyFrom(run.Model);
        }
        else
        {
            StopIfWaitedEnough(run);
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
        double? best = _best is { } value && double.IsFinite(value) ? value : null; // JSON has no other numbers
        (state.Values["best"], state.Values["waited"], state.Values["best_epoch"]) = (best, _waited, BestEpoch - 1);
        if (_bestWeights is null)
            return;
        foreach (var (name, tensor) in _bestWeights.Tensors)
            state.Tensors[name] = tensor;
    }

    internal override void CheckState(CallbackState state, TrainingRun run)
    {
        var (_, waited, bestEpoch) = Read(state);
        if (waited < 0 || bestEpoch < 1 || bestEpoch > run.CompletedEpochs)
            throw new FormatException($"it waited {waited} epochs, and its best epoch is {bestEpoch} of {run.CompletedEpochs}");
        if (state.Tensors.Count == 0)
            return;
        Dictionary<string, Tensor> model = run.Model.state_dict();
        if (!model.Keys.ToHashSet().SetEquals(state.Tensors.Keys))
            throw new FormatException("its best weights have other names than the model's");
        foreach (var (name, tensor) in model)
        {
            if (!tensor.shape.AsSpan().SequenceEqual(state.Tensors[name].shape))
                throw new FormatException($"its best {name} has the shape {state.Tensors[name].Shape()}, the model's {tensor.Shape()}");
        }
    }

    /// <inheritdoc/>
    public override void LoadState(CallbackState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var read = Read(state);
        Forget();
        (_best, _waited, BestEpoch) = read;
        if (state.Tensors.Count > 0)
            _bestWeights = new ModelSnapshot(state.Tensors);
    }

    static (double? Best, int Waited, int? BestEpoch) Read(CallbackState state) => (
        (double?)state.Values["best"],
        (int?)state.Values["waited"] ?? throw new FormatException("\"waited\" is missing"),
        (int?)state.Values["best_epoch"] + 1); // in files it counts from 0

    void StopIfWaitedEnough(TrainingRun run)
    {
        if (_waited < _patience || run.CompletedEpochs - run.InitialEpoch < 2)
            return;
        string andBaseline = Baseline is null ? "" : " and the baseline ";
        run.Stop(string.Create(
            CultureInfo.InvariantCulture,
            $"{monitor} did not become better than {_best ?? double.NaN}{andBaseline}{Baseline} in {_waited} epochs"));
    }

    void Forget()
    {
        _bestWeights?.Dispose();
        (_best, _waited, BestEpoch, _bestWeights) = (null, 0, null, null);
    }
}
