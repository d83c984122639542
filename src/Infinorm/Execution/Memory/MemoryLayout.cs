using System.Globalization;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Memory;

/// <summary>
/// Lays out the state of all variables in one arena: one slot of all variables, then the next, so that there are long streams,
/// however small the variables.
/// </summary>
static unsafe class MemoryLayout
{
    /// <summary>Makes the state of every variable, at its first values.</summary>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    public static VariableState[] Make(BuildRequest request, out Arena arena)
    {
        VariableState[] states = Describe(request);
        IReadOnlyList<DeclaredSlot> slots = request.Slots.Declared;
        int places = request.Slots.Places, others = (request.HasAverages ? 1 : 0) + (request.HasAccumulators ? 1 : 0);
        nint slotStride = Arena.Stagger, stride = Arena.Stagger, single = 0;
        foreach (ref VariableState state in states.AsSpan())
        {
            stride += PaddedSize(in state);
            slotStride += HasByteSlots(in state, request) ? 0 : PaddedSize(in state);
            single += NeedsFloatCopy(in state, request) ? PaddedSize(in state) : 0;
            single += HasByteSlots(in state, request) ? places * (CodeSize(in state) + ScaleSize(in state)) : 0;
            foreach (OwnSlot own in state.OwnSlots)
                single += OwnSize(in state, own);
        }

        arena = Allocate((slotStride * places) + (stride * others) + single, request);
        byte* nextSlot = arena.First, next = nextSlot + (slotStride * places), nextSingle = next + (stride * others);
        foreach (ref VariableState state in states.AsSpan())
        {
            nint size = PaddedSize(in state);
            state.Stride = slotStride;
            state.Slots = nextSlot;
            if (HasByteSlots(in state, request))
                nextSingle = PlaceBytes(ref state, nextSingle, slots);
            else
                nextSlot += size;
            foreach (DeclaredSlot slot in slots.Where(slot => slot.Place >= 0))
                Fill(in state, slot);
            nextSingle = PlaceOwn(ref state, nextSingle, slots);
            if (request.HasAverages && !state.OverwrittenByGradient)
                state.Average = next;
            if (request.HasAccumulators)
                state.Accumulator = next + (request.HasAverages ? stride : 0);
            next += size;
            if (!NeedsFloatCopy(in state, request))
                continue;
            state.FloatCopy = nextSingle;
            state.HasMasterWeights = request.HasMasterWeights;
            nextSingle += size;
        }

        return states;
    }

    static Arena Allocate(nint bytes, BuildRequest request)
    {
        try
        {
            return new Arena(bytes);
        }
        catch (OutOfMemoryException e)
        {
            throw new OutOfMemoryException(string.Create(
                CultureInfo.InvariantCulture,
                $"{request.Slots.Optimizer}: the state of {request.Variables.Length} variables takes {bytes:N0} bytes, for which there is no memory."), e);
        }
    }

    static VariableState[] Describe(BuildRequest request)
    {
        var states = new VariableState[request.Variables.Length];
        for (int i = 0; i < states.Length; i++)
        {
            Variable variable = request.Variables[i];
            states[i] = new VariableState
            {
                Variable = variable,
                Whole = request.PartOf is null ? variable : request.PartOf[i].Whole,
                Offset = request.PartOf is null ? 0 : request.PartOf[i].Start,
                Constraint = variable.Constraint,
                Elements = variable.Elements,
                Decays = request.Decays[i],
                OwnDecay = request.OwnDecays[i],
                RandomStream = StochasticRounding.StreamOf(variable.Path),
                Group = request.GroupOf[i],
                OverwrittenByGradient = variable.OverwriteWithGradient,
                ByteSlots = [],
                OwnSlots = request.Slots.Places == request.Slots.Declared.Count
                    ? []
                    : [.. request.Slots.Declared.Select(slot => OwnSlotOf(slot, variable))],
            };
        }

        return states;
    }

