using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Infinorm.Kernels;

namespace Infinorm.Pipeline;

/// <summary>
/// How a block of a gradient comes to the rule's loop: as it lies in memory where it can, else through scratch memory. Nearly always it
/// is of the type its variable is computed in, and the loop does the rest. Where it is not, Keras unscales it in its own type, the
/// accumulator joins in the wider of both, and that is clipped before it is cast: <see cref="Mixed{LG, LP}"/>, lanes of one element.
/// </summary>
static unsafe class GradientStages
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

    /// <summary>
    /// A gradient of another type, unscaled, the mean with what was accumulated, and clipped if asked: a block of <c>LP</c>.
    /// </summary>
    /// <typeparam name="LG">The gradient's type.</typeparam>
    /// <typeparam name="LP">The type it is clipped in.</typeparam>
    public static byte* Mixed<LG, LP>(ref readonly ChunkView view, int offset, int count, bool clipped)
        where LG : struct, ILane<LG>
        where LP : struct, ILane<LP>
    {
        ref readonly StepPlan plan = ref view.Plan;
        byte* gradient = Unscaled<LG, LP>(in view, offset, count);
        byte* accumulator = plan.AccumulationSteps > 0 ? WideAccumulator<LP>(in view, offset, count) : null;
        var formula = new GradientFormula<LP>(
            null, plan.AccumulationSteps, clipped ? plan.Clip : ClipKind.None, plan.ClipLimit, view.Target.ClipOperand);
        BlockKernels.Prepare(view.Scratch.Gradient, gradient, accumulator, PaddedBytes<LP>(count), in formula);
        return view.Scratch.Gradient;
    }

    /// <summary>accumulator ← gradient + accumulator, for a gradient of another type.</summary>
    public static void AccumulateMixed<LG, LP>(ref readonly ChunkView view, int offset, int count)
        where LG : struct, ILane<LG>
        where LP : struct, ILane<LP>
    {
        byte* gradient = Unscaled<LG, LP>(in view, offset, count);
        byte* accumulator = WideAccumulator<LP>(in view, offset, count);
        BlockKernels.Accumulate<LP>(accumulator, gradient, PaddedBytes<LP>(count), default, spent: false);
        if (accumulator == view.Scratch.Accumulator)
            Conversions.Convert(accumulator, TypeOf<LP>(), view.AccumulatorAt(offset), view.Target.ComputeType, count);
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

    static byte* Unscaled<LG, LP>(ref readonly ChunkView view, int offset, int count)
        where LG : struct, ILane<LG>
        where LP : struct, ILane<LP>
    {
        byte* gradient = Load(in view, offset, count, TypeOf<LG>());
        if (view.Plan.LossScale is not null)
        {
            var formula = new GradientFormula<LG>(view.Plan.LossScale, 0, ClipKind.None, 0, 0);
            BlockKernels.Prepare(view.Scratch.Gradient, gradient, null, PaddedBytes<LG>(count), in formula);
            gradient = view.Scratch.Gradient;
        }

        return Converted(gradient, TypeOf<LG>(), TypeOf<LP>(), count, view.Scratch.Converted);
    }

    static byte* WideAccumulator<LP>(ref readonly ChunkView view, int offset, int count)
        where LP : struct, ILane<LP> =>
        Converted(view.AccumulatorAt(offset), view.Target.ComputeType, TypeOf<LP>(), count, view.Scratch.Accumulator);

    public static DType TypeOf<L>()
        where L : struct, ILane<L> => L.IsDouble ? DType.Float64 : DType.Float32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint PaddedBytes<L>(int count)
        where L : struct, ILane<L> => Arena.Padded((nint)count * BlockKernels.ElementSize<L>());
}
