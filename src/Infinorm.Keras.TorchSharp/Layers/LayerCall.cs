using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>
/// One call of a layer: its arguments, as Keras calls <c>layer(*args, **kwargs)</c>, the masks that travel with the tensors, and whether
/// the model is being trained. An argument is a tensor, a list or dictionary of arguments, a number, a text, a bool, or null.
/// </summary>
public sealed class LayerCall
{
    internal LayerCall(ForwardContext context, IReadOnlyList<object?> arguments, IReadOnlyDictionary<string, object?>? named = null)
    {
        Arguments = arguments;
        Named = named ?? Values.NoNames;
        Context = Named.GetValueOrDefault("training") is bool training ? context.In(training) : context;
    }

    /// <summary>The arguments by position.</summary>
    public IReadOnlyList<object?> Arguments { get; }

    /// <summary>The arguments by name.</summary>
    public IReadOnlyDictionary<string, object?> Named { get; }

    /// <summary>Whether the model is being trained.</summary>
    public bool Training => Context.Training;

    /// <summary>The first argument, for a layer that takes one tensor.</summary>
    public Tensor Input => Arguments.Count > 0 && Arguments[0] is Tensor tensor
        ? tensor
        : throw new InvalidOperationException("The layer takes one tensor, and is called with something else.");

    /// <summary>The tensors of the first argument, for a layer that takes a list of them.</summary>
    public IReadOnlyList<Tensor> Inputs => field ??= [.. Values.Tensors(Arguments.Count > 0 ? Arguments[0] : null)];

    /// <summary>
    /// The mask: the argument <c>mask</c> or, where the layer is called with one tensor only, the one that travels with it. Null for none.
    /// </summary>
    public Tensor? Mask => Named.GetValueOrDefault("mask") as Tensor ?? (IsSingle && Arguments[0] is Tensor input ? MaskOf(input) : null);

    internal ForwardContext Context { get; }

    /// <summary>The mask that travels with a tensor; null for none.</summary>
    public Tensor? MaskOf(Tensor tensor) => Context.MaskOf(tensor);

    /// <summary>An argument that can be given by position or by name; null where it is not given.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="position">Its position from 0; -1 where it is only given by name.</param>
    public object? Argument(string name, int position = -1) =>
        Named.TryGetValue(name, out object? value) ? value : position >= 0 && position < Arguments.Count ? Arguments[position] : null;

    /// <summary>Adds a scalar to the loss of this step. Keras: <c>add_loss</c>.</summary>
    public void AddLoss(Tensor loss) => Context.AddLoss(loss);

    /// <summary>The masks of the list that is the first argument: given, or travelling with the tensors.</summary>
    internal Tensor?[] Masks => Named.GetValueOrDefault("mask") is IReadOnlyList<object?> given
        ? [.. given.Select(mask => mask as Tensor)]
        : [.. Inputs.Select(MaskOf)];

    // Keras looks for the mask of "the" tensor only where no second argument is a tensor.
    bool IsSingle => Arguments.Skip(1).Concat(Named.Values).All(argument => !Values.Tensors(argument).Any());
}
