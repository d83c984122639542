using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;

namespace Infinorm.Execution.Memory;

/// <summary>How a block of a gradient gets to the loops: directly from its memory if possible, else through scratch memory.</summary>
static unsafe class GradientBlocks
{
    /// <summary>Elements that stay in the L1 cache together with a block of each slot and of the scratch.</summary>
    public const int BlockLength = 512;

    /// <summary>The gradient of a block as it comes, in the type <paramref name="type"/>; zero beyond its end.</summary>
    public static byte* Load(ref readonly ChunkView view, int offset, int count, DType type)
    {
        byte* scratch = view.Scratch.Gradient;
        nint bytes = (nint)count * type.Size();
        nint padded = Arena.Padded(bytes);
        if (view.Rows is { } rows)
        {
            NativeMemory.Clear(scratch, (nuint)padded);
            rows.AddTo(scratch, type, view.Chunk.Start + offset, count);
            return scratch;
        }

        DType from = view.GradientDType;
        byte* source = view.Gradient + ((nint)offset * from.Size());
        if (from == type)
        {
            if (bytes == padded)
                return source;
            NativeMemory.Copy(source, scratch, (nuint)bytes);
        }
        else
        {
            Conversions.Convert(source, from, scratch, type, count);
        }

        NativeMemory.Clear(scratch + bytes, (nuint)(padded - bytes));
        return scratch;
    }

    /// <summary>A block in another type, zero beyond its end, in scratch memory; as it is where the type is the same.</summary>
    public static byte* Converted(byte* block, DType from, DType to, int count, byte* scratch)
    {
        if (from == to)
            return block;
        Conversions.Convert(block, from, scratch, to, count);
        nint bytes = (nint)count * to.Size();
        NativeMemory.Clear(scratch + bytes, (nuint)(Arena.Padded(bytes) - bytes));
        return scratch;
    }

    public static DType TypeOf<L>()
        where L : struct, ILane<L> => L.IsDouble ? DType.Float64 : DType.Float32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint PaddedBytes<L>(int count)
        where L : struct, ILane<L> => Arena.Padded((nint)count * BlockKernels.ElementSize<L>());
}
