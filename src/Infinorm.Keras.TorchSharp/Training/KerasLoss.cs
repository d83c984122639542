using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Torch;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Training;

/// <summary>A loss as Keras computes it: values for each example, weighted, and reduced to a scalar.</summary>
public sealed class KerasLoss
{
    /// <summary>What keeps divisors and logarithms from 0. Keras: <c>backend.epsilon()</c>.</summary>
    internal const double Epsilon = 1e-7;

    readonly Func<Tensor, Tensor, (Tensor Values, Tensor? Mask)> _compute;
    readonly string _reduction;

    /// <summary>A loss of your own.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="compute">Takes targets and predictions and returns a value for each example, or for each of its time steps.</param>
    /// <param name="reduction">
    /// <c>sum_over_batch_size</c>, the default, for the mean; <c>sum</c>; or <c>mean_with_sample_weight</c>, the sum divided by that of
    /// the weights.
    /// </param>
    public KerasLoss(string name, Func<Tensor, Tensor, Tensor> compute, string reduction = "sum_over_batch_size")
        : this(name, (target, prediction) => (compute(target, prediction), null), reduction)
    {
        ArgumentNullException.ThrowIfNull(compute);
    }

    internal KerasLoss(string name, Func<Tensor, Tensor, (Tensor, Tensor?)> compute, string reduction)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (reduction is not ("sum_over_batch_size" or "mean" or "sum" or "mean_with_sample_weight"))
            throw new FormatException($"loss {name}: the reduction {reduction} is not supported; sum_over_batch_size, sum and "
                + "mean_with_sample_weight are");
        (Name, _compute, _reduction) = (name, compute, reduction);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>
    /// One of Keras's losses by its name or class, such as <c>mse</c> or <c>CategoricalCrossentropy</c>, with Keras's defaults.
    /// </summary>
    /// <exception cref="FormatException">There is no loss of this name.</exception>
    public static KerasLoss Of(string name) => LossTable.Create(name, new ConfigReader(name, []));

    /// <summary>The loss of a batch.</summary>
    /// <param name="target">Targets.</param>
    /// <param name="prediction">Predictions.</param>
    /// <param name="weight">Weights of the examples, or of their time steps; null for none.</param>
    /// <param name="mask">Which elements count; null for all.</param>
    /// <returns>A scalar.</returns>
    public Tensor Compute(Tensor target, Tensor prediction, Tensor? weight = null, Tensor? mask = null)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(prediction);
        (Tensor values, Tensor? own) = _compute(target.is_floating_point()
            ? target.to(ScalarType.Float32)
            : target, prediction.to(ScalarType.Float32));
        if (own is not null)
            mask = mask is null ? own : mask.logical_and(own);
        weight = Matching.Mask(weight?.to(ScalarType.Float32), mask, isMean: _reduction is "sum_over_batch_size" or "mean");
        if (weight is not null)
        {
            (values, weight) = Matching.SameRank(values, weight);
            values = values * weight;
        }

        return _reduction switch
        {
            "sum" => values.sum(),
            "mean_with_sample_weight" when weight is not null => QuotientOrZero(values.sum(), weight.sum()),
            _ => values.mean(),
        };
    }

    // Where all weights are 0, so is the loss, and its gradient.
    static Tensor QuotientOrZero(Tensor x, Tensor divisor) => divisor.ToNumber() == 0 ? x * zeros_like(x) : x / divisor;

    /// <summary>The values for each example, without weights.</summary>
    internal Tensor Values(Tensor target, Tensor prediction) =>
        _compute(target.is_floating_point() ? target.to(ScalarType.Float32) : target, prediction.to(ScalarType.Float32)).Values;

    internal static KerasLoss? FromConfig(JsonNode? node)
    {
        switch (node)
        {
            case null:
                return null;
            case JsonObject serialized:
                var read = KerasObject.Read("loss", serialized);
                if (read.RegisteredName?.Contains('>') == true)
                    throw new FormatException($"loss: '{read.RegisteredName}' is a custom loss, whose code is not in the file. Give a "
                        + "loss in code");
                if (read.ClassName == KerasObject.FunctionClass)
                    return Of(read.Config.ToString());
                return read.Create(config => LossTable.Create(read.ClassName, config));
            default:
                return Of(node.ToString());
        }
    }
}
