using Infinorm.Types;

namespace Infinorm.Torch.Training;

/// <summary>What <see cref="Trainer"/>'s Fit may be told besides data and epochs.</summary>
public sealed class FitOptions
{
    /// <summary>
    /// Batches to validate with after each epoch, with the averages in the model where the optimizer keeps some; null, the default, for no
    /// validation. Keras: <c>validation_data</c>.
    /// </summary>
    public IEnumerable<Batch>? ValidationData { get; init; }

    /// <summary>
    /// The part of the examples, in (0, 1), to validate with instead of training with them: the last ones, before any shuffling. Only for
    /// <see cref="TensorBatches"/>. Null, the default, for none. Keras: <c>validation_split</c>.
    /// </summary>
    public double? ValidationSplit { get; init; }

    /// <summary>
    /// Validates after each epoch whose number is a multiple of this, ≥ 1. The default is 1: after each. Epochs between have no values of
    /// validation. Keras: <c>validation_freq</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public int ValidateEvery
    {
        get;
        init => field = Check.AtLeast(1, value, nameof(ValidateEvery));
    } = 1;

    /// <summary>
    /// How much an example counts by the class of its target, in training, not in validation: finite numbers ≥ 0. Classes that are not
    /// listed count 1. The target is one tensor of class indices, or of vectors whose largest element stands at the class. The loss must
    /// be one number for each example then. Where the batch has weights, too, it is the product. Null, the default, for 1 each. Keras:
    /// <c>class_weight</c>.
    /// </summary>
    /// <exception cref="ArgumentException">There is none, or one is negative or not finite.</exception>
    public IReadOnlyDictionary<long, double>? ClassWeights
    {
        get;
        init
        {
            if (value is not null && (value.Count == 0 || value.Values.Any(weight => !(weight >= 0 && double.IsFinite(weight)))))
            {
                throw new ArgumentException(
                    $"Class weights are finite and at least 0, and there is at least one: found [{string.Join(", ", value.Values)}].",
                    nameof(ClassWeights));
            }

            field = value?.ToDictionary();
        }
    }

    /// <summary>
    /// Batches of an epoch, ≥ 1. The next epoch goes on where the data are then, and they begin again whenever they end. Null, the
    /// default: an epoch goes once through the data. Keras: <c>steps_per_epoch</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public int? StepsPerEpoch
    {
        get;
        init => field = value is { } steps ? Check.AtLeast(1, steps, nameof(StepsPerEpoch)) : null;
    }

    /// <summary>
    /// Epochs, ≥ 0 and fewer than Fit is to make, that count as completed: with 10, and 15 epochs, epochs 11 to 15 are made. The default
    /// is 0. A run that is resumed from a file knows where it was, and has the number that it began with. Keras: <c>initial_epoch</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 0.</exception>
    public int InitialEpoch
    {
        get;
        init => field = Check.AtLeast(0, value, nameof(InitialEpoch));
    }

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
    /// What is shown on the console if none of the callbacks is a <see cref="ProgressBar"/>. The default, Auto, is a bar in
    /// a terminal, and nothing if the output is redirected. Keras: <c>verbose</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such verbosity.</exception>
    public Verbosity Verbosity
    {
        get;
        init => field = Enum.IsDefined(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Verbosity), value, "Unknown verbosity.");
    }

    /// <summary>
    /// What all randomness of the run follows from: before each step torch's generator is seeded from this and the number of the step.
    /// Null, the default, draws one from torch's generator, so that <c>torch.manual_seed</c> before Fit fixes it as well.
    /// </summary>
    public long? Seed { get; init; }

    /// <summary>
    /// A file that <see cref="Training.Callbacks.Checkpoint"/> or <see cref="TrainingRun.Save"/> wrote: Fit continues from that point. If
    /// there is no such file, the run starts from the beginning. Null, the default, for a new run.
    /// </summary>
    public string? ResumeFrom { get; init; }

    /// <summary>The same with other validation data and callbacks.</summary>
    internal FitOptions With(IEnumerable<Batch>? validationData, IReadOnlyList<Callback> callbacks) => new()
    {
        ValidationData = validationData,
        ValidationSplit = ValidationSplit,
        ValidateEvery = ValidateEvery,
        ClassWeights = ClassWeights,
        StepsPerEpoch = StepsPerEpoch,
        InitialEpoch = InitialEpoch,
        Callbacks = callbacks,
        Verbosity = Verbosity,
        Seed = Seed,
        ResumeFrom = ResumeFrom,
    };
}
