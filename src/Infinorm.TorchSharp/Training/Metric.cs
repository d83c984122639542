using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// A number that says how good predictions are, shown beside the loss. It is computed from sums over the examples, so its value over an epoch
/// does not depend on the division into batches, and a run that is stopped within an epoch can continue it. A metric has no state of its own:
/// several trainers may use the same one.
/// </summary>
public sealed partial class Metric
{
    readonly Func<Tensor, Tensor, Tensor?, double[]> _sums;
    readonly Func<IReadOnlyList<double>, double> _result;

    /// <summary>A mean.</summary>
    /// <param name="name">Its name in histories and logs; with the prefix <c>val_</c> for the validation data.</param>
    /// <param name="compute">
    /// Takes predictions and targets of one batch and returns a value for each example, or for each element of it, with the examples along
    /// the first axis; over an epoch it is their mean, weighted where examples are. Or it returns one number, the mean over the batch: it
    /// counts by the batch's number of examples, and cannot be weighted.
    /// </param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public Metric(string name, Func<Tensor, Tensor, Tensor> compute)
        : this(2, (prediction, target, weights) => MeanSums(name, compute, prediction, target, weights), sums => sums[0] / sums[1], name) =>
        ArgumentNullException.ThrowIfNull(compute);

    /// <summary>
    /// A number that is computed from sums over the examples, such as counts of hits and misses:
    /// <c>new Metric("mse", 2, (p, t, w) =&gt; stack([((p - t).square() * w).sum(), w.sum()]), sums =&gt; sums[0] / sums[1])</c>.
    /// </summary>
    /// <param name="name">Its name in histories and logs; with the prefix <c>val_</c> for the validation data.</param>
    /// <param name="count">How many sums there are, ≥ 1.</param>
    /// <param name="sums">
    /// Takes predictions, targets and weights of one batch and returns the sums over the batch: a tensor of <paramref name="count"/>
    /// numbers. Weights are of type float64 and have the shape of the targets; they are 1 where none are given.
    /// </param>
    /// <param name="result">Takes the sums over all batches and returns the number. What is not defined, as 0 / 0, is NaN.</param>
    /// <exception cref="ArgumentException">The name is empty, or the count below 1.</exception>
    public Metric(
        string name, int count, Func<Tensor, Tensor, Tensor, Tensor> sums, Func<IReadOnlyList<double>, double> result)
        : this(count, (prediction, target, weights) => Sums(name, count, sums, prediction, target, weights), result, name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentNullException.ThrowIfNull(sums);
        ArgumentNullException.ThrowIfNull(result);
    }

    Metric(
        int count, Func<Tensor, Tensor, Tensor?, double[]> sums, Func<IReadOnlyList<double>, double> result, string name)
    {
        Name = string.IsNullOrEmpty(name) ? throw new ArgumentException("A metric needs a name.", nameof(name)) : name;
        (Count, _sums, _result) = (count, sums, result);
    }

    /// <summary>Its name in histories and logs; with the prefix <c>val_</c> for the validation data.</summary>
    public string Name { get; }

    /// <summary>
    /// Whether a larger value is better: <see cref="Callbacks.EarlyStopping"/> and <see cref="Callbacks.Checkpoint"/> ask for it. The
    /// default is null: they must be told.
    /// </summary>
    public bool? LargerIsBetter { get; init; }

    /// <summary>
    /// Whether sample and class weights count. The default is true, as for Keras's <c>weighted_metrics</c>; false for <c>metrics</c>.
    /// </summary>
    public bool IsWeighted { get; init; } = true;

    /// <summary>The number of sums.</summary>
    internal int Count { get; }

    int Output { get; init; }

    /// <summary>The same metric of another output of a model that has several.</summary>
    /// <param name="output">The index of the output and of its target, from 0. By default, a metric belongs to the first.</param>
    /// <param name="name">Its name, so that several can be told apart.</param>
    /// <exception cref="ArgumentException">The output is below 0, or the name empty.</exception>
    public Metric For(int output, string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(output);
        return new(Count, _sums, _result, name) { LargerIsBetter = LargerIsBetter, IsWeighted = IsWeighted, Output = output };
    }

    /// <summary>Its name.</summary>
    public override string ToString() => Name;

    /// <summary>The sums over a batch.</summary>
    /// <exception cref="ArgumentException">The model has no such output, or there is no such target.</exception>
    internal double[] SumsOf(IReadOnlyList<Tensor> predictions, IReadOnlyList<Tensor> targets, Tensor? weights) =>
        Output < Math.Min(predictions.Count, targets.Count)
            ? _sums(predictions[Output], targets[Output], IsWeighted ? weights : null)
            : throw new ArgumentException(
                $"The metric '{Name}' is of output {Output}; the model has {predictions.Count} outputs, the batch "
                + $"{targets.Count} targets.");

    /// <summary>The number that sums stand for.</summary>
    internal double ResultOf(ReadOnlySpan<double> sums) => _result(sums.ToArray());

    // The sum of the values and how many they are, both weighted where there are weights.
    static double[] MeanSums(string name, Func<Tensor, Tensor, Tensor> compute, Tensor prediction, Tensor target, Tensor? weights)
    {
        Tensor values = compute(prediction, target);
        long examples = prediction.dim() == 0 ? 1 : prediction.shape[0];
        bool isOfExamples = values.dim() > 0 && values.shape[0] == examples;
        if (!isOfExamples && values.numel() != 1)
        {
            throw new InvalidOperationException(
                $"The metric '{name}' has the shape {values.Shape()}; it must be one number, or one for each of the {examples} examples.");
        }

        if (weights is null)
            return [examples * (values.numel() == 1 ? values.ToNumber() : values.to(ScalarType.Float64).mean().ToNumber()), examples];
        if (!isOfExamples)
        {
            throw new InvalidOperationException(
                $"The metric '{name}' is one number for the batch, which cannot be weighted: return one for each example, or set "
                + $"{nameof(IsWeighted)} to false.");
        }

        values = values.to(ScalarType.Float64);
        if (values.dim() > weights.dim())
            values = values.mean([.. Enumerable.Range((int)weights.dim(), (int)(values.dim() - weights.dim())).Select(axis => (long)axis)]);
        Tensor fitting = weights.to(ScalarType.Float64).Like(values).expand(values.shape);
        return [(values * fitting).sum().ToNumber(), fitting.sum().ToNumber()];
    }

    static double[] Sums(
        string name, int count, Func<Tensor, Tensor, Tensor, Tensor> sums, Tensor prediction, Tensor target, Tensor? weights)
    {
        Tensor each = weights?.to(ScalarType.Float64)
            ?? ones([target.dim() == 0 ? 1 : target.shape[0]], dtype: ScalarType.Float64, device: target.device);
        double[] found = Numbers(sums(prediction, target, each.Like(target).expand(target.shape)));
        return found.Length == count
            ? found
            : throw new InvalidOperationException($"The metric '{name}' gave {found.Length} sums for a batch; it was made with {count}.");
    }

    static double[] Numbers(Tensor tensor) => tensor.to(ScalarType.Float64).cpu().contiguous().view(-1).data<double>().ToArray();
}
