using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Variables;

namespace Infinorm.Execution.Memory;

/// <summary>Slots with one byte an element: a block of them is decoded, stepped as any other and encoded again.</summary>
sealed unsafe partial class MemoryExecutor
{
    SlotCoding[] _codings = [];

    /// <summary>Whether the slots of any variable have one byte an element.</summary>
    public bool HasByteSlots => _codings.Length > 0;

    // The factors by which slots decay may change from step to step.
    void AskDecays()
    {
        for (int i = 0; i < _codings.Length; i++)
        {
            SlotSpec spec = _slots!.Declared[i].Spec;
            _codings[i] = new SlotCoding(!spec.IsNeverNegative, spec.IsMaximum, (float)(spec.Decay?.Invoke() ?? 0));
        }
    }

    Variable BytesView(in VariableState state, StateKind kind, int slot, string path)
    {
        ByteSlot bytes = state.ByteSlots[slot];
        if (kind == StateKind.Slot)
            return _arena!.ViewAs<byte>((byte*)bytes.Codes, state.Elements.Length, state.Variable.Shape, path);
        int blocks = ByteCodes.BlocksFor(state.Elements.Length);
        return _arena!.ViewAs<float>((byte*)bytes.Scales, blocks, [blocks], path);
    }

    // A block of codes is decoded into the L1 cache, stepped and encoded again, then the next one.
    void RunCoded<L, TRule>(
        in ChunkView view, int offset, int count, in TRule rule, byte* weights, byte* gradient, byte* accumulator, byte* average,
        in GradientFormula<L> gradientFormula, in WeightFormula<L> weightFormula)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        ref readonly VariableState state = ref view.State;
        bool isBare = view.Plan.IsBare;
        Span<uint> seeds = stackalloc uint[state.ByteSlots.Length];
        for (int i = 0; i < seeds.Length; i++)
            seeds[i] = ByteCodes.SeedOf(state.RandomStream, view.Plan.Iterations, i);
        for (int first = 0; first < count; first += ByteCodes.BlockLength)
        {
            int start = view.Chunk.Start + offset + first, block = start / ByteCodes.BlockLength;
            int length = Math.Min(ByteCodes.BlockLength, count - first);
            nint at = (nint)first * sizeof(float), bytes = GradientBlocks.PaddedBytes<L>(length);
            byte* slots = view.Scratch.Slots;
            for (int i = 0; i < seeds.Length; i++)
            {
                ref readonly ByteSlot slot = ref state.ByteSlots[i];
                ByteCodes.DecodeBlock((byte*)slot.Codes + start, ((float*)slot.Scales)[block], ValuesOf(slots, i), _codings[i].IsSigned);
            }

            if (isBare)
            {
                RuleLoop.RunBare<L, TRule>(in rule, slots, Scratch.SlotSize, weights + at, gradient + at, bytes, null, null);
            }
            else
            {
                RuleLoop.Run(
                    in rule, slots, Scratch.SlotSize, weights + at, gradient + at, accumulator == null ? null : accumulator + at,
                    average == null ? null : average + at, bytes, in gradientFormula, in weightFormula);
            }

            for (int i = 0; i < seeds.Length; i++)
            {
                ref readonly ByteSlot slot = ref state.ByteSlots[i];
                ref readonly SlotCoding coding = ref _codings[i];
                float* values = ValuesOf(slots, i);
                if (length < ByteCodes.BlockLength)
                    new Span<float>(values + length, ByteCodes.BlockLength - length).Clear();
                ByteCodes.EncodeBlock(
                    values, (byte*)slot.Codes + start, ref ((float*)slot.Scales)[block], coding.IsSigned, coding.Decay,
                    coding.IsMaximum ? null : seeds[i], (state.Offset / ByteCodes.BlockLength) + block);
            }
        }

        static float* ValuesOf(byte* slots, int slot) => (float*)(slots + (slot * Scratch.SlotSize));
    }

    /// <summary>How a slot is coded in this update; the arguments are those of <see cref="SlotSpec"/>.</summary>
    readonly record struct SlotCoding(bool IsSigned, bool IsMaximum, float Decay);
}
