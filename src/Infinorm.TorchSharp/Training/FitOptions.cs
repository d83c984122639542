using Infinorm.Types;

namespace Infinorm.Torch.Training;

/// <summary>What <see cref="Trainer"/>'s Fit may be told besides data and epochs.</summary>
public sealed class FitOptions
{
    /// <summary>
    /// Batches for the validation after each epoch. If the optimizer keeps averages, they are in the model during it. The default is null: no
    /// validation. Keras: <c>validation_data</c>.
    /// </summary>
    public IEnumerable<Batch>? ValidationData { get; init; }

    /// <summary>
    /// The part of the examples, in (0, 1), that is used for validation instead of training: the last ones, before any shuffling. Only for
    /// <see cref="TensorBatches"/>. The default is null: none. Keras: <c>validation_split</c>.
    /// </summary>
    public double? ValidationSplit { get; init; }

    /// <summary>
    /// A number n ≥ 1: the run validates after every n-th epoch. The default is 1: after each epoch. The epochs between have no validation
    /// values. Keras: <c>validation_freq</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public int ValidateEvery
    {
        get;
        init => field = Check.AtLeast(1, value, nameof(ValidateEvery));
    } = 1;

    /// <summary>
    /// The weight of each class, a finite number ≥ 0, by which an example counts in training, not in validation. Classes that are not
    /// listed count 1. The target must be one tensor, of class indices or of vectors whose largest element is at the index of the class. The loss
    /// must have one value for each example. If the batch has weights too, the product counts. The default is null: all classes count 1.
    /// Keras: <c>class_weight</c>.
    /// </summary>
    /// <exception cref="ArgumentException">There is no weight, or one is negative or not finite.</exception>
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
    /// The number of batches in an epoch, ≥ 1. The next epoch continues at the batch where the last one stopped, and the data begin again
    /// when they end. The default is null: an epoch goes once through the data. Keras: <c>steps_per_epoch</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public int? StepsPerEpoch
    {
        get;
        init => field = value is { } steps ? Check.AtLeast(1, steps, nameof(StepsPerEpoch)) : null;
    }

    /// <summary>
    /// The number of epochs that count as completed, ≥ 0 and less than the number that Fit is given: with 10 of 15 epochs, Fit makes epochs 11
    /// to 15. The default is 0. A resumed run takes its position from the file, and keeps the number that it began with.
    /// Keras: <c>initial_epoch</c>.
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
    /// The seed that determines all randomness of the run: before each step torch's generator is seeded from it and the number of the step.
    /// The default is null: the seed is drawn from torch's generator, so <c>torch.manual_seed</c> before Fit determines it as well.
    /// </summary>
    public long? Seed { get; init; }

    /// <summary>
    /// A file that <see cref="Training.Callbacks.Checkpoint"/> or <see cref="TrainingRun.Save"/> wrote: Fit continues from that point. If
    /// there is no such file, the run starts from the beginning. Null, the default, for a new run.
    /// </summary>
    public string? ResumeFrom { get; init; }
}
