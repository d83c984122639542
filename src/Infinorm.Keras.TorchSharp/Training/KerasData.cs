using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Training;

/// <summary>Examples with what a model of any number of inputs and outputs should make of them. The tensors stay the caller's.</summary>
public sealed class KerasData
{
    /// <summary>Examples of a model with one input and one output.</summary>
    /// <param name="input">The examples, along the first axis.</param>
    /// <param name="target">What should be predicted for each.</param>
    public KerasData(Tensor input, Tensor target)
        : this([input], [target])
    {
    }

    /// <summary>Examples of a model with several inputs or outputs.</summary>
    /// <param name="inputs">
    /// A tensor for each of the model's inputs, in the order of its <c>InputNames</c>, the examples along its first axis.
    /// </param>
    /// <param name="targets">A tensor for each of its outputs, in the order of <c>OutputNames</c>; null for one that has no loss.</param>
    /// <exception cref="ArgumentException">The tensors have different numbers of examples, or none.</exception>
    public KerasData(IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor?> targets)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        (Inputs, Targets) = (inputs, targets);
        long[] counts = [.. inputs.Concat(targets.OfType<Tensor>()).Select(tensor => tensor.dim() == 0 ? 0 : tensor.shape[0]).Distinct()];
        if (counts is not [> 0])
            throw new ArgumentException($"Inputs and targets need the same number of examples, at least one, along their first axis; "
                + $"found {string.Join(" and ", counts)}.");
        Count = counts[0];
    }

    /// <summary>The inputs.</summary>
    public IReadOnlyList<Tensor> Inputs { get; }

    /// <summary>The targets.</summary>
    public IReadOnlyList<Tensor?> Targets { get; }

    /// <summary>
    /// Weights for each output: one for each example or, of shape (examples, steps), for each time step. An entry is null, or the list
    /// is, for none. The default is none. Keras: <c>sample_weight</c>.
    /// </summary>
    public IReadOnlyList<Tensor?>? SampleWeights { get; init; }

    /// <summary>
    /// Weights by class, for a model of one output whose targets are classes: indices, or vectors with a 1 at the class. What is not listed
    /// has 1. Null, the default, for none. They are for training only, as in Keras: <c>class_weight</c>.
    /// </summary>
    public IReadOnlyDictionary<long, double>? ClassWeights { get; init; }

    /// <summary>The number of examples.</summary>
    public long Count { get; }

    /// <summary>Some of the examples.</summary>
    /// <param name="rows">Their numbers.</param>
    /// <param name="outputs">How many outputs the model has.</param>
    /// <param name="training">Whether class weights count.</param>
    internal (Tensor[] Inputs, Tensor?[] Targets, Tensor?[] Weights) Rows(Tensor rows, int outputs, bool training) =>
        Rows(tensor => tensor.index_select(0, rows), outputs, training);

    /// <summary>Examples that follow each other: no copy.</summary>
    /// <param name="start">The first.</param>
    /// <param name="count">How many.</param>
    /// <param name="outputs">How many outputs the model has.</param>
    /// <param name="training">Whether class weights count.</param>
    internal (Tensor[] Inputs, Tensor?[] Targets, Tensor?[] Weights) Rows(long start, long count, int outputs, bool training) =>
        Rows(tensor => tensor.narrow(0, start, count), outputs, training);

    (Tensor[] Inputs, Tensor?[] Targets, Tensor?[] Weights) Rows(Func<Tensor, Tensor> pick, int outputs, bool training)
    {
        Tensor?[] targets = [.. Targets.Select(target => target is null ? null : pick(target))];
        Tensor?[] weights = [.. Enumerable.Range(0, outputs).Select(i => SampleWeights?[i] is { } weight ? pick(weight) : null)];
        if (training && ClassWeights is not null)
        {
            Tensor byClass = OfClasses(targets[0]!);
            weights[0] = weights[0] is { } given ? given * Matching.Extend(byClass, given.dim()) : byClass;
        }

        return ([.. Inputs.Select(pick)], targets, weights);
    }

    /// <exception cref="ArgumentException">The lists do not fit a model.</exception>
    internal void CheckFits(IReadOnlyList<string> inputs, IReadOnlyList<string> outputs)
    {
        Check(Inputs.Count, inputs, "inputs");
        Check(Targets.Count, outputs, "targets");
        if (SampleWeights is not null)
            Check(SampleWeights.Count, outputs, "sample weights");
        if (ClassWeights is not null && (Targets.Count != 1 || Targets[0] is null))
            throw new ArgumentException($"Class weights are for a model of one output; this one has {Targets.Count} "
                + $"({string.Join(", ", outputs)}).");

        static void Check(int count, IReadOnlyList<string> names, string what)
        {
            if (count != names.Count)
                throw new ArgumentException($"The data have {count} {what}, the model has {names.Count}: {string.Join(", ", names)}.");
        }
    }

    Tensor OfClasses(Tensor target)
    {
        Tensor indices = target.dim() > 1 && target.shape[^1] > 1 ? target.argmax(-1) : target.dim() > 1 ? target.squeeze(-1) : target;
        Tensor weights = ones(indices.shape, dtype: ScalarType.Float32);
        foreach ((long index, double weight) in ClassWeights!)
            weights = weights.masked_fill(indices.eq(Constant(index)), Constant(weight));
        return weights;
    }
}
