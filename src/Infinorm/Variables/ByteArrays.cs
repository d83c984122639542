using Infinorm.Kernels;
using Infinorm.Types;

namespace Infinorm.Variables;

/// <summary>Whole arrays of floats as codes of one byte, and back.</summary>
static unsafe class ByteArrays
{
    /// <summary>The values of codes, as floats.</summary>
    public static NdArray Decode(NdArray codes, NdArray scales, bool isSigned)
    {
        int blocks = scales.Length;
        byte[] padded = new byte[blocks * ByteCodes.BlockLength];
        codes.AsSpan<byte>().CopyTo(padded);
        var values = new float[padded.Length];
        fixed (byte* from = padded)
        fixed (float* scale = scales.AsSpan<float>(), to = values)
            ByteCodes.Decode(from, scale, to, blocks, isSigned);
        return NdArray.Create<float>(values.AsSpan(0, codes.Length), codes.Shape);
    }

    /// <summary>The nearest codes of values, and the scales of their blocks.</summary>
    public static (NdArray Codes, NdArray Scales) Encode(NdArray values, bool isSigned)
    {
        ReadOnlySpan<float> given = values.Cast(DType.Float32).AsSpan<float>();
        int blocks = ByteCodes.BlocksFor(given.Length);
        var padded = new float[blocks * ByteCodes.BlockLength];
        given.CopyTo(padded);
        byte[] codes = new byte[padded.Length];
        var scales = new float[blocks];
        fixed (byte* to = codes)
        fixed (float* scale = scales, from = padded)
            ByteCodes.Encode(from, to, scale, blocks, isSigned, decay: 0, seed: null, first: 0);
        return (NdArray.Create<byte>(codes.AsSpan(0, given.Length), values.Shape), NdArray.Create(scales));
    }
}
