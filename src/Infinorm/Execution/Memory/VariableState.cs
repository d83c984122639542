using System.Runtime.CompilerServices;
using Infinorm.Constraints;
using Infinorm.Rules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Memory;

/// <summary>One variable in memory: its elements, what is kept for it, and what is to be done to it.</summary>
unsafe struct VariableState
{
    /// <summary>The variable itself, for what is done seldom.</summary>
    public Variable Variable;

    /// <summary>The variable that it is a part of, or itself, and where it begins there.</summary>
    public Variable Whole;
    public int Offset;

    /// <summary>The constraint that the variable had when the optimizer was built, or null.</summary>
    public Constraint? Constraint;

    /// <summary>The variable's elements.</summary>
    public TypedMemory Elements;

    /// <summary>The rule's slots, <see cref="Stride"/> bytes apart.</summary>
    public byte* Slots;

    /// <summary>The rule's slots that give forms, by number; empty where there are none.</summary>
    public OwnSlot[] OwnSlots;

    /// <summary>The rule's slots, where they have one byte an element; else empty.</summary>
    public ByteSlot[] ByteSlots;

    /// <summary>The moving average; null without.</summary>
    public byte* Average;

    /// <summary>The gradient accumulator; null without.</summary>
    public byte* Accumulator;

    /// <summary>
    /// Whether the accumulator still holds what an update has used up: it means zero, and is written when it is next used or looked at.
    /// Zeroing it in the update would be one stream of memory more, reading the zeros another.
    /// </summary>
    public bool AccumulatorIsSpent;

    /// <summary>
    /// A float copy of a 16-bit variable that is constrained, as a constraint needs the unrounded values, or has master weights; null for
    /// all others.
    /// </summary>
    public byte* FloatCopy;

    /// <summary>Whether the copy is the variable's master weights, kept between calls; else each call makes it.</summary>
    public bool HasMasterWeights;

    /// <summary>Bytes from one slot to the next: the padded size of one slot of all variables.</summary>
    public nint Stride;

    /// <summary>Which random bits round the variable.</summary>
    public int RandomStream;

    /// <summary>Whether weight decay applies, if there is any.</summary>
    public bool Decays;

    /// <summary>The weight decay, if it does not follow the plan's.</summary>
    public OwnDecay? OwnDecay;

    /// <summary>Whether the gradient replaces the variable.</summary>
    public bool OverwrittenByGradient;

    /// <summary>What clipping by norm divides the gradient by in this call, and clipping by global norm multiplies it by.</summary>
    public double ClipOperand;

    /// <summary>The group of variables that it belongs to.</summary>
    public int Group;

    /// <summary>The variable's work list, and its chunks in it.</summary>
    public int WorkList, FirstChunk, ChunkCount;

    /// <summary>The type in which everything about the variable is computed, and of its slots.</summary>
    public readonly DType ComputeType => Elements.DType == DType.Float64 ? DType.Float64 : DType.Float32;

    /// <summary>Whether the variable is held in 16 bits.</summary>
    public readonly bool Is16Bit => Elements.DType != ComputeType;

    /// <summary>The type that a gradient has from the first stage on: 16-bit ones are widened, and a 16-bit variable's are float.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly DType GradientType(DType gradient) =>
        gradient == DType.Float64 && !Is16Bit ? DType.Float64 : DType.Float32;
}

/// <summary>A slot with one byte an element.</summary>
/// <param name="Codes">The first code, as an address; filled up to whole blocks.</param>
/// <param name="Scales">The first block's scale, as an address.</param>
readonly record struct ByteSlot(nint Codes, nint Scales);

/// <summary>A piece of a variable: what is reduced on its own and handed to one worker at a time.</summary>
readonly record struct Chunk(int Variable, int Start, int Count)
{
    /// <summary>The longest chunk, in elements; norms are summed chunk by chunk, so it is part of what fixes their bits.</summary>
    public const int MaxCount = 16 * 1024;
}
