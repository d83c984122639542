namespace Infinorm.Pipeline;

/// <summary>
/// One of the tensors an optimizer keeps for each variable, such as its momentum: of the variable's shape, zero at first, float for
/// 16-bit variables, else of the variable's type.
/// </summary>
public readonly struct Slot
{
    internal Slot(int index) => Index = index;

    /// <summary>Its place among the slots of a variable.</summary>
    internal int Index { get; }
}

/// <summary>Where an optimizer names its slots when it is built.</summary>
public sealed class Slots
{
    readonly List<string> _names = [];

    internal Slots()
    {
    }

    internal IReadOnlyList<string> Names => _names;

    /// <summary>Adds a slot for every variable.</summary>
    /// <param name="name">The last part of its variables' names: <c>momentum</c> gives <c>dense_kernel_momentum</c>.</param>
    /// <exception cref="ArgumentException">The name is empty, contains <c>/</c>, or was added before.</exception>
    public Slot Add(string name)
    {
        if (string.IsNullOrEmpty(name) || name.Contains('/') || _names.Contains(name))
            throw new ArgumentException($"A slot's name is new, not empty and without '/': found \"{name}\".", nameof(name));
        _names.Add(name);
        return new Slot(_names.Count - 1);
    }
}
