namespace Infinorm.Rules;

/// <summary>Where an optimizer declares its slots when it is built: the tensors that it keeps for each variable, and single numbers.</summary>
/// <remarks>
/// One call of an <c>Add</c> method is one group. <see cref="Optimizer.Variables"/> lists the groups one after the other and the slots of a
/// group by variable, which is Keras's order if a group is what one call of <c>add_optimizer_variables</c> names.
/// </remarks>
public sealed class Slots
{
    readonly List<DeclaredSlot> _declared = [];
    readonly List<ScalarState> _scalars = [];
    int _groups, _places;
    bool _isClosed;

    internal Slots(string optimizer) => Optimizer = optimizer;

    /// <summary>The name of the optimizer, for messages.</summary>
    internal string Optimizer { get; }

    /// <summary>The slots in the order of their declaration.</summary>
    internal IReadOnlyList<DeclaredSlot> Declared => _declared;

    /// <summary>The single numbers in the order of their declaration.</summary>
    internal IReadOnlyList<ScalarState> Scalars => _scalars;

    /// <summary>Declares one slot, a group by itself.</summary>
    /// <param name="slot">The slot, or just its name.</param>
    /// <exception cref="ArgumentException">
    /// The name is empty, contains <c>/</c>, or was declared before; or what the slot begins with contradicts itself.
    /// </exception>
    /// <exception cref="InvalidOperationException">DefineSlots has returned.</exception>
    public Slot Add(SlotSpec slot) => Declare(slot, _groups++);

    /// <summary>Declares two slots that are listed by variable: the first and the second of variable 0, of variable 1 and so on.</summary>
    /// <inheritdoc cref="Add(SlotSpec)"/>
    /// <param name="first">The first slot, or just its name.</param>
    /// <param name="second">The second slot, or just its name.</param>
    public (Slot First, Slot Second) Add(SlotSpec first, SlotSpec second)
    {
        int group = _groups++;
        return (Declare(first, group), Declare(second, group));
    }

    /// <summary>Declares three slots that are listed by variable.</summary>
    /// <inheritdoc cref="Add(SlotSpec, SlotSpec)"/>
    /// <param name="first">The first slot, or just its name.</param>
    /// <param name="second">The second slot, or just its name.</param>
    /// <param name="third">The third slot, or just its name.</param>
    public (Slot First, Slot Second, Slot Third) Add(SlotSpec first, SlotSpec second, SlotSpec third)
    {
        int group = _groups++;
        return (Declare(first, group), Declare(second, group), Declare(third, group));
    }

    /// <summary>Declares a number that the optimizer has once, such as a running product; it is listed after all slots.</summary>
    /// <param name="name">The last part of its variable's path.</param>
    /// <param name="initial">Its first value.</param>
    /// <exception cref="ArgumentException">The name is empty, contains <c>/</c>, or was declared before.</exception>
    /// <exception cref="InvalidOperationException">DefineSlots has returned.</exception>
    public ScalarSlot AddScalar(string name, double initial = 0)
    {
        CheckName(name);
        _scalars.Add(new ScalarState(name, initial));
        return new ScalarSlot(this, _scalars.Count - 1);
    }

    /// <summary>Ends the declaration: memory is laid out for the slots that there are.</summary>
    internal void Close() => _isClosed = true;

    /// <summary>The most slots that can have one byte an element: what the steps' scratch memory holds.</summary>
    internal const int MostOfBytes = 4;

    /// <summary>Checks that the slots can have one byte an element.</summary>
    /// <exception cref="InvalidOperationException">One of them cannot, or there are too many.</exception>
    internal void RequireBytes()
    {
        DeclaredSlot full = _declared.Find(slot => slot.Spec is { NeedsFullStorage: true } or { StartsAsVariable: true } or { FormOf: not null });
        if (full.Spec is { } spec)
            throw new InvalidOperationException($"{Optimizer}: its slot {spec.Name} cannot have one byte an element. Leave SlotStorage at Full.");

        if (_declared.Count > MostOfBytes)
            throw new InvalidOperationException($"{Optimizer}: it has {_declared.Count} slots; at most {MostOfBytes} can have one byte an element.");
    }

