using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>Keras's names of element types.</summary>
static class DTypes
{
    public static ScalarType? Parse(string? name) => name switch
    {
        "float16" => ScalarType.Float16,
        "bfloat16" => ScalarType.BFloat16,
        "float32" => ScalarType.Float32,
        "float64" => ScalarType.Float64,
        "int8" => ScalarType.Int8,
        "uint8" => ScalarType.Byte,
        "int16" => ScalarType.Int16,
        "int32" => ScalarType.Int32,
        "int64" => ScalarType.Int64,
        "bool" => ScalarType.Bool,
        _ => null,
    };
}
