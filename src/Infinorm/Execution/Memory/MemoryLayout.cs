using System.Globalization;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Memory;

/// <summary>
/// Lays the state of all variables out in one arena: one slot of all variables lies together, then the next, so that there are long streams,
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
        nint stride = Arena.Stagger, copies = 0;
        foreach (ref VariableState state in states.AsSpan())
        {
            stride += PaddedSize(in state);
            copies += NeedsFloatCopy(in state, request) ? PaddedSize(in state) : 0;
            foreach (OwnSlot own in state.OwnSlots)
                copies += OwnSize(in state, own);
        }

        int places = request.Slots.Places;
        int kinds = places + (request.HasAverages ? 1 : 0) + (request.HasAccumulators ? 1 : 0);
        arena = Allocate((stride * kinds) + copies, request);
        byte* next = arena.First, copy = next + (stride * kinds);
        foreach (ref VariableState state in states.AsSpan())
        {
            nint size = PaddedSize(in state);
            state.Stride = stride;
            state.Slots = next;
            foreach (DeclaredSlot slot in slots.Where(slot => slot.Place >= 0))
                Fill(in state, next + (slot.Place * stride), state.Elements.Length, slot.Spec.Initial);
            copy = PlaceOwn(ref state, copy, slots);
            byte* afterSlots = next + (places * stride);
            if (request.HasAverages && !state.OverwrittenByGradient)
                state.Average = afterSlots;
            if (request.HasAccumulators)
                state.Accumulator = afterSlots + (request.HasAverages ? stride : 0);
            next += size;
            if (!NeedsFloatCopy(in state, request))
                continue;
            state.FloatCopy = copy;
            state.HasMasterWeights = request.HasMasterWeights;
            copy += size;
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
                OwnSlots = request.Slots.Places == request.Slots.Declared.Count
                    ? []
                    : [.. request.Slots.Declared.Select(slot => OwnSlotOf(slot, variable))],
            };
        }

        return states;
    }

    static nint PaddedSize(in VariableState state) => Arena.Padded((nint)state.Elements.Length * state.ComputeType.Size());

    static nint OwnSize(in VariableState state, OwnSlot own) => Arena.Padded((nint)own.Length * state.ComputeType.Size());

    /// <summary>The form that a slot has for a variable, not yet placed; without a shape where it has none.</summary>
    public static OwnSlot OwnSlotOf(DeclaredSlot slot, Variable variable)
    {
        if (slot.Spec.FormOf is not { } formOf || variable.OverwriteWithGradient)
            return default;
        nint[]? shape = formOf(variable.Path, variable.Shape) is { } form ? form.Shape : variable.Shape.ToArray();
        if (shape is null)
            return default;
        nint length = 1;
        foreach (nint size in shape)
            length = checked(length * size);
        return new OwnSlot(0, checked((int)length), shape);
    }

    static byte* PlaceOwn(ref VariableState state, byte* next, IReadOnlyList<DeclaredSlot> slots)
    {
        for (int i = 0; i < state.OwnSlots.Length; i++)
        {
            ref OwnSlot own = ref state.OwnSlots[i];
            if (own.Shape is null)
                continue;
            own = own with { Address = (nint)next };
            Fill(in state, next, own.Length, slots[i].Spec.Initial);
            next += OwnSize(in state, own);
        }

        return next;
    }

    static bool NeedsFloatCopy(in VariableState state, BuildRequest request) =>
        state.Is16Bit && !state.OverwrittenByGradient && (request.HasMasterWeights || state.Constraint is not null);

    static void Fill(in VariableState state, byte* slot, int length, double value)
    {
        if (value == 0)
            return; // as the arena is
        if (state.ComputeType == DType.Float64)
            new Span<double>(slot, length).Fill(value);
        else
            new Span<float>(slot, length).Fill((float)value);
    }
}
