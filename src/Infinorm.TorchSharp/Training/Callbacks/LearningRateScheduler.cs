using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch.optim;

namespace Infinorm.Torch.Training.Callbacks;

/// <summary>
/// Lets one of TorchSharp's schedulers set the learning rates, after each epoch or after each step. Keras: <c>LearningRateScheduler</c>,
/// <c>ReduceLROnPlateau</c>.
/// </summary>
/// <remarks>
/// TorchSharp's schedulers do not expose their state. So a resumed run starts with the first rates, repeats all steps of the scheduler
/// with the values of the history, and then has the rates of the file.
/// </remarks>
/// <param name="make">
/// Makes the scheduler for the optimizer that it is given, such as
/// <c>optimizer =&gt; lr_scheduler.StepLR(optimizer, step_size: 10, gamma: 0.5)</c>. Called when Fit begins.
/// </param>
public sealed class LearningRateScheduler(Func<torch.optim.Optimizer, lr_scheduler.LRScheduler> make) : Callback
{
    lr_scheduler.LRScheduler? _scheduler;
    double[]? _firstRates;
    long _firstStep;
    int _firstEpoch;

    /// <summary>
    /// Whether the scheduler is stepped after each batch, as <c>OneCycleLR</c> needs. The default is false: after each epoch.
    /// </summary>
    public bool EachStep { get; init; }

    /// <summary>
    /// The value that the scheduler gets after each epoch, such as <c>val_loss</c>, as <c>ReduceLROnPlateau</c> needs; null, the
    /// default, for none.
    /// </summary>
    public string? Monitor { get; init; }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">
    /// The run has no such value to watch, or a schedule of the optimizer gives the rate.
    /// </exception>
    public override void OnFitBegin(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (Monitor is not null)
            MonitoredValue.RequireValue(run, Monitor);
        if (run.Step == 0)
            _firstRates = null;
        ILearningRateController[] groups = [.. run.Optimizer.ParamGroups];
        double[] rates = [.. groups.Select(group => group.LearningRate)];
        if (_firstRates is null)
            (_firstRates, _firstStep, _firstEpoch) = (rates, run.Step, run.CompletedEpochs);

        Set(groups, _firstRates);
        foreach (var (group, rate) in groups.Zip(_firstRates))
            group.InitialLearningRate = rate;
        _scheduler = make(run.Optimizer);
        if (run.Step == _firstStep)
            return;
        for (long step = _firstStep; EachStep && step < run.Step; step++)
            _scheduler.step();
        foreach (EpochLog log in EachStep ? [] : run.History.Epochs.Where(log => log.Epoch > _firstEpoch))
            StepAfter(log);
        Set(groups, rates);
    }

    /// <inheritdoc/>
    public override void OnBatchEnd(TrainingRun run)
    {
        if (EachStep)
            _scheduler!.step();
    }

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingRun run, EpochLog log)
    {
        ArgumentNullException.ThrowIfNull(log);
        if (!EachStep)
            StepAfter(log);
    }

    /// <inheritdoc/>
    public override void SaveState(CallbackState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (_firstRates is null)
            return;
        state.Values["first_rates"] = new JsonArray([.. _firstRates.Select(rate => JsonValue.Create(rate))]);
        (state.Values["first_step"], state.Values["first_epoch"]) = (_firstStep, _firstEpoch);
    }

    internal override void CheckState(CallbackState state, TrainingRun run)
    {
        var (rates, step, epoch) = Read(state);
        int groups = run.Optimizer.ParamGroups.Count();
        if (rates.Length != groups || !rates.All(rate => float.IsFinite((float)rate)))
            throw new FormatException($"it has the rates [{string.Join(", ", rates)}] for {groups} groups");
        if (step < 0 || step > run.Step || epoch < 0 || epoch > run.CompletedEpochs)
            throw new FormatException($"it began at step {step} and epoch {epoch} of {run.Step} and {run.CompletedEpochs}");
    }

    /// <inheritdoc/>
    public override void LoadState(CallbackState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        (_firstRates, _firstStep, _firstEpoch) = Read(state);
    }

    static (double[] Rates, long Step, int Epoch) Read(CallbackState state) => (
        [.. (state.Values["first_rates"] as JsonArray ?? throw new FormatException("\"first_rates\" is no array"))
            .Select(rate => (double?)rate ?? throw new FormatException("a rate is null"))],
        (long?)state.Values["first_step"] ?? throw new FormatException("\"first_step\" is missing"),
        (int?)state.Values["first_epoch"] ?? throw new FormatException("\"first_epoch\" is missing"));

    void StepAfter(EpochLog log)
    {
        if (Monitor is null)
            _scheduler!.step();
        else if (log.Values.TryGetValue(Monitor, out double value))
            _scheduler!.step(value);
    }

    static void Set(ILearningRateController[] groups, double[] rates)
    {
        foreach (var (group, rate) in groups.Zip(rates))
            group.LearningRate = rate;
    }
}
