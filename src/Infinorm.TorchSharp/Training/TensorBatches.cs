using System.Collections;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Batches of examples in tensors, one example per row. Torch's generator shuffles them again for each enumeration, that is for each
/// epoch; under <see cref="Trainer.Fit(IEnumerable{Batch}, int, FitOptions?, CancellationToken)"/> the order follows from the seed.
/// </summary>
public sealed class TensorBatches : IReadOnlyCollection<Batch>
{
    readonly Batch _all;
    readonly int _batchSize;
    readonly bool _shuffle, _dropLast;

    /// <summary>Views two tensors, which stay the caller's.</summary>
    /// <param name="inputs">The examples, along the first axis.</param>
    /// <param name="targets">What should be predicted for each.</param>
    /// <param name="batchSize">Examples in a batch, ≥ 1. The default is 32. Keras: <c>batch_size</c>.</param>
    /// <param name="shuffle">Whether each epoch has a new random order. The default is true. Keras: <c>shuffle</c>.</param>
    /// <param name="dropLast">Whether a last batch with fewer examples is left out. The default is false.</param>
    /// <param name="weights">
    /// How much each example counts, as <see cref="Batch.Weights"/>; null, the default, for 1 each. Keras: <c>sample_weight</c>.
    /// </param>
    /// <exception cref="ArgumentException">
    /// The tensors have different numbers of examples, or none, or a weight is negative or not finite.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The batch size is below 1.</exception>
    public TensorBatches(
        Tensor inputs, Tensor targets, int batchSize = 32, bool shuffle = true, bool dropLast = false, Tensor? weights = null)
        : this(
            [inputs ?? throw new ArgumentNullException(nameof(inputs))], [targets ?? throw new ArgumentNullException(nameof(targets))],
            batchSize, shuffle, dropLast, weights)
    {
    }

    /// <summary>Views tensors for a model of several inputs or outputs; they stay the caller's.</summary>
    /// <param name="inputs">The examples: a tensor for each input, the examples along its first axis.</param>
    /// <param name="targets">What should be predicted: a tensor for each target that the loss needs.</param>
    /// <param name="batchSize">Examples in a batch, ≥ 1. The default is 32. Keras: <c>batch_size</c>.</param>
    /// <param name="shuffle">Whether each epoch has a new random order. The default is true. Keras: <c>shuffle</c>.</param>
    /// <param name="dropLast">Whether a last batch with fewer examples is left out. The default is false.</param>
    /// <param name="weights">How much each example counts, as <see cref="Batch.Weights"/>; null, the default, for 1 each.</param>
    /// <inheritdoc cref="TensorBatches(Tensor, Tensor, int, bool, bool, Tensor?)" path="/exception"/>
    public TensorBatches(
        IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> targets, int batchSize = 32, bool shuffle = true, bool dropLast = false,
        Tensor? weights = null)
        : this(new Batch(inputs, targets, weights), batchSize, shuffle, dropLast)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        if (Examples == 0 || _all.Tensors.Any(tensor => tensor.dim() == 0 || tensor.shape[0] != Examples))
        {
            throw new ArgumentException(
                "Inputs and targets need the same number of examples, at least one, along their first axis: found the shapes "
                + $"{string.Join(" and ", _all.Tensors.Select(tensor => tensor.Shape()))}.");
        }

        if (weights is not null)
            ExampleWeights.Check(weights);
    }

    TensorBatches(Batch all, int batchSize, bool shuffle, bool dropLast) =>
        (_all, _batchSize, _shuffle, _dropLast) = (all, batchSize, shuffle, dropLast);

    /// <summary>The number of batches.</summary>
    public int Count => checked((int)(_dropLast ? Examples / _batchSize : (Examples + _batchSize - 1) / _batchSize));

    long Examples => _all.Input.dim() == 0 ? 0 : _all.Input.shape[0];

    /// <summary>What batches there are, such as <c>70 examples in batches of 8</c>.</summary>
    public override string ToString() => $"{Examples} examples in batches of {_batchSize}{(_dropLast ? ", whole ones only" : "")}";

    /// <summary>Divides the examples: the first ones to train with, the last ones, in their order, to validate with.</summary>
    /// <param name="validation">The part of the second, in (0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is outside (0, 1), or so small or large that one has no example.</exception>
    public (TensorBatches Training, TensorBatches Validation) Split(double validation)
    {
        long training = validation is > 0 and < 1 ? (long)Math.Floor(Examples * (1 - validation)) : 0;
        if (training == 0 || training == Examples)
        {
            throw new ArgumentOutOfRangeException(
                nameof(validation), validation,
                $"The validation split must be between 0 and 1 and leave at least one of {Examples} examples on each side.");
        }

        return (
            new(Each(tensor => tensor.narrow(0, 0, training)), _batchSize, _shuffle, _dropLast),
            new(Each(tensor => tensor.narrow(0, training, Examples - training)), _batchSize, shuffle: false, dropLast: false));
    }

    /// <summary>
    /// The batches of one epoch, as new tensors that the caller may keep or dispose; <see cref="Trainer"/> disposes each after its step.
    /// Batches that are not kept are freed eventually.
    /// </summary>
    public IEnumerator<Batch> GetEnumerator()
    {
        using Tensor? order = _shuffle ? randperm(Examples).DetachFromDisposeScope() : null;
        for (int i = 0; i < Count; i++)
        {
            long start = (long)i * _batchSize, length = Math.Min(_batchSize, Examples - start);
            using Tensor? rows = order?.narrow(0, start, length).DetachFromDisposeScope();
            Batch batch = Each(all => rows is null ? all.narrow(0, start, length) : all.index_select(0, rows));
            yield return batch;
            NativeMemoryPressure.Add(batch.Tensors);
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    Batch Each(Func<Tensor, Tensor> part) =>
        new([.. _all.Inputs.Select(part)], [.. _all.Targets.Select(part)], _all.Weights is null ? null : part(_all.Weights));
}
