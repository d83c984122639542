using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>A copy of a model's parameters and persistent buffers in memory.</summary>
sealed class ModelSnapshot : IDisposable
{
    readonly Dictionary<string, Tensor> _tensors;

    /// <summary>Holds nothing yet.</summary>
    public ModelSnapshot() => _tensors = [];

    /// <summary>Takes tensors over.</summary>
    public ModelSnapshot(IEnumerable<KeyValuePair<string, Tensor>> tensors) => _tensors = new(tensors);

    /// <summary>The copies by name.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => _tensors;

    /// <summary>Copies a model's weights over those that were copied before.</summary>
    public void CopyFrom(nn.Module model)
    {
        using var noGrad = no_grad();
        foreach (var (name, tensor) in model.state_dict())
        {
            if (_tensors.TryGetValue(name, out Tensor? copy))
                copy.copy_(tensor).DetachFromDisposeScope();
            else
                _tensors.Add(name, tensor.detach().clone().DetachFromDisposeScope());
        }
    }

    /// <summary>Copies the weights into the model they are of.</summary>
    public void CopyTo(nn.Module model)
    {
        using var noGrad = no_grad();
        foreach (var (name, tensor) in model.state_dict())
            tensor.copy_(_tensors[name]).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor tensor in _tensors.Values)
            tensor.Dispose();
        _tensors.Clear();
    }
}
