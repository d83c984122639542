using System.Buffers;
using Infinorm.Types;
using Infinorm.Variables;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>
/// A tensor's memory as .NET memory, without a copy. The object stays when the tensor's memory moves, as a gradient's does from step to
/// step: <see cref="View"/> tells it where it is now.
/// </summary>
abstract class TensorMemory
{
    /// <summary>Where the memory is; whoever sets it keeps it alive while it is used.</summary>
    public abstract nint Address { get; set; }

    /// <summary>The memory as a gradient; the same object's are equal.</summary>
    public abstract Gradient AsGradient();

    /// <summary>The memory as rows of a sparse gradient.</summary>
    public abstract RowGradient AsRows(int[] indices);

    /// <summary>The memory as a variable.</summary>
    public abstract Variable AsVariable(string path, ReadOnlySpan<long> shape);

    /// <summary>Has the memory view a contiguous CPU tensor of its type and length.</summary>
    public void View(torch.Tensor tensor) => Address = AddressOf(tensor);

    /// <summary>Memory of the type and length of a contiguous CPU tensor, which it views at first.</summary>
    /// <param name="name">Of the parameter, for messages.</param>
    /// <param name="tensor">What it views.</param>
    /// <param name="owner">A parameter that, once disposed, takes the memory with it; null where the caller sees to that.</param>
    /// <exception cref="NotSupportedException">The tensor is of a type that no optimizer steps.</exception>
    public static TensorMemory Of(string name, torch.Tensor tensor, torch.Tensor? owner = null)
    {
        int length = checked((int)tensor.numel());
        TensorMemory memory = TensorTypes.Of(name, tensor) switch
        {
            DType.Float16 => new Typed<Half>(name, length, owner),
            DType.BFloat16 => new Typed<Types.BFloat16>(name, length, owner),
            DType.Float32 => new Typed<float>(name, length, owner),
            _ => new Typed<double>(name, length, owner),
        };
        memory.View(tensor);
        return memory;
    }

    /// <summary>Where the elements of a contiguous CPU tensor are.</summary>
    // Tensor.bytes refuses tensors over 2 GB.
    public static unsafe nint AddressOf(torch.Tensor tensor)
    {
        if (NativeTensor.IsAvailable)
            return NativeTensor.THSTensor_data(tensor.Handle);
        fixed (byte* first = tensor.bytes)
            return (nint)first;
    }

    sealed class Typed<T>(string name, int length, torch.Tensor? owner) : TensorMemory
        where T : unmanaged
    {
        readonly Manager _manager = new(name, length, owner);

        public override nint Address
        {
            get => _manager.Address;
            set => _manager.Address = value;
        }

        public override Gradient AsGradient() => Gradient.Of<T>(_manager.Memory);

        public override RowGradient AsRows(int[] indices) => RowGradient.Of<T>(indices, _manager.Memory);

        public override Variable AsVariable(string path, ReadOnlySpan<long> shape) => new Variable<T>(path, _manager.Memory, shape);

        sealed unsafe class Manager(string name, int length, torch.Tensor? owner) : MemoryManager<T>, IVouchedMemory
        {
            public nint Address { get; set; }

            public override Span<T> GetSpan() => new(First(), length);

            public override MemoryHandle Pin(int elementIndex = 0) => new(First() + elementIndex);

            public override void Unpin()
            {
            }

            protected override void Dispose(bool disposing)
            {
            }

            T* First() => owner is { IsInvalid: true }
                ? throw new InvalidOperationException($"{name}: the parameter was disposed, or replaced by moving the model.")
                : (T*)Address;
        }
    }
}
