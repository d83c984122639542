using Infinorm.Types;

namespace Infinorm.Checkpoints;

/// <summary>The names of element types in safetensors files.</summary>
static class SafetensorsTypes
{
    static readonly (DType DType, string Name)[] Names =
    [
        (DType.Float16, "F16"), (DType.BFloat16, "BF16"), (DType.Float32, "F32"), (DType.Float64, "F64"), (DType.Int32, "I32"),
        (DType.Int64, "I64"), (DType.UInt8, "U8"),
    ];

    // Listed, not read: how many bits an element has.
    static readonly (string Name, int Bits)[] Others =
    [
        ("BOOL", 8), ("I8", 8), ("I16", 16), ("U16", 16), ("U32", 32), ("U64", 64), ("C64", 64), ("F4", 4), ("F6_E2M3", 6),
        ("F6_E3M2", 6), ("F8_E4M3", 8), ("F8_E5M2", 8), ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8),
    ];

    /// <summary>For messages.</summary>
    public static string Supported { get; } = string.Join(", ", [.. Names.Select(pair => pair.Name), .. Others.Select(pair => pair.Name)]);

    /// <summary>The name of a type, or null if there is no type of this name.</summary>
    public static string? Known(string name) =>
        Names.FirstOrDefault(pair => pair.Name == name).Name ?? Others.FirstOrDefault(pair => pair.Name == name).Name;

    /// <summary>The size in bytes of a number of elements, of a type that is not read.</summary>
    public static long OtherByteLength(string name, int length) => (((long)length * Others.First(pair => pair.Name == name).Bits) + 7) / 8;

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
