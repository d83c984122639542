using System.Buffers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Memory;

/// <summary>Checks the memory of gradients: its length, and that it is neither a variable's nor the optimizer's.</summary>
/// <remarks>
/// An array is told by its identity. Memory managers may view one native block, or an array, so they are compared by address, all at once:
/// sorted, only neighbours can overlap. The lists are kept, so that new memory in each call is checked without garbage.
/// </remarks>
sealed unsafe class GradientChecks
{
    readonly Variable[] _variables;
    readonly Arena _arena;
    readonly bool _allArrays;
    readonly Dictionary<object, List<Variable>> _byArray = new(ReferenceEqualityComparer.Instance);
    readonly List<(nint Start, nint End, Variable Variable, bool IsGradient)> _places = [];
    readonly List<MemoryHandle> _pins = [];
    readonly List<(TypedMemory Elements, Variable Variable)> _toCompare = [];

    public GradientChecks(Variable[] variables, Arena arena)
    {
        _variables = variables;
        _arena = arena;
        _allArrays = Array.TrueForAll(variables, variable => variable.Elements.Owner is Array);
        foreach (Variable variable in variables)
        {
            if (variable.Elements.Owner is not Array array)
                continue;
            if (!_byArray.TryGetValue(array, out List<Variable>? sharing))
                _byArray.Add(array, sharing = []);
            sharing.Add(variable);
        }

        foreach (List<Variable> sharing in _byArray.Values)
            sharing.Sort((a, b) => a.Elements.Start.CompareTo(b.Elements.Start));
    }

    /// <summary>Forgets what an earlier call left.</summary>
    public void Begin() => _toCompare.Clear();

    /// <summary>Checks one gradient, or notes it for the comparison by address.</summary>
    /// <exception cref="ArgumentException">It has another length than its variable, or overlaps one.</exception>
    public void Add(Gradient gradient, Variable variable)
    {
        TypedMemory elements = gradient.AsRows?.Values ?? gradient.Elements;
        if (gradient.AsRows is null && elements.Length != variable.Length)
            throw new ArgumentException($"{variable.Path}: gradient has {elements.Length} elements, the variable has {variable.Length}.");
        if (elements.Length == 0)
            return;
        if (elements.Owner is Array array && Overlapped(array, elements) is { } other)
            throw Overlap(variable, other);
        if (elements.Owner is not Array || !_allArrays)
            _toCompare.Add((elements, variable));
    }

    /// <summary>Compares the gradients that were noted with all variables.</summary>
    /// <exception cref="ArgumentException">One overlaps a variable or the optimizer's memory.</exception>
    public void End()
    {
        if (_toCompare.Count == 0)
            return;
        try
        {
            foreach (Variable variable in _variables)
            {
                if (variable.Length > 0)
                    Note(variable.Pin(), variable.Elements, variable, isGradient: false);
            }

            foreach (var (elements, variable) in _toCompare)
            {
                Note(elements.Pin(), elements, variable, isGradient: true);
                if (_arena.Holds((byte*)_places[^1].Start))
                    throw new ArgumentException($"{variable.Path}: the gradient is in the optimizer's own memory.");
            }

            _places.Sort(static (a, b) => a.Start.CompareTo(b.Start));
            Sweep();
        }
        finally
        {
            foreach (MemoryHandle pin in _pins)
                pin.Dispose();
            _pins.Clear();
            _places.Clear();
        }
    }

    // Of what began before, only the variable and the gradient that reach farthest can overlap the next place.
    void Sweep()
    {
        (nint End, Variable? Variable) lastVariable = default, lastGradient = default;
        foreach (var (start, end, variable, isGradient) in _places)
        {
            if (isGradient && start < lastVariable.End)
                throw Overlap(variable, lastVariable.Variable!);
            if (!isGradient && start < lastGradient.End)
                throw Overlap(lastGradient.Variable!, variable);
            ref var last = ref isGradient ? ref lastGradient : ref lastVariable;
            if (end > last.End)
                last = (end, variable);
        }
    }

    void Note(MemoryHandle pin, TypedMemory elements, Variable variable, bool isGradient)
    {
        _pins.Add(pin);
        var start = (nint)pin.Pointer;
        _places.Add((start, start + ((nint)elements.Length * elements.DType.Size()), variable, isGradient));
    }

    // The variables of one array are disjoint and in order, so the last that begins before the gradient's end is the only candidate.
    Variable? Overlapped(Array array, TypedMemory elements)
    {
        if (!_byArray.TryGetValue(array, out List<Variable>? sharing))
            return null;
        int low = 0, high = sharing.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (sharing[middle].Elements.Start < elements.Start + elements.Length)
                low = middle + 1;
            else
                high = middle;
        }

        for (int i = low - 1; i >= 0; i--)
        {
            if (sharing[i].Length > 0)
                return elements.Overlaps(sharing[i].Elements) ? sharing[i] : null;
        }

        return null;
    }

    static ArgumentException Overlap(Variable gradientOf, Variable other) =>
        new($"{gradientOf.Path}: the gradient overlaps the variable {other.Path} in memory.");
}
