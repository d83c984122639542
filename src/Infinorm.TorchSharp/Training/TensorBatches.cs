using System.Collections;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Batches of examples in two tensors, one example per row. Torch's generator shuffles them again for each enumeration, that is for each
/// epoch; under <see cref="Trainer.Fit"/> the order follows from the seed.
/// </summary>
public sealed class TensorBatches : IReadOnlyCollection<(Tensor Input, Tensor Target)>
{
    readonly Tensor _inputs, _targets;
    readonly int _batchSize;
    readonly bool _shuffle, _dropLast;

    /// <summary>Views two tensors, which stay the caller's.</summary>
    /// <param name="inputs">The examples, along the first axis.</param>
    /// <param name="targets">What should be predicted for each.</param>
    /// <param name="batchSize">Examples in a batch, ≥ 1. The default is 32. Keras: <c>batch_size</c>.</param>
    /// <param name="shuffle">Whether each epoch has a new random order. The default is true. Keras: <c>shuffle</c>.</param>
    /// <param name="dropLast">Whether a last batch with fewer examples is left out. The default is false.</param>
    /// <exception cref="ArgumentException">The tensors have different numbers of examples, or none.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The batch size is below 1.</exception>
    public TensorBatches(Tensor inputs, Tensor targets, int batchSize = 32, bool shuffle = true, bool dropLast = false)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        if (inputs.dim() == 0 || targets.dim() == 0 || inputs.shape[0] != targets.shape[0] || inputs.shape[0] == 0)
        {
            throw new ArgumentException(
                $"Inputs and targets need the same number of examples, at least one, along their first axis: found the shapes "
                + $"{inputs.Shape()} and {targets.Shape()}.");
        }

        (_inputs, _targets, _batchSize, _shuffle, _dropLast) = (inputs, targets, batchSize, shuffle, dropLast);
    }

    /// <summary>The number of batches.</summary>
    public int Count => checked((int)(_dropLast ? Examples / _batchSize : (Examples + _batchSize - 1) / _batchSize));

    long Examples => _inputs.shape[0];

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
            new(_inputs.narrow(0, 0, training), _targets.narrow(0, 0, training), _batchSize, _shuffle, _dropLast),
            new(Rest(_inputs), Rest(_targets), _batchSize, shuffle: false));

        Tensor Rest(Tensor tensor) => tensor.narrow(0, training, Examples - training);
    }

    /// <summary>
    /// The batches of one epoch, as new tensors that whoever enumerates may keep or dispose; <see cref="Trainer"/> disposes each after its
    /// step. Batches that are not kept are freed eventually.
    /// </summary>
    public IEnumerator<(Tensor Input, Tensor Target)> GetEnumerator()
    {
        using Tensor? order = _shuffle ? randperm(Examples).DetachFromDisposeScope() : null;
        for (int i = 0; i < Count; i++)
        {
            long start = (long)i * _batchSize, length = Math.Min(_batchSize, Examples - start);
            using Tensor? rows = order?.narrow(0, start, length).DetachFromDisposeScope();
            Tensor input = Batch(_inputs), target = Batch(_targets);
            yield return (input, target);
            NativeMemoryPressure.Add([input, target]);

            Tensor Batch(Tensor all) => rows is null ? all.narrow(0, start, length) : all.index_select(0, rows);
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
