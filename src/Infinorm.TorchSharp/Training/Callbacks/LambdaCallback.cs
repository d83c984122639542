namespace Infinorm.Torch.Training.Callbacks;

/// <summary>
/// A callback made of functions, for code that needs no class: <c>new LambdaCallback { EpochEnd = (run, log) =&gt; Console.WriteLine(log) }</c>.
/// It has no state in checkpoints. Keras: <c>LambdaCallback</c>.
/// </summary>
public sealed class LambdaCallback : Callback
{
    /// <summary>Called as <see cref="Callback.OnFitBegin"/>; null, the default, for nothing.</summary>
    public Action<TrainingRun>? FitBegin { get; init; }

    /// <summary>Called as <see cref="Callback.OnEpochBegin"/>; null, the default, for nothing.</summary>
    public Action<TrainingRun>? EpochBegin { get; init; }

    /// <summary>Called as <see cref="Callback.OnGradients"/>; null, the default, for nothing.</summary>
    public Action<TrainingRun>? Gradients { get; init; }

    /// <summary>Called as <see cref="Callback.OnBatchEnd"/>; null, the default, for nothing.</summary>
    public Action<TrainingRun>? BatchEnd { get; init; }

    /// <summary>Called as <see cref="Callback.OnEpochEnd"/>; null, the default, for nothing.</summary>
    public Action<TrainingRun, EpochLog>? EpochEnd { get; init; }

    /// <summary>Called as <see cref="Callback.OnFitEnd"/>; null, the default, for nothing.</summary>
    public Action<TrainingRun>? FitEnd { get; init; }

    /// <inheritdoc/>
    public override void OnFitBegin(TrainingRun run) => FitBegin?.Invoke(run);

    /// <inheritdoc/>
    public override void OnEpochBegin(TrainingRun run) => EpochBegin?.Invoke(run);

    /// <inheritdoc/>
    public override void OnGradients(TrainingRun run) => Gradients?.Invoke(run);

    /// <inheritdoc/>
    public override void OnBatchEnd(TrainingRun run) => BatchEnd?.Invoke(run);

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingRun run, EpochLog log) => EpochEnd?.Invoke(run, log);

    /// <inheritdoc/>
    public override void OnFitEnd(TrainingRun run) => FitEnd?.Invoke(run);
}
