namespace Infinorm.Rules;

/// <summary>One update of the variables of one type and group, as <see cref="RuleOptimizer.UpdateStep{L}"/> sees it.</summary>
/// <remarks>
/// Each call of UpdateStep calls one of the Run methods once. The rule runs when everything is decided and checked, after UpdateStep has
/// returned.
/// </remarks>
/// <typeparam name="L">The lanes that it is computed in.</typeparam>
public readonly struct RuleContext<L>
    where L : struct, ILane<L>
{
    readonly RuleTarget _target;

    internal RuleContext(RuleTarget target) => _target = target;

    /// <summary>The rate of this update, rounded to the element type.</summary>
    public L LearningRate => L.Of(_target.LearningRate);

    /// <summary>The rate of this update before it is rounded to the element type.</summary>
    public double UnroundedLearningRate => _target.LearningRate;

    /// <summary>Completed updates before this one, from 0.</summary>
    public long Iterations => _target.Iterations;

    /// <summary>The value of a scalar slot before this update.</summary>
    /// <exception cref="InvalidOperationException">The slot is not this optimizer's.</exception>
    public double Read(ScalarSlot slot) => _target.Slots.StateOf(slot).Value;

    /// <summary>Says what a scalar slot is after this update, rounded to its type. It stays as it is if the update does not happen.</summary>
    /// <exception cref="InvalidOperationException">The slot is not this optimizer's.</exception>
    public void Write(ScalarSlot slot, double value) => _target.Slots.StateOf(slot).Prepare(value);

    /// <summary>Steps every variable that has a gradient by the rule.</summary>
    /// <param name="rule">The formula with its coefficients.</param>
    /// <exception cref="InvalidOperationException">
    /// A rule was given already, a slot is not this optimizer's or given twice, or UpdateStep has returned.
    /// </exception>
    public void Run<TRule>(in TRule rule)
        where TRule : struct, IRule0<L> => _target.Take<L, SlotRule0<L, TRule>>(new(in rule));

    /// <inheritdoc cref="Run{TRule}(in TRule)"/>
    /// <param name="rule">The formula with its coefficients.</param>
    /// <param name="slot">The slot that the rule steps.</param>
    public void Run<TRule>(in TRule rule, Slot slot)
        where TRule : struct, IRule1<L>
    {
        int index = _target.Slots.IndexOf(slot);
        if (index >= 0)
            _target.Take<L, SlotRule1<L, TRule>>(new(in rule, index));
        else
            _target.Take<L, SlotRule3<L, OneOfThree<L, TRule>>>(new(new(in rule), index, -1, -1));
    }

    /// <inheritdoc cref="Run{TRule}(in TRule)"/>
    /// <param name="rule">The formula with its coefficients.</param>
    /// <param name="first">The rule's first slot.</param>
    /// <param name="second">The rule's second slot.</param>
    public void Run<TRule>(in TRule rule, Slot first, Slot second)
        where TRule : struct, IRule2<L>
    {
        int a = _target.Slots.IndexOf(first), b = _target.Slots.IndexOf(second);
        _target.Slots.RequireDistinct(first, second);
        if (a >= 0 && b >= 0)
            _target.Take<L, SlotRule2<L, TRule>>(new(in rule, a, b));
        else
            _target.Take<L, SlotRule3<L, TwoOfThree<L, TRule>>>(new(new(in rule), a, b, -1));
    }

    /// <inheritdoc cref="Run{TRule}(in TRule)"/>
    /// <param name="rule">The formula with its coefficients.</param>
    /// <param name="first">The rule's first slot.</param>
    /// <param name="second">The rule's second slot.</param>
    /// <param name="third">The rule's third slot.</param>
    public void Run<TRule>(in TRule rule, Slot first, Slot second, Slot third)
        where TRule : struct, IRule3<L>
    {
        int a = _target.Slots.IndexOf(first), b = _target.Slots.IndexOf(second), c = _target.Slots.IndexOf(third);
        _target.Slots.RequireDistinct(first, second);
        _target.Slots.RequireDistinct(first, third);
        _target.Slots.RequireDistinct(second, third);
        _target.Take<L, SlotRule3<L, TRule>>(new(in rule, a, b, c));
    }

    /// <summary>Steps every variable that has a gradient by a rule over spans: slower, for trying things out.</summary>
    /// <param name="rule">The formula with its coefficients.</param>
    /// <exception cref="InvalidOperationException">A rule was given already, or UpdateStep has returned.</exception>
    public void Run(IBlockRule rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        _target.Take<L>(rule);
    }
}
