namespace Infinorm.Pipeline;

/// <summary>Memory for one block at each place where stages need some; blocks of <see cref="GradientStages.BlockLength"/> doubles.</summary>
readonly unsafe struct Scratch(byte* memory)
{
    public const int Size = (4 * BlockSize) + (Kernels.SquareSums.Count * sizeof(double));

    const int BlockSize = GradientStages.BlockLength * sizeof(double);

    public byte* Gradient => memory;

    public byte* Converted => memory + BlockSize;

    public byte* Accumulator => memory + (2 * BlockSize);

    public byte* Weights => memory + (3 * BlockSize);

    /// <summary>The sums of squares of the chunk.</summary>
    public double* Sums => (double*)(memory + (4 * BlockSize));
}

/// <summary>Everything a stage needs to know while one chunk is worked on, its memory pinned.</summary>
unsafe ref struct ChunkView
{
    public ref readonly StepPlan Plan;
    public ref readonly Target Target;
    public Chunk Chunk;

    /// <summary>The chunk's elements of the variable, in the variable's own type.</summary>
    public byte* Weights;

    /// <summary>The chunk's elements of a dense gradient, in the gradient's own type.</summary>
    public byte* Gradient;

    /// <summary>The gradient's type.</summary>
    public DType GradientDType;

    /// <summary>The rows of a sparse gradient.</summary>
    public RowOrder? Rows;

    public Scratch Scratch;

    /// <summary>A block of the accumulator.</summary>
    public readonly byte* AccumulatorAt(int offset) => Target.Accumulator + At(offset);

    /// <summary>Bytes from the start of a slot to a block of this chunk.</summary>
    public readonly nint At(int offset) => (nint)(Chunk.Start + offset) * Target.ComputeType.Size();
}
