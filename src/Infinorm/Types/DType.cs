using System.Runtime.CompilerServices;

namespace Infinorm.Types;

/// <summary>The element types of variables and arrays, under Keras's names.</summary>
public enum DType
{
    /// <summary><see cref="Half"/>, 2 bytes; Keras: <c>float16</c>.</summary>
    Float16,

    /// <summary><see cref="BFloat16"/>, 2 bytes; Keras: <c>bfloat16</c>.</summary>
    BFloat16,

    /// <summary><see cref="float"/>, 4 bytes; Keras: <c>float32</c>.</summary>
    Float32,

    /// <summary><see cref="double"/>, 8 bytes; Keras: <c>float64</c>.</summary>
    Float64,

    /// <summary><see cref="int"/>, 4 bytes; Keras: <c>int32</c>.</summary>
    Int32,

    /// <summary><see cref="long"/>, 8 bytes; Keras: <c>int64</c>.</summary>
    Int64,

    /// <summary><see cref="byte"/>, 1 byte; Keras: <c>uint8</c>.</summary>
    UInt8,
}

static class DTypes
{
    // By number, in the order of the enumeration: it is asked for in the step.
    static ReadOnlySpan<byte> Sizes => [2, 2, 4, 8, 4, 8, 1];

    /// <summary>Bytes of one element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Size(this DType type) => (uint)type < (uint)Sizes.Length ? Sizes[(int)type] : throw NotADType(type);

    /// <summary>Whether the elements are numbers of floating point, as trained variables and gradients are.</summary>
    public static bool IsFloating(this DType type) => type is DType.Float16 or DType.BFloat16 or DType.Float32 or DType.Float64;

    /// <summary>The name in Keras and NumPy: "float32".</summary>
    public static string KerasName(this DType type) => type switch
    {
        DType.Float16 => "float16",
        DType.BFloat16 => "bfloat16",
        DType.Float32 => "float32",
        DType.Float64 => "float64",
        DType.Int32 => "int32",
        DType.Int64 => "int64",
        DType.UInt8 => "uint8",
        _ => throw NotADType(type),
    };

    /// <summary>The dtype whose elements are of type <typeparamref name="T"/>.</summary>
    /// <exception cref="NotSupportedException">There is none.</exception>
    public static DType Of<T>()
    {
        if (typeof(T) == typeof(float))
            return DType.Float32;
        if (typeof(T) == typeof(double))
            return DType.Float64;
        if (typeof(T) == typeof(Half))
            return DType.Float16;
        if (typeof(T) == typeof(BFloat16))
            return DType.BFloat16;
        if (typeof(T) == typeof(int))
            return DType.Int32;
        if (typeof(T) == typeof(long))
            return DType.Int64;
        if (typeof(T) == typeof(byte))
            return DType.UInt8;
        throw new NotSupportedException(
            $"Elements of type {typeof(T)} are not supported; use float, double, Half, BFloat16, int, long or byte.");
    }

    static ArgumentOutOfRangeException NotADType(DType type) => new(nameof(type), type, "Not a dtype.");
}
