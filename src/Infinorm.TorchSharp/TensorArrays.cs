using Infinorm.Checkpoints;
using Infinorm.Types;
using Infinorm.Variables;
using static TorchSharp.torch;

namespace Infinorm.Torch;

/// <summary>Tensors in files of safetensors, and back.</summary>
static class TensorArrays
{
    /// <summary>A tensor to write to a file. Its elements are read when it is written.</summary>
    /// <exception cref="NotSupportedException">The elements are complex or quantised.</exception>
    public static SafetensorsTensor ToWrite(string name, Tensor tensor)
    {
        DType dtype = StoredAs(tensor.dtype) ?? throw new NotSupportedException($"{name}: tensors of type {tensor.dtype} cannot be saved.");
        return new(name, dtype, [.. tensor.shape.Select(size => (nint)size)], stream =>
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            tensor.to(TypeOf(dtype), CPU).contiguous().VisitBytes(piece => stream.Write(piece));
        });
    }

    /// <summary>A new tensor with an array's elements.</summary>
    public static Tensor ToTensor(this NdArray array)
    {
        Tensor tensor = empty(SizeOf(array.Shape), dtype: TypeOf(array.DType));
        long at = 0;
        tensor.VisitBytes(piece =>
        {
            array.Data.Span(at, piece.Length).CopyTo(piece);
            at += piece.Length;
        });
        return tensor;
    }

    /// <summary>Visits the elements of a contiguous tensor on the CPU as bytes, front to back in pieces: all may be more than a span has.</summary>
    public static void VisitBytes(this Tensor tensor, Action<Span<byte>> visit)
    {
        using Tensor flat = tensor.view(-1);
        for (long start = 0; start < flat.numel(); start += Variable.PieceLength)
        {
            using Tensor piece = flat.slice(0, start, Math.Min(start + Variable.PieceLength, flat.numel()), 1);
            visit(piece.bytes);
        }
    }

    /// <summary>Whether an array from a file has a tensor's shape and the type that it is stored as.</summary>
    public static bool Fits(SafetensorsEntry entry, Tensor tensor) =>
        StoredAs(tensor.dtype) == entry.DType && tensor.shape.AsSpan().SequenceEqual(SizeOf(entry.Shape));

    static long[] SizeOf(ReadOnlySpan<nint> shape)
    {
        var sizes = new long[shape.Length];
        for (int i = 0; i < sizes.Length; i++)
            sizes[i] = shape[i];
        return sizes;
    }

    // Files know no smaller integers.
    static DType? StoredAs(ScalarType type) => type switch
    {
        ScalarType.Float16 => DType.Float16,
        ScalarType.BFloat16 => DType.BFloat16,
        ScalarType.Float32 => DType.Float32,
        ScalarType.Float64 => DType.Float64,
        ScalarType.Int64 => DType.Int64,
        ScalarType.Int32 or ScalarType.Int16 or ScalarType.Int8 or ScalarType.Byte or ScalarType.Bool => DType.Int32,
        _ => null,
    };

    static ScalarType TypeOf(DType dtype) => dtype switch
    {
        DType.Float16 => ScalarType.Float16,
        DType.BFloat16 => ScalarType.BFloat16,
        DType.Float32 => ScalarType.Float32,
        DType.Float64 => ScalarType.Float64,
        DType.Int64 => ScalarType.Int64,
        DType.UInt8 => ScalarType.Byte,
        _ => ScalarType.Int32,
    };
}