    static nint PaddedSize(in VariableState state) => Arena.Padded((nint)state.Elements.Length * state.ComputeType.Size());

    static nint OwnSize(in VariableState state, OwnSlot own) => Arena.Padded((nint)own.Length * state.ComputeType.Size());

    static nint CodeSize(in VariableState state) => Arena.Padded((nint)ByteCodes.BlocksFor(state.Elements.Length) * ByteCodes.BlockLength);

    static nint ScaleSize(in VariableState state) => Arena.Padded((nint)ByteCodes.BlocksFor(state.Elements.Length) * sizeof(float));

    static bool HasByteSlots(in VariableState state, BuildRequest request) =>
        HasByteSlots(state.Whole, request);

    /// <summary>Whether the slots of a variable, or of a part of it, have one byte an element.</summary>
    public static bool HasByteSlots(Variable whole, BuildRequest request) =>
        whole.Length >= request.ByteStorageMinimum && whole.DType != DType.Float64 && !whole.OverwriteWithGradient;

    static byte* PlaceBytes(ref VariableState state, byte* next, IReadOnlyList<DeclaredSlot> slots)
    {
        state.ByteSlots = new ByteSlot[slots.Count];
        for (int i = 0; i < state.ByteSlots.Length; i++)
        {
            state.ByteSlots[i] = new ByteSlot((nint)next, (nint)next + CodeSize(in state));
            next += CodeSize(in state) + ScaleSize(in state);
        }

        return next;
    }

    /// <summary>The form that a slot has for a variable, not yet placed; without a shape where it has none.</summary>
    public static OwnSlot OwnSlotOf(DeclaredSlot slot, Variable variable)
    {
        return variable.OverwriteWithGradient || slot.OwnShapeFor(variable.Path, variable.Shape) is not { } shape
            ? default
            : new OwnSlot(0, Shapes.Length(shape), shape);
    }

    static byte* PlaceOwn(ref VariableState state, byte* next, IReadOnlyList<DeclaredSlot> slots)
    {
        for (int i = 0; i < state.OwnSlots.Length; i++)
        {
            ref OwnSlot own = ref state.OwnSlots[i];
            if (own.Shape is null)
                continue;
            own = own with { Address = (nint)next };
            if (slots[i].Spec.Initial != 0)
                Fill(in state, next, own.Length, slots[i].Spec.Initial);
            next += OwnSize(in state, own);
        }

        return next;
    }

    static bool NeedsFloatCopy(in VariableState state, BuildRequest request) =>
        state.Is16Bit && !state.OverwrittenByGradient && (request.HasMasterWeights || state.Constraint is not null);

    static void Fill(in VariableState state, DeclaredSlot slot)
    {
        if (slot.Spec.Initial == 0)
            return; // as the arena is
        if (state.ByteSlots.Length > 0)
            FillBytes(in state, slot);
        else
            Fill(in state, state.Slots + (slot.Place * state.Stride), state.Elements.Length, slot.Spec.Initial);
    }

    static void FillBytes(in VariableState state, DeclaredSlot slot)
    {
        ByteSlot bytes = state.ByteSlots[slot.Place];
        float* values = stackalloc float[ByteCodes.BlockLength];
        for (int start = 0, block = 0; start < state.Elements.Length; start += ByteCodes.BlockLength, block++)
        {
            var span = new Span<float>(values, ByteCodes.BlockLength);
            span.Clear();
            span[..Math.Min(ByteCodes.BlockLength, state.Elements.Length - start)].Fill((float)slot.Spec.Initial);
            ByteCodes.Encode(
                values, (byte*)bytes.Codes + start, (float*)bytes.Scales + block, 1, !slot.Spec.IsNeverNegative, decay: 0, seed: null, start);
        }
    }

    static void Fill(in VariableState state, byte* slot, int length, double value)
    {
        if (state.ComputeType == DType.Float64)
            new Span<double>(slot, length).Fill(value);
        else
            new Span<float>(slot, length).Fill((float)value);
    }
}
