namespace Infinorm;

/// <summary>The names of element types in safetensors files.</summary>
static class SafetensorsTypes
{
    static readonly (DType DType, string Name)[] Names =
    [
        (DType.Float16, "F16"), (DType.BFloat16, "BF16"), (DType.Float32, "F32"), (DType.Float64, "F64"), (DType.Int32, "I32"),
        (DType.Int64, "I64"),
    ];

    /// <summary>For messages.</summary>
    public static string Supported { get; } = string.Join(", ", Names.Select(pair => pair.Name));

    /// <summary>"F32" for float32.</summary>
    public static string Format(DType dtype) => Names.First(pair => pair.DType == dtype).Name;

    /// <summary>The type of this name, or null.</summary>
    public static DType? Parse(string name)
    {
        foreach (var pair in Names)
        {
            if (pair.Name == name)
                return pair.DType;
        }

        return null;
    }
}
