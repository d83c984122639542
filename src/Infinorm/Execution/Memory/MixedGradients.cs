using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;
using static Infinorm.Execution.Memory.GradientBlocks;

namespace Infinorm.Execution.Memory;

/// <summary>
/// Gradients of another type than their variable is computed in, such as a double gradient of a float variable. Keras unscales such a
/// gradient in its own type, the accumulator joins in the wider of both, and that is clipped before it is cast. All of it is here, in lanes
/// of one element.
/// </summary>
static unsafe class MixedGradients
{
    /// <summary>Whether a chunk's gradient is one.</summary>
    public static bool Is(ref readonly ChunkView view) => view.State.GradientType(view.GradientDType) != view.State.ComputeType;

    /// <summary>The type in which a variable's gradient is clipped, mixed or not.</summary>
    public static DType ClipType(in VariableState state, DType gradient, in StepPlan plan) =>
        plan.AccumulationSteps > 0 && state.ComputeType == DType.Float64 ? DType.Float64 : state.GradientType(gradient);

    /// <summary>A block of the gradient as the rule sees it, in the type that the variable is computed in.</summary>
    public static byte* Load(ref readonly ChunkView view, int offset, int count)
    {
        DType type = ClipType(in view.State, view.GradientDType, in view.Plan);
        byte* clipped = Mean(in view, offset, count, clips: true);
        return Converted(clipped, type, view.State.ComputeType, count, view.Scratch.Converted);
    }

    /// <summary>A block of the gradient of a float variable before it is rounded to float; null where it is not wider.</summary>
    public static double* LoadWide(ref readonly ChunkView view, int offset, int count) =>
        Is(in view) && ClipType(in view.State, view.GradientDType, in view.Plan) == DType.Float64 && view.State.ComputeType == DType.Float32
            ? (double*)Mean(in view, offset, count, clips: true)
            : null;

    /// <summary>accumulator ← gradient + accumulator.</summary>
    public static void Accumulate(ref readonly ChunkView view, int offset, int count)
    {
        byte* accumulator = WideAccumulator<Lane1<double>>(in view, offset, count);
        byte* gradient = view.State.ComputeType == DType.Float64
            ? Unscaled<Lane1<float>, Lane1<double>>(in view, offset, count)
            : Unscaled<Lane1<double>, Lane1<double>>(in view, offset, count);
        BlockKernels.Accumulate<Lane1<double>>(accumulator, gradient, PaddedBytes<Lane1<double>>(count), default, spent: false);
        if (accumulator == view.Scratch.Accumulator)
            Conversions.Convert(accumulator, DType.Float64, view.AccumulatorAt(offset), view.State.ComputeType, count);
    }

    /// <summary>Adds the squares of a block to sums, if asked, and says whether it is finite, if the plan asks.</summary>
    public static bool Reduce(ref readonly ChunkView view, int offset, int count, bool normed, double* sums)
    {
        bool isFinite = !view.Plan.RequiresFinite || (view.State.GradientType(view.GradientDType) == DType.Float64
            ? IsFinite<Lane1<double>>(in view, offset, count)
            : IsFinite<Lane1<float>>(in view, offset, count));
        if (normed)
        {
            byte* gradient = Mean(in view, offset, count, clips: false);
            SquareSums.Add(gradient, ClipType(in view.State, view.GradientDType, in view.Plan), count, sums);
        }

        return isFinite;
    }

    static bool IsFinite<LG>(ref readonly ChunkView view, int offset, int count)
        where LG : struct, ILane<LG> => BlockKernels.IsFinite<LG>(
            GradientBlocks.Load(in view, offset, count, TypeOf<LG>()), (nint)count * BlockKernels.ElementSize<LG>());

    // Unscaled, the mean with what was accumulated, and clipped if asked: a block of the type that is clipped in.
    static byte* Mean(ref readonly ChunkView view, int offset, int count, bool clips) =>
        view.State.GradientType(view.GradientDType) == DType.Float64 ? Mean<Lane1<double>, Lane1<double>>(in view, offset, count, clips)
        : view.Plan.AccumulationSteps > 0 ? Mean<Lane1<float>, Lane1<double>>(in view, offset, count, clips)
        : Mean<Lane1<float>, Lane1<float>>(in view, offset, count, clips);

    // LG: the gradient's type; LC: the type that it is clipped in.
    static byte* Mean<LG, LC>(ref readonly ChunkView view, int offset, int count, bool clips)
        where LG : struct, ILane<LG>
        where LC : struct, ILane<LC>
    {
        ref readonly StepPlan plan = ref view.Plan;
        byte* gradient = Unscaled<LG, LC>(in view, offset, count);
        byte* accumulator = plan.AccumulationSteps > 0 ? WideAccumulator<LC>(in view, offset, count) : null;
        var formula = new GradientFormula<LC>(
            null, plan.AccumulationSteps, clips ? plan.Clip : ClipKind.None, plan.ClipLimit, view.State.ClipOperand);
        BlockKernels.Prepare(view.Scratch.Gradient, gradient, accumulator, PaddedBytes<LC>(count), in formula);
        return view.Scratch.Gradient;
    }

    static byte* Unscaled<LG, LC>(ref readonly ChunkView view, int offset, int count)
        where LG : struct, ILane<LG>
        where LC : struct, ILane<LC>
    {
        byte* gradient = GradientBlocks.Load(in view, offset, count, TypeOf<LG>());
        if (view.Plan.LossScale is not null)
        {
            var formula = new GradientFormula<LG>(view.Plan.LossScale, 0, ClipKind.None, 0, 0);
            BlockKernels.Prepare(view.Scratch.Gradient, gradient, null, PaddedBytes<LG>(count), in formula);
            gradient = view.Scratch.Gradient;
        }

        return Converted(gradient, TypeOf<LG>(), TypeOf<LC>(), count, view.Scratch.Converted);
    }

    static byte* WideAccumulator<LC>(ref readonly ChunkView view, int offset, int count)
        where LC : struct, ILane<LC> =>
        Converted(view.AccumulatorAt(offset), view.State.ComputeType, TypeOf<LC>(), count, view.Scratch.Accumulator);
}
