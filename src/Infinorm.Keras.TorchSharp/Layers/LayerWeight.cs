using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>A weight of a layer, in Keras's layout, in the memory of the archive's variable.</summary>
public sealed class LayerWeight
{
    readonly KerasLayer _layer;
    Tensor? _tensor;

    internal LayerWeight(KerasLayer layer, string name, Regularizer? regularizer, bool isParameter)
    {
        _layer = layer;
        Name = name;
        Regularizer = regularizer;
        IsParameter = isParameter;
    }

    /// <summary>Its name, such as <c>kernel</c>.</summary>
    public string Name { get; }

    /// <summary>The layer's path and the name: <c>dense/kernel</c>.</summary>
    public string Path => _layer.Path.Length == 0 ? Name : $"{_layer.Path}/{Name}";

    /// <summary>The weight itself.</summary>
    /// <exception cref="InvalidOperationException">The model is not built yet.</exception>
    public Tensor Tensor => _tensor ?? throw new InvalidOperationException($"{Path}: weights are there after the model is built, not in a layer's constructor.");

    /// <summary>The weight in the type that its layer computes in.</summary>
    public Tensor Value => Tensor.dtype == _layer.ComputeType || !Tensor.is_floating_point() ? Tensor : Tensor.to(_layer.ComputeType);

    internal Regularizer? Regularizer { get; }

    /// <summary>Whether gradients train it if its layer is trainable.</summary>
    internal bool IsParameter { get; }

    /// <summary>What the archive has of it.</summary>
    internal KerasWeight? Stored { get; private set; }

    internal Parameter? Parameter => _tensor as Parameter;

    internal void Bind(KerasWeight stored)
    {
        Stored = stored;
        Tensor shared = SharedMemory.AsTensor(stored.Variable);
        _tensor = IsParameter ? new Parameter(shared, requires_grad: stored.IsTrainable) : shared;
    }

    /// <summary>Freezes the weight, or has it trained, if it is one that gradients train.</summary>
    internal void SetTrained(bool isTrained, KerasArchive? archive)
    {
        if (Parameter is not { } parameter)
            return;
        parameter.requires_grad = isTrained;
        archive!.SetTrainable(Stored!, isTrained);
    }

    /// <summary>Sets the weight where it is, as training does with statistics.</summary>
    internal void Assign(Tensor value)
    {
        using var noGrad = no_grad();
        Tensor.copy_(value);
    }
}
