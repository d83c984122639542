using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>What <see cref="Trainer.Fit"/> may be told besides data and epochs.</summary>
public sealed class FitOptions
{
    /// <summary>
    /// Batches to validate with after each epoch, with the averages in the model where the optimizer keeps some; null, the default, for no
    /// validation. Keras: <c>validation_data</c>.
    /// </summary>
    public IEnumerable<(Tensor Input, Tensor Target)>? ValidationData { get; init; }

    /// <summary>
    /// The part of the examples, in (0, 1), to validate with instead of training with them: the last ones, before any shuffling. Only for
    /// <see cref="TensorBatches"/>. Null, the default, for none. Keras: <c>validation_split</c>.
    /// </summary>
    public double? ValidationSplit { get; init; }

    /// <summary>Told what happens, in this order. Keras: <c>callbacks</c>.</summary>
    public IReadOnlyList<Callback> Callbacks
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            field = [.. value];
        }
    } = [];

    /// <summary>
    /// What all randomness of the run follows from: before each step torch's generator is seeded from this and the number of the step.
    /// Null, the default, draws one from torch's generator, so that <c>torch.manual_seed</c> before Fit fixes it as well.
    /// </summary>
    public long? Seed { get; init; }

    /// <summary>
    /// A file that <see cref="Training.Callbacks.Checkpoint"/> or <see cref="TrainingRun.Save"/> wrote: Fit continues from that point. If there is no
    /// such file, the run starts from the beginning. Null, the default, for a new run.
    /// </summary>
    public string? ResumeFrom { get; init; }
}
