using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Some examples, along the first axis of each tensor, with what should be predicted for them. A pair <c>(input, target)</c> and a triple
/// <c>(input, target, weights)</c> are converted to one. A batch does not own its tensors.
/// </summary>
public sealed class Batch
{
    /// <summary>A batch for a model of one input and one output.</summary>
    /// <param name="input">The examples.</param>
    /// <param name="target">What should be predicted for each.</param>
    /// <param name="weights">As <see cref="Weights"/>.</param>
    public Batch(Tensor input, Tensor target, Tensor? weights = null)
        : this([input], [target], weights)
    {
    }

    /// <summary>A batch for a model of several inputs or outputs.</summary>
    /// <param name="inputs">The examples: a tensor for each input of the model.</param>
    /// <param name="targets">What should be predicted: a tensor for each target that the loss needs.</param>
    /// <param name="weights">As <see cref="Weights"/>.</param>
    /// <exception cref="ArgumentException">There is no input or no target.</exception>
    public Batch(IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> targets, Tensor? weights = null)
    {
        (Inputs, Targets, Weights) = (Checked(inputs, nameof(inputs)), Checked(targets, nameof(targets)), weights);
    }

    /// <summary>The examples: a tensor for each input.</summary>
    public IReadOnlyList<Tensor> Inputs { get; }

    /// <summary>What should be predicted: a tensor for each target.</summary>
    public IReadOnlyList<Tensor> Targets { get; }

    /// <summary>
    /// The weight of each example, of shape (examples), or of each time step of each example, of shape (examples, steps): finite numbers ≥ 0.
    /// The default is null: all count 1. Keras: <c>sample_weight</c>.
    /// </summary>
    public Tensor? Weights { get; }

    /// <summary>The first input: the only one where the model has one.</summary>
    public Tensor Input => Inputs[0];

    /// <summary>The first target: the only one where the model has one output.</summary>
    public Tensor Target => Targets[0];

    /// <summary>All tensors of the batch.</summary>
    internal IEnumerable<Tensor> Tensors => [.. Inputs, .. Targets, .. Weights is null ? (Tensor[])[] : [Weights]];

    /// <summary>The first input and the first target.</summary>
    /// <param name="input">The first input.</param>
    /// <param name="target">The first target.</param>
    public void Deconstruct(out Tensor input, out Tensor target) => (input, target) = (Input, Target);

    /// <summary>A batch for a model of one input and one output.</summary>
    /// <param name="pair">The examples, and what should be predicted for each.</param>
    public static implicit operator Batch((Tensor Input, Tensor Target) pair) => new(pair.Input, pair.Target);

    /// <summary>A batch for a model of one input and one output, with weights.</summary>
    /// <param name="triple">The examples, what should be predicted for each, and how much each counts.</param>
    public static implicit operator Batch((Tensor Input, Tensor Target, Tensor Weights) triple) =>
        new(triple.Input, triple.Target, triple.Weights);

    /// <summary>This batch on a device: itself where its tensors are there; else with new ones.</summary>
    internal Batch To(Device device)
    {
        Tensor[] tensors = [.. Tensors];
        if (tensors.All(tensor => tensor.IsInvalid || tensor.IsOn(device)))
            return this;
        return new(Moved(Inputs), Moved(Targets), Weights?.to(device));

        Tensor[] Moved(IReadOnlyList<Tensor> list) => [.. list.Select(tensor => tensor.IsInvalid ? tensor : tensor.to(device))];
    }

    static Tensor[] Checked(IReadOnlyList<Tensor> tensors, string name)
    {
        ArgumentNullException.ThrowIfNull(tensors, name);
        return tensors.Count > 0 && !tensors.Contains(null!)
            ? [.. tensors]
            : throw new ArgumentException($"A batch has at least one tensor of {name}, and none of them is null.", name);
    }
}
