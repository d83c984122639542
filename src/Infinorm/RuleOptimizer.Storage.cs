using Infinorm.Variables;

namespace Infinorm;

public abstract partial class RuleOptimizer
{
    /// <summary>
    /// Takes the state of another optimizer of this class, built for variables of the same paths and shapes, whose slots may be stored
    /// otherwise. Nothing is changed if it throws.
    /// </summary>
    /// <remarks>
    /// From codes of one byte to full slots nothing is lost. From full slots to codes each element is rounded to the nearest code: of what
    /// has a sign three bits of fraction remain, of what has none four; an element smaller than 2⁻¹⁵ of the largest in its block of 256 becomes
    /// zero or, where there is no sign, the smallest code. Settings, such as rates, are not taken.
    /// </remarks>
    /// <param name="source">The optimizer whose state it is.</param>
    /// <exception cref="ArgumentException">The source is of another class, keeps other state, or its variables differ.</exception>
    /// <exception cref="InvalidOperationException">One of them is not built, or in use.</exception>
    public void TakeStateOf(RuleOptimizer source)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (source.GetType() != GetType())
            throw new ArgumentException($"{Name}: {source.Name} is a {source.GetType().Name}, not a {GetType().Name}.", nameof(source));
        RequireBuilt("to take state");
        source.RequireBuilt("to give state");
        using ExclusiveUse mine = Enter(), its = source.Enter();
        source.RequireWhole();
        NdArray[] values = [.. CounterAndRate().Zip(source.CounterAndRate(), (_, from) => from.ToNdArray()), .. StatesIn(source)];
        AssignAll(values);
    }

    // A value for each state of this optimizer. The scales of codes stand behind them.
    IEnumerable<NdArray> StatesIn(RuleOptimizer source)
    {
        var its = source._states.ToDictionary(state => (state.Kind, state.Of?.Path), state => state.Values);
        Dictionary<string, bool> isSigned = _slots!.Declared.ToDictionary(slot => slot.Spec.Name, slot => !slot.Spec.IsNeverNegative);
        NdArray? scalesOfCodes = null;
        foreach (OwnedState state in _states)
        {
            string slot = state.Kind.EndsWith($"_{CodesSlot}", StringComparison.Ordinal) ? state.Kind[..^(CodesSlot.Length + 1)] : "";
            if (Found(state.Kind) is { } same)
            {
                yield return same;
            }
            else if (Found($"{state.Kind}_{CodesSlot}") is { } codes && Found($"{state.Kind}_{ScalesSlot}") is { } scales)
            {
                yield return ByteArrays.Decode(codes, scales, isSigned[state.Kind]);
            }
            else if (Found(slot) is { } full)
            {
                (NdArray encoded, scalesOfCodes) = ByteArrays.Encode(full, isSigned[slot]);
                yield return encoded;
            }
            else
            {
                yield return scalesOfCodes ?? throw new ArgumentException($"{source.Name} has no {state.Kind} of {state.Of?.Path ?? Name}.", nameof(source));
                scalesOfCodes = null;
            }

            NdArray? Found(string kind) => its.GetValueOrDefault((kind, state.Of?.Path))?.ToNdArray();
        }
    }
}
