namespace Infinorm.Torch.Training.Callbacks;

/// <summary>
/// Ends the training with an exception at the first step whose loss or gradients are not finite, before the optimizer steps: the model is
/// as it was after the last good step. The message names the first such parameter. Keras: <c>TerminateOnNaN</c>, which stops after the damage.
/// </summary>
/// <remarks>
/// It reads each gradient once more. With a <see cref="LossScaleOptimizer"/>, which skips steps whose gradients are not finite, it checks
/// only the loss.
/// </remarks>
public sealed class StopOnNaN : Callback
{
    /// <inheritdoc/>
    /// <exception cref="NotFiniteNumberException">The loss or a gradient is not finite.</exception>
    public override void OnGradients(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        bool skipsSteps = run.Trainer.Driver.SkipsNonFinite;
        if (skipsSteps && double.IsFinite(run.Loss))
            return;
        string? parameter = NonFinite.FirstGradient(run);
        if (parameter is null && double.IsFinite(run.Loss))
            return;
        string gradients = parameter is null ? "all gradients are finite" : $"{parameter} has a gradient that is not finite";
        throw new NotFiniteNumberException(
            $"The loss is {run.Loss} at step {run.Step}; {gradients}. The model is as it was before this step. Lower the learning rate, "
            + "set GlobalClipNorm, or look for divisions, roots and logarithms where that parameter is used.", run.Loss);
    }
}
