using System.Runtime.InteropServices;
using Infinorm.Variables;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>Tensors over the memory of variables, so that an archive, an optimizer and torch have one copy of a weight.</summary>
static class SharedMemory
{
    /// <summary>A tensor that views a variable's elements. The array stays where it is as long as the tensor lives.</summary>
    public static Tensor AsTensor(Variable variable)
    {
        Tensor flat = variable switch
        {
            Variable<float> floats => Of(floats, ScalarType.Float32),
            Variable<double> doubles => Of(doubles, ScalarType.Float64),
            Variable<Half> halves => Of(halves, ScalarType.Float16),
            Variable<Types.BFloat16> bfloats => Of(bfloats, ScalarType.BFloat16),
            Variable<int> ints => Of(ints, ScalarType.Int32),
            Variable<long> longs => Of(longs, ScalarType.Int64),
            _ => throw new NotSupportedException($"{variable.Path}: weights of type {variable.DType} are not supported."),
        };
        var shape = new long[variable.Shape.Length];
        for (int i = 0; i < shape.Length; i++)
            shape[i] = variable.Shape[i];
        using (flat)
            return flat.view(shape).DetachFromDisposeScope();
    }

    static Tensor Of<T>(Variable<T> variable, ScalarType type)
        where T : unmanaged
    {
        if (!MemoryMarshal.TryGetArray<T>(variable.Memory, out ArraySegment<T> segment) || segment.Offset != 0 || segment.Count != segment.Array!.Length)
            throw new NotSupportedException($"{variable.Path}: the variable's memory is not an array of its own.");
        if (segment.Count == 0)
            return empty(0, dtype: type);

        // libtorch knows 16-bit types by other names than .NET; the bytes are the same.
        return frombuffer(segment.Array, type);
    }
}
