using Infinorm.Types;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>The types of tensors that optimizers step.</summary>
static class TensorTypes
{
    /// <summary>A tensor's element type.</summary>
    /// <exception cref="NotSupportedException">No optimizer steps it.</exception>
    public static DType Of(string name, torch.Tensor tensor) => tensor.dtype switch
    {
        torch.ScalarType.Float32 => DType.Float32,
        torch.ScalarType.Float64 => DType.Float64,
        torch.ScalarType.Float16 => DType.Float16,
        torch.ScalarType.BFloat16 => DType.BFloat16,
        var other => throw new NotSupportedException(
            $"{name}: the tensor is of type {other}; Float32, Float64, Float16 and BFloat16 are supported."),
    };

    /// <summary>The type that a variable of some type is computed in, its slots too.</summary>
    public static torch.ScalarType ComputeTypeOf(DType type) =>
        type == DType.Float64 ? torch.ScalarType.Float64 : torch.ScalarType.Float32;
}
