using Infinorm.Types;

namespace Infinorm.Rules;

/// <summary>
/// One of the tensors that an optimizer keeps for each variable, such as its momentum: of the variable's shape, float for 16-bit
/// variables, else of the variable's type.
/// </summary>
public readonly struct Slot
{
    internal Slot(Slots? slots, int index)
    {
        Slots = slots;
        Index = index;
    }

    /// <summary>A slot that a setting switches off: a rule reads zeros from it, and what it writes there is dropped.</summary>
    public static Slot Absent => new(null, -1);

    /// <summary>Whether a setting switches the slot off.</summary>
    public bool IsAbsent => Index < 0;

    internal Slots? Slots { get; }

    internal int Index { get; }
}

/// <summary>A number that an optimizer has once: it is saved, cloned and compared like a slot.</summary>
public readonly struct ScalarSlot
{
    internal ScalarSlot(Slots slots, int index)
    {
        Slots = slots;
        Index = index;
    }

    internal Slots? Slots { get; }

    internal int Index { get; }
}

/// <summary>What a slot is called and how it begins. A name alone converts to it.</summary>
/// <param name="name">The last part of its variables' names: <c>momentum</c> gives <c>dense_kernel_momentum</c>.</param>
public sealed class SlotSpec(string name)
{
    /// <summary>The last part of its variables' names.</summary>
    public string Name { get; } = name;

    /// <summary>The first value of every element, rounded to the slot's type. The default is 0.</summary>
    public double Initial { get; init; }

    /// <summary>
    /// Whether it begins as a copy of its variable, as that is when the optimizer is built. The default is <see langword="false"/>.
    /// </summary>
    public bool StartsAsVariable { get; init; }

    /// <summary>
    /// Whether the rule keeps every element ≥ 0, as a sum of squares is. Storage of fewer bits spends none on the sign then. The default
    /// is <see langword="false"/>.
    /// </summary>
    public bool IsNeverNegative { get; init; }

    /// <summary>
    /// Gives the factor by which the rule lets every element decay in an update that adds nothing to it, such as β₂; null where elements
    /// may fall faster. Storage of one byte moves its scale by that instead of every code. The default is null.
    /// </summary>
    public Func<double>? Decay { get; init; }

    /// <summary>
    /// Whether an element is the largest of what came, as an infinity norm is, and not a sum. Storage of one byte rounds it to nearest then:
    /// of values rounded at random the maximum would take those that were rounded up. The default is <see langword="false"/>.
    /// </summary>
    public bool IsMaximum { get; init; }

    /// <summary>
    /// Whether it must not be rounded to fewer bits, as the variable follows from it directly, or differences of it are taken. The default
    /// is <see langword="false"/>.
    /// </summary>
    public bool NeedsFullStorage { get; init; }

    /// <summary>
    /// Gives the form of a variable's slot from the variable's path and shape; null, or a form that is null, for the variable's shape.
    /// A slot that has this is for rules over whole variables (<see cref="IBlockRule.NeedsWholeVariables"/>). The default is null.
    /// </summary>
    public Func<string, ReadOnlySpan<nint>, SlotForm?>? FormOf { get; init; }

    /// <summary>A slot of this name that begins with zeros.</summary>
    public static implicit operator SlotSpec(string name) => new(name);
}

/// <summary>What a slot is for one variable, where that is not a tensor of the variable's shape.</summary>
public sealed class SlotForm
{
    SlotForm(nint[]? shape) => Shape = shape;

    /// <summary>The variable has no such slot.</summary>
    public static SlotForm None { get; } = new(null);

    /// <summary>The name of the slot's variable; null for the variable's path and the slot's name, as usual.</summary>
    public string? Name { get; init; }

    /// <summary>The shape; null where there are no elements for a rule.</summary>
    internal nint[]? Shape { get; }

    /// <summary>Whether the slot is an unused integer, always 0, which is listed, saved and loaded as in Keras.</summary>
    internal bool IsPlaceholder { get; private init; }

    /// <summary>A slot of this shape.</summary>
    /// <exception cref="ArgumentException">A size is negative, or there are more than 2,147,483,591 elements.</exception>
    public static SlotForm Of(params ReadOnlySpan<nint> shape)
    {
        _ = Shapes.Length(shape);
        return new(shape.ToArray());
    }

    /// <summary>A slot of this shape and name.</summary>
    internal static SlotForm Named(string name, ReadOnlySpan<nint> shape) => new(shape.ToArray()) { Name = name };

    /// <summary>An unused integer.</summary>
    internal static SlotForm Placeholder(string name) => new(null) { Name = name, IsPlaceholder = true };
}

/// <summary>A slot as it was declared.</summary>
/// <param name="Spec">What it is.</param>
/// <param name="Group">The number of the call that declared it.</param>
/// <param name="Place">Its place among the slots of the variables' shapes; −1 for one that gives forms.</param>
readonly record struct DeclaredSlot(SlotSpec Spec, int Group, int Place)
{
    /// <summary>The shape of a slot that gives forms; null where a variable has no such slot, and for slots of the variables' shapes.</summary>
    public nint[]? OwnShapeFor(string path, ReadOnlySpan<nint> shape)
    {
        if (Spec.FormOf is not { } formOf)
            return null;
        return formOf(path, shape) is { } form ? form.Shape : shape.ToArray();
    }
}

/// <summary>A scalar slot's value. What a step makes of it counts once the step is done.</summary>
sealed class ScalarState(string name, double initial)
{
    double? _next;

    public string Name { get; } = name;

    /// <summary>Its first value.</summary>
    public double Initial { get; } = initial;

    /// <summary>The value, an array of one float or double; made when the optimizer is built.</summary>
    public Array Values { get; private set; } = Array.Empty<double>();

    /// <summary>The value.</summary>
    public double Value => Values is float[] single ? single[0] : ((double[])Values)[0];

    /// <summary>Makes the value, in double or float.</summary>
    public void Allocate(bool isDouble)
    {
        Values = isDouble ? new double[1] : new float[1];
        _next = Initial;
        Commit();
    }

    /// <summary>What the step in preparation makes of it.</summary>
    public void Prepare(double next) => _next = next;

    /// <summary>Drops what was prepared.</summary>
    public void Drop() => _next = null;

    /// <summary>Takes over what was prepared, rounded to the type.</summary>
    public void Commit()
    {
        if (_next is not { } next)
            return;
        if (Values is float[] single)
            single[0] = (float)next;
        else
            ((double[])Values)[0] = next;
        _next = null;
    }
}