    /// <summary>How many slots have the variables' shapes.</summary>
    internal int Places => _places;

    /// <summary>Drops what a step that did not happen has prepared.</summary>
    internal void DropScalars()
    {
        foreach (ScalarState scalar in _scalars)
            scalar.Drop();
    }

    /// <summary>Takes over what a step has prepared.</summary>
    internal void CommitScalars()
    {
        foreach (ScalarState scalar in _scalars)
            scalar.Commit();
    }

    /// <summary>The place of a slot among those of the variables' shapes; −1 for one that is absent.</summary>
    /// <exception cref="InvalidOperationException">It was never declared, or by another optimizer, or gives forms.</exception>
    internal int IndexOf(Slot slot)
    {
        int number = NumberOf(slot);
        if (number < 0)
            return -1;
        int place = _declared[number].Place;
        return place >= 0 ? place : throw new InvalidOperationException(
            $"{Optimizer}: its rule in lanes uses the slot {_declared[number].Spec.Name}, which need not have the variable's shape; that takes "
            + "a rule over whole variables.");
    }

    /// <summary>The number of a slot among those declared here; −1 for one that is absent.</summary>
    /// <exception cref="InvalidOperationException">It was never declared, or by another optimizer.</exception>
    internal int NumberOf(Slot slot)
    {
        if (slot.IsAbsent)
            return -1;
        return ReferenceEquals(slot.Slots, this) ? slot.Index : throw Foreign(slot.Slots);
    }

    /// <summary>Refuses one slot in two places of a rule: of what the rule writes to both, one would be lost.</summary>
    /// <exception cref="InvalidOperationException">Both are the same slot.</exception>
    internal void RequireDistinct(Slot one, Slot other)
    {
        if (!one.IsAbsent && one.Index == other.Index)
            throw new InvalidOperationException($"{Optimizer}: its rule uses the slot {_declared[one.Index].Spec.Name} twice.");
    }

    /// <summary>The number of a scalar slot declared here.</summary>
    /// <exception cref="InvalidOperationException">It was never declared, or by another optimizer.</exception>
    internal ScalarState StateOf(ScalarSlot slot) => ReferenceEquals(slot.Slots, this) ? _scalars[slot.Index] : throw Foreign(slot.Slots);

    InvalidOperationException Foreign(Slots? owner) => new(owner is null
        ? $"{Optimizer}: its rule uses a slot that was never declared; declare it in DefineSlots and keep what Add returns."
        : $"{Optimizer}: its rule uses a slot that {owner.Optimizer} declared; an optimizer can only use its own.");

    Slot Declare(SlotSpec slot, int group)
    {
        ArgumentNullException.ThrowIfNull(slot);
        CheckName(slot.Name);
        if (slot.StartsAsVariable && (slot.Initial != 0 || slot.FormOf is not null))
        {
            throw new ArgumentException(
                $"{Optimizer}: the slot {slot.Name} starts as its variable, so it has neither an Initial nor a FormOf.", nameof(slot));
        }

        if (slot.IsNeverNegative && slot.Initial < 0)
            throw new ArgumentException($"{Optimizer}: the slot {slot.Name} is never negative, but its Initial is.", nameof(slot));
        _declared.Add(new DeclaredSlot(slot, group, slot.FormOf is null ? _places++ : -1));
        return new Slot(this, _declared.Count - 1);
    }

    void CheckName(string name)
    {
        if (_isClosed)
        {
            throw new InvalidOperationException(
                $"{Optimizer}: the slot \"{name}\" is declared too late; slots are declared in DefineSlots, before it returns.");
        }

        if (string.IsNullOrEmpty(name) || name.Contains('/') || _declared.Exists(slot => slot.Spec.Name == name)
            || _scalars.Exists(scalar => scalar.Name == name))
        {
            throw new ArgumentException($"{Optimizer}: a slot's name must be new, not empty and without '/', found \"{name}\".", nameof(name));
        }
    }
}
