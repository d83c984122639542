using System.Buffers;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>
/// A tensor's memory as .NET memory, without a copy. The object stays when the tensor's memory moves, as a gradient's does from step to
/// step: <see cref="View"/> tells it where it is now.
/// </summary>
abstract partial class TensorMemory
{
    /// <summary>Has the memory view a contiguous CPU tensor of its type and length, which the caller keeps alive while it is used.</summary>
    public abstract void View(torch.Tensor tensor);

    /// <summary>The memory as a gradient; the same object's are equal.</summary>
    public abstract Gradient AsGradient();

    /// <summary>The memory as rows of a sparse gradient.</summary>
    public abstract RowGradient AsRows(int[] indices);

    /// <summary>The memory as a variable.</summary>
    public abstract Variable AsVariable(string path, ReadOnlySpan<long> shape);

    /// <summary>Memory for tensors of the type and length of this one, which it views at first.</summary>
    /// <exception cref="NotSupportedException">The tensor is of a type that no optimizer steps, or has 2³¹ elements or more.</exception>
    public static TensorMemory Of(string name, torch.Tensor tensor)
    {
        if (tensor.numel() > int.MaxValue)
            throw new NotSupportedException($"{name}: the tensor has {tensor.numel()} elements; at most {int.MaxValue} are supported.");
        int length = (int)tensor.numel();
        TensorMemory memory = tensor.dtype switch
        {
            torch.ScalarType.Float32 => new Typed<float>(length),
            torch.ScalarType.Float64 => new Typed<double>(length),
            torch.ScalarType.Float16 => new Typed<Half>(length),
            torch.ScalarType.BFloat16 => new Typed<Numerics.BFloat16>(length),
            var other => throw new NotSupportedException(
                $"{name}: the tensor is of type {other}; Float32, Float64, Float16 and BFloat16 are supported."),
        };
        memory.View(tensor);
        return memory;
    }

    // Tensor.bytes refuses tensors over 2 GB.
    [LibraryImport("LibTorchSharp")]
    private static partial nint THSTensor_data(nint tensor);

    sealed class Typed<T>(int length) : TensorMemory
        where T : unmanaged
    {
        readonly Manager _manager = new(length);

        public override void View(torch.Tensor tensor) => _manager.Address = THSTensor_data(tensor.Handle);

        public override Gradient AsGradient() => Gradient.Of<T>(_manager.Memory);

        public override RowGradient AsRows(int[] indices) => RowGradient.Of<T>(indices, _manager.Memory);

        public override Variable AsVariable(string path, ReadOnlySpan<long> shape) => new Variable<T>(path, _manager.Memory, shape);

        sealed unsafe class Manager(int length) : MemoryManager<T>
        {
            public nint Address { get; set; }

            public override Span<T> GetSpan() => new((void*)Address, length);

            public override MemoryHandle Pin(int elementIndex = 0) => new((T*)Address + elementIndex);

            public override void Unpin()
            {
            }

            protected override void Dispose(bool disposing)
            {
            }
        }
    }
}
