using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Variables;

namespace Infinorm.Execution.Memory;

/// <summary>Slots with one byte an element: a block of them is decoded, stepped as any other and encoded again.</summary>
sealed unsafe partial class MemoryExecutor
{
    float[] _decays = [];

    /// <summary>Whether the slots of any variable have one byte an element.</summary>
    public bool HasByteSlots => _decays.Length > 0;

    // Of each slot that says so; the factors may change from step to step.
    void AskDecays()
    {
        for (int i = 0; i < _decays.Length; i++)
            _decays[i] = (float)(_slots!.Declared[i].Spec.Decay?.Invoke() ?? 0);
    }

    Variable BytesView(in VariableState state, StateKind kind, int slot, string path)
    {
        ByteSlot bytes = state.ByteSlots[slot];
        if (kind == StateKind.Slot)
            return _arena!.ViewAs<byte>((byte*)bytes.Codes, state.Elements.Length, state.Variable.Shape, path);
        int blocks = ByteCodes.BlocksFor(state.Elements.Length);
        return _arena!.ViewAs<float>((byte*)bytes.Scales, blocks, [blocks], path);
    }

    void UpdateBytes<L, TRule>(in ChunkView view, int offset, int count, in TRule rule, in WeightFormula<L> weightFormula)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        ref readonly VariableState state = ref view.State;
        IReadOnlyList<DeclaredSlot> declared = _slots!.Declared;
        int start = view.Chunk.Start + offset, blocks = ByteCodes.BlocksFor(count);
        byte* slots = view.Scratch.Slots;
        for (int i = 0; i < state.ByteSlots.Length; i++)
        {
            ByteSlot bytes = state.ByteSlots[i];
            ByteCodes.Decode(
                (byte*)bytes.Codes + start, (float*)bytes.Scales + (start / ByteCodes.BlockLength), (float*)(slots + (i * Scratch.SlotSize)),
                blocks, !declared[i].Spec.IsNeverNegative);
        }

        Update<L, TRule>(in view, offset, count, in rule, in weightFormula, slots, Scratch.SlotSize);
        for (int i = 0; i < state.ByteSlots.Length; i++)
        {
            ByteSlot bytes = state.ByteSlots[i];
            var values = (float*)(slots + (i * Scratch.SlotSize));
            new Span<float>(values + count, (blocks * ByteCodes.BlockLength) - count).Clear();
            ByteCodes.Encode(
                values, (byte*)bytes.Codes + start, (float*)bytes.Scales + (start / ByteCodes.BlockLength), blocks,
                !declared[i].Spec.IsNeverNegative, _decays[i],
                declared[i].Spec.IsMaximum ? null : ByteCodes.SeedOf(state.RandomStream, view.Plan.Iterations, i), state.Offset + start);
        }
    }
}
