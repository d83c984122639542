using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Infinorm.Kernels;

namespace Infinorm.Pipeline;

/// <summary>
/// What happens to one block of a gradient on its way to the rule: load → unscale → accumulate → clip. The types: <c>LG</c> the
/// gradient's, <c>LP</c> the wider of it and the accumulator's (Keras promotes there), <c>L</c> the variable's. Nearly always all three
/// are one; where not, the others are lanes of one element, so there is one text for all.
/// </summary>
static unsafe class GradientStages
{
    /// <summary>Elements that stay in the L1 cache through all stages, with a block of each slot and of the scratch.</summary>
    public const int BlockLength = 512;

    /// <summary>The gradient of a block, as it comes, in the type <paramref name="type"/>; zero beyond its end.</summary>
    public static byte* Load(ref readonly ChunkView view, int offset, int count, DType type, byte* scratch)
    {
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

    /// <summary>The gradient that an update sees before it is clipped: unscaled, and the mean of what was accumulated.</summary>
    public static byte* Mean<L, LG, LP>(ref readonly ChunkView view, int offset, int count)
        where L : struct, ILane<L>
        where LG : struct, ILane<LG>
        where LP : struct, ILane<LP>
    {
        byte* gradient = Unscaled<LG, LP>(in view, offset, count);
        if (view.Plan.AccumulationSteps == 0)
            return gradient;
        byte* accumulator = Accumulator<L, LP>(in view, offset, count);
        BlockKernels.AddDivide(view.Scratch.Gradient, gradient, accumulator, PaddedBytes<LP>(count), LP.Of(view.Plan.AccumulationSteps));
        return view.Scratch.Gradient;
    }

    /// <summary>The gradient the rule sees.</summary>
    public static byte* Clipped<L, LG, LP>(ref readonly ChunkView view, int offset, int count)
        where L : struct, ILane<L>
        where LG : struct, ILane<LG>
        where LP : struct, ILane<LP>
    {
        byte* gradient = Mean<L, LG, LP>(in view, offset, count);
        byte* scratch = view.Scratch.Gradient;
        nint bytes = PaddedBytes<LP>(count);
        ref readonly StepPlan plan = ref view.Plan;
        if (plan.Clip == ClipKind.GlobalNorm)
        {
            BlockKernels.Multiply(scratch, gradient, bytes, LP.Of(view.Target.ClipOperand));
            gradient = scratch;
        }
        else if (plan.Clip == ClipKind.Norm)
        {
            BlockKernels.MultiplyDivide(scratch, gradient, bytes, LP.Of(plan.ClipLimit), LP.Of(view.Target.ClipOperand));
            gradient = scratch;
        }
        else if (plan.Clip == ClipKind.Value)
        {
            BlockKernels.Clamp(scratch, gradient, bytes, LP.Of(-plan.ClipLimit), LP.Of(plan.ClipLimit));
            gradient = scratch;
        }

        return Converted<LP, L>(gradient, count, view.Scratch.Converted);
    }

    /// <summary>accumulator ← gradient + accumulator.</summary>
    public static void Accumulate<L, LG, LP>(ref readonly ChunkView view, int offset, int count)
        where L : struct, ILane<L>
        where LG : struct, ILane<LG>
        where LP : struct, ILane<LP>
    {
        byte* gradient = Unscaled<LG, LP>(in view, offset, count);
        byte* accumulator = Accumulator<L, LP>(in view, offset, count);
        BlockKernels.Add<LP>(accumulator, gradient, accumulator, PaddedBytes<LP>(count));
        if (LP.IsDouble != L.IsDouble)
            Conversions.Convert(accumulator, TypeOf<LP>(), view.Accumulator<L>(offset), TypeOf<L>(), count);
    }

    static byte* Unscaled<LG, LP>(ref readonly ChunkView view, int offset, int count)
        where LG : struct, ILane<LG>
        where LP : struct, ILane<LP>
    {
        byte* gradient = Load(in view, offset, count, TypeOf<LG>(), view.Scratch.Gradient);
        if (view.Plan.LossScale is { } scale)
        {
            BlockKernels.Divide(view.Scratch.Gradient, gradient, PaddedBytes<LG>(count), LG.Of(scale));
            gradient = view.Scratch.Gradient;
        }

        return Converted<LG, LP>(gradient, count, view.Scratch.Converted);
    }

    static byte* Accumulator<L, LP>(ref readonly ChunkView view, int offset, int count)
        where L : struct, ILane<L>
        where LP : struct, ILane<LP> => Converted<L, LP>(view.Accumulator<L>(offset), count, view.Scratch.Accumulator);

    static byte* Converted<LFrom, LTo>(byte* block, int count, byte* scratch)
        where LFrom : struct, ILane<LFrom>
        where LTo : struct, ILane<LTo>
    {
        if (LFrom.IsDouble == LTo.IsDouble)
            return block;
        Conversions.Convert(block, TypeOf<LFrom>(), scratch, TypeOf<LTo>(), count);
        nint bytes = (nint)count * BlockKernels.ElementSize<LTo>();
        NativeMemory.Clear(scratch + bytes, (nuint)(PaddedBytes<LTo>(count) - bytes));
        return scratch;
    }

    public static DType TypeOf<L>()
        where L : struct, ILane<L> => L.IsDouble ? DType.Float64 : DType.Float32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint PaddedBytes<L>(int count)
        where L : struct, ILane<L> => Arena.Padded((nint)count * BlockKernels.ElementSize<L>());
}
