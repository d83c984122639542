using Infinorm.Kernels;
using Infinorm.Types;

namespace Infinorm.Execution.Memory;

/// <summary>Memory for one block at each place where stages need some; blocks of <see cref="GradientBlocks.BlockLength"/> doubles.</summary>
readonly unsafe struct Scratch(byte* memory)
{
    public const int Size = (4 * BlockSize) + (SquareSums.Count * sizeof(double)) + (Rules.Slots.MostOfBytes * SlotSize);

    /// <summary>From one decoded slot to the next.</summary>
    public const int SlotSize = ByteCodes.BlockLength * sizeof(float);

    const int BlockSize = GradientBlocks.BlockLength * sizeof(double);

    public byte* Gradient => memory;

    public byte* Converted => memory + BlockSize;

    public byte* Accumulator => memory + (2 * BlockSize);

    public byte* Weights => memory + (3 * BlockSize);

    /// <summary>The sums of squares of the chunk.</summary>
    public double* Sums => (double*)(memory + (4 * BlockSize));

    /// <summary>The slots of a block of codes, decoded, where they have one byte an element.</summary>
    public byte* Slots => memory + (4 * BlockSize) + (SquareSums.Count * sizeof(double));
}

/// <summary>Everything a stage needs to know while one chunk is worked on, its memory pinned.</summary>
unsafe ref struct ChunkView
{
    public ref readonly StepPlan Plan;
    public ref readonly VariableState State;
    public Chunk Chunk;

    /// <summary>The chunk's elements of the variable, in the variable's own type.</summary>
    public byte* Weights;

    /// <summary>The chunk's elements of a dense gradient, in the gradient's own type; null for rows and where there is none.</summary>
    public byte* Gradient;

    /// <summary>The gradient's type.</summary>
    public DType GradientDType;

    /// <summary>The rows of a sparse gradient.</summary>
    public RowOrder? Rows;

    public Scratch Scratch;

    /// <summary>Whether the variable has a gradient in this call.</summary>
    public readonly bool HasGradient => Gradient != null || Rows is not null;

    /// <summary>Whether the variable has an average that moves in this call.</summary>
    public readonly bool IsAveraged => Plan.AverageMomentum is not null && State.Average != null;

    /// <summary>Whether the reduction adds the gradient to the accumulator, so that the pass reads only this.</summary>
    public readonly bool ReducesIntoAccumulator => Plan.ReducesIntoAccumulators && State.Accumulator != null;

    /// <summary>A block of the accumulator.</summary>
    public readonly byte* AccumulatorAt(int offset) => State.Accumulator + At(offset);

    /// <summary>Bytes from the start of a slot to a block of this chunk.</summary>
    public readonly nint At(int offset) => (nint)(Chunk.Start + offset) * State.ComputeType.Size();

    /// <summary>What the stages up to the clip compute with.</summary>
    public readonly GradientFormula<L> GradientFormula<L>()
        where L : struct, Rules.ILane<L> =>
        new(Plan.LossScale, Plan.AccumulationSteps, Plan.Clip, Plan.ClipLimit, State.ClipOperand);

    /// <summary>What the stages from the decay on compute with.</summary>
    public readonly WeightFormula<L> WeightFormula<L>()
        where L : struct, Rules.ILane<L> =>
        new(
            Plan.DecayOf(State.Decays, State.OwnDecay), Plan.LearningRate, Plan.DecaysByFactor, Plan.AverageMomentum, Plan.Overwrites);
}
