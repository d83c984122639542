using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Infinorm.Types;

namespace Infinorm.Kernels;

/// <summary>Blocks from one float type to another: widening is exact, narrowing rounds once, to nearest, ties to even.</summary>
static unsafe class Conversions
{
    [MethodImpl(Hot.Loop)]
    public static void Convert(byte* source, DType from, byte* target, DType to, int count)
    {
        int i;
        switch (from, to)
        {
            case (DType.Float16, DType.Float32):
                for (i = 0; i <= count - HalfVectors.Length; i += HalfVectors.Length)
                    HalfVectors.FromHalf(Vector128.Load((ushort*)source + i)).Store((float*)target + i);
                for (; i < count; i++)
                    ((float*)target)[i] = (float)((Half*)source)[i];
                break;
            case (DType.BFloat16, DType.Float32):
                for (i = 0; i <= count - HalfVectors.Length; i += HalfVectors.Length)
                    HalfVectors.FromBFloat16(Vector128.Load((ushort*)source + i)).Store((float*)target + i);
                for (; i < count; i++)
                    ((float*)target)[i] = (float)((BFloat16*)source)[i];
                break;
            case (DType.Float64, DType.Float32):
                for (i = 0; i < count; i++)
                    ((float*)target)[i] = (float)((double*)source)[i];
                break;
            case (DType.Float32, DType.Float64):
                for (i = 0; i < count; i++)
                    ((double*)target)[i] = ((float*)source)[i];
                break;
            case (DType.Float32, DType.Float16):
                for (i = 0; i <= count - HalfVectors.Length; i += HalfVectors.Length)
                    HalfVectors.ToHalf(Vector256.Load((float*)source + i)).Store((ushort*)target + i);
                for (; i < count; i++)
                    ((Half*)target)[i] = (Half)((float*)source)[i];
                break;
            case (DType.Float32, DType.BFloat16):
                for (i = 0; i <= count - HalfVectors.Length; i += HalfVectors.Length)
                    HalfVectors.ToBFloat16(Vector256.Load((float*)source + i)).Store((ushort*)target + i);
                for (; i < count; i++)
                    ((BFloat16*)target)[i] = (BFloat16)((float*)source)[i];
                break;
            default:
                throw new NotSupportedException($"No block is converted from {from} to {to}.");
        }
    }
}
