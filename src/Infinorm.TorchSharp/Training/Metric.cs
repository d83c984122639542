using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>A number that says how good predictions are, shown beside the loss.</summary>
/// <param name="name">Its name in histories and logs; with the prefix <c>val_</c> for the validation data.</param>
/// <param name="compute">
/// Takes predictions and targets of one batch and returns a scalar tensor, the mean over the batch. Over an epoch, batches are weighted by
/// their numbers of examples.
/// </param>
public sealed class Metric(string name, Func<Tensor, Tensor, Tensor> compute)
{
    /// <summary>Its name in histories and logs; with the prefix <c>val_</c> for the validation data.</summary>
    public string Name { get; } = string.IsNullOrEmpty(name) ? throw new ArgumentException("A metric needs a name.", nameof(name)) : name;

    /// <summary>Takes predictions and targets of one batch and returns a scalar tensor, the mean over the batch.</summary>
    public Func<Tensor, Tensor, Tensor> Compute { get; } = compute ?? throw new ArgumentNullException(nameof(compute));

    /// <summary>
    /// Whether a larger value is better: <see cref="Callbacks.EarlyStopping"/> and <see cref="Callbacks.Checkpoint"/> ask for it. The
    /// default is null: they must be told.
    /// </summary>
    public bool? LargerIsBetter { get; init; }

    /// <summary>
    /// The part of examples whose largest prediction (axis 1) stands at the target, a class index. Keras: <c>SparseCategoricalAccuracy</c>.
    /// </summary>
    public static Metric Accuracy { get; } = new("accuracy", (prediction, target) =>
        prediction.argmax(1).eq(target).to_type(ScalarType.Float64).mean())
    {
        LargerIsBetter = true,
    };

    /// <summary>
    /// The part of predictions on the target's side of a threshold; the target is 0 or 1. Keras: <c>BinaryAccuracy</c>.
    /// </summary>
    /// <param name="threshold">0.5, the default, for probabilities; 0 for logits.</param>
    public static Metric BinaryAccuracy(double threshold = 0.5) => new("binary_accuracy", (prediction, target) =>
        IsAbove(prediction, threshold).eq(IsAbove(target, 0.5)).to_type(ScalarType.Float64).mean())
    {
        LargerIsBetter = true,
    };

    /// <summary>The mean distance between prediction and target. Keras: <c>MeanAbsoluteError</c>.</summary>
    public static Metric MeanAbsoluteError { get; } = new("mean_absolute_error", (prediction, target) =>
        (prediction - target).abs().mean())
    {
        LargerIsBetter = false,
    };

    /// <summary>Its name.</summary>
    public override string ToString() => Name;

    static Tensor IsAbove(Tensor tensor, double limit) => tensor.With(limit, static (values, number) => values.gt(number));
}
