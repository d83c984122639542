using System.Runtime.InteropServices;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;

namespace Infinorm.Execution.Memory;

/// <summary>How a block of a variable comes to the loops and back: where it lies, through scratch memory, or through its float copy.</summary>
static unsafe class WeightBlocks
{
    /// <summary>The variable's block in the type that it is computed in, writable up to the end of its last lane.</summary>
    /// <param name="view">The chunk.</param>
    /// <param name="offset">The block's first element in the chunk.</param>
    /// <param name="count">The block's elements.</param>
    /// <param name="constrained">Whether a constraint will look at the float copy after this call.</param>
    public static byte* Load<L>(ref readonly ChunkView view, int offset, int count, bool constrained)
        where L : struct, ILane<L>
    {
        ref readonly VariableState state = ref view.State;
        nint bytes = (nint)count * BlockKernels.ElementSize<L>(), padded = Arena.Padded(bytes);
        byte* weights = view.Weights + ((nint)offset * state.Elements.DType.Size());
        if (state.HasMasterWeights)
        {
            byte* master = state.FloatCopy + view.At(offset);
            MasterWeights.Follow(master, weights, state.Elements.DType, count, view.Scratch.Weights);
            return master;
        }

        if (state.Is16Bit)
        {
            byte* floats = constrained && state.FloatCopy != null ? state.FloatCopy + view.At(offset) : view.Scratch.Weights;
            return GradientBlocks.Converted(weights, state.Elements.DType, GradientBlocks.TypeOf<L>(), count, floats);
        }

        if (bytes == padded)
            return weights;
        NativeMemory.Copy(weights, view.Scratch.Weights, (nuint)bytes);
        NativeMemory.Clear(view.Scratch.Weights + bytes, (nuint)(padded - bytes));
        return view.Scratch.Weights;
    }

    /// <summary>Back from where Load put them. What a constraint then does to a float copy is narrowed once more.</summary>
    public static void Store<L>(ref readonly ChunkView view, byte* weights, int offset, int count)
        where L : struct, ILane<L>
    {
        DType type = view.State.Elements.DType;
        byte* target = view.Weights + ((nint)offset * type.Size());
        if (view.State.Is16Bit)
            Narrow(in view.Plan, in view.State, weights, target, view.Chunk.Start + offset, count);
        else if (weights != target)
            NativeMemory.Copy(weights, target, (nuint)((nint)count * BlockKernels.ElementSize<L>()));
    }

    /// <summary>A block of a 16-bit variable from its floats.</summary>
    /// <param name="plan">How to round.</param>
    /// <param name="state">The variable.</param>
    /// <param name="floats">The block.</param>
    /// <param name="target">Where it goes.</param>
    /// <param name="start">The block's first element in the variable.</param>
    /// <param name="count">The block's elements.</param>
    public static void Narrow(in StepPlan plan, in VariableState state, byte* floats, byte* target, int start, int count)
    {
        if (plan.Rounding is { } rounding)
            rounding.Round((float*)floats, (ushort*)target, state.Elements.DType, state.RandomStream, state.Offset + start, count);
        else
            Conversions.Convert(floats, DType.Float32, target, state.Elements.DType, count);
    }
}
