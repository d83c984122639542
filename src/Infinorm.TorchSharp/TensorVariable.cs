using System.Buffers;
using Infinorm.Variables;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>
/// A variable whose elements are a tensor's, on any device. What is read of it is a copy; it is written as a whole.
/// </summary>
sealed class TensorVariable : Variable
{
    public TensorVariable(string path, torch.Tensor tensor)
        : base(path, TensorTypes.Of(path, tensor), checked((int)tensor.numel()), [.. tensor.shape.Select(size => (nint)size)])
    {
        Tensor = tensor;
    }

    /// <summary>The elements.</summary>
    public torch.Tensor Tensor { get; }

    internal override void VisitBytes(Action<Span<byte>> visit, bool writes)
    {
        using torch.Tensor onCpu = writes ? torch.empty(Tensor.shape, Tensor.dtype) : OnCpu();
        onCpu.VisitBytes(visit);
        if (writes)
            Set(onCpu);
    }

    internal override Variable Copy()
    {
        using torch.Tensor detached = Tensor.detach();
        return new TensorVariable(Path, detached.clone().DetachFromDisposeScope());
    }

    internal override void ReleaseCopy() => Tensor.Dispose();

    internal override TypedMemory Elements => throw NotMemory();

    internal override MemoryHandle Pin() => throw NotMemory();

    internal override Variable With(NdArray value) => throw NotMemory();

    internal override void CopyFrom(Variable source) => Set(((TensorVariable)source).Tensor);

    void Set(torch.Tensor values)
    {
        using var noGrad = torch.no_grad();
        Tensor.copy_(values);
    }

    torch.Tensor OnCpu()
    {
        using torch.Tensor detached = Tensor.detach();
        using torch.Tensor onCpu = detached.cpu();
        return onCpu.contiguous();
    }

    NotSupportedException NotMemory() => new($"{Path}: the variable is a tensor on {Tensor.device}, not memory.");
}
