namespace Infinorm.Rules;

/// <summary>The source of a rule: an optimizer, which computes the coefficients of an update and names its rule.</summary>
interface IRuleSource
{
    /// <summary>What forms the coefficients and gives the rule to the context, once, in lanes of one kind.</summary>
    Action<RuleContext<L>> UpdateIn<L>()
        where L : struct, ILane<L>;
}

/// <summary>Steps variables by a rule of one kind. The rule is set for every step.</summary>
interface IRulePass<TRule>
{
    /// <summary>Sets the rule of this step; given by reference, as its coefficients fill many registers.</summary>
    void Set(in TRule rule);
}

/// <summary>Where an optimizer's rule goes: an executor's pass over the variables of one group and type.</summary>
/// <remarks>
/// What it has made for a kind of rule it keeps, and what it has asked the optimizer for: a step then calls no generic virtual method,
/// which would take a small step's time.
/// </remarks>
abstract class RuleTarget(Slots slots)
{
    readonly List<object> _made = [];
    object? _update;
    object? _given;
    bool _isAsking;

    /// <summary>The optimizer's slots.</summary>
    public Slots Slots => slots;

    /// <summary>The rate of this update.</summary>
    public abstract double LearningRate { get; }

    /// <summary>Completed updates before this one.</summary>
    public abstract long Iterations { get; }

    /// <summary>What steps the variables, once the rule was given.</summary>
    protected object Given => _given!;

    /// <summary>Asks an optimizer, always the same, for its rule, or takes that of a call that updates nothing.</summary>
    /// <exception cref="InvalidOperationException">It gives none, or more than one.</exception>
    protected void Ask<L>(IRuleSource source, bool updates)
        where L : struct, ILane<L>
    {
        _given = null;
        if (!updates)
        {
            Set<L, NoRule<L>>(default);
            return;
        }

        if (_update is not Action<RuleContext<L>> update)
            _update = update = source.UpdateIn<L>();
        _isAsking = true;
        try
        {
            update(new RuleContext<L>(this));
        }
        finally
        {
            _isAsking = false;
        }

        if (_given is null)
            throw new InvalidOperationException($"{slots.Optimizer}: its UpdateStep gave no rule; each call must call one of the context's Run methods.");
    }

    /// <summary>Takes the rule that will step the variables once everything is decided.</summary>
    /// <exception cref="InvalidOperationException">There is one already, or UpdateStep has returned.</exception>
    public void Take<L, TRule>(in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        RequireFirst();
        Set<L, TRule>(in rule);
    }

    void Set<L, TRule>(in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        IRulePass<TRule> pass = Made<IRulePass<TRule>>() ?? Keep(Make<L, TRule>());
        pass.Set(in rule);
        _given = pass;
    }

    /// <summary>Takes a rule over spans.</summary>
    /// <exception cref="InvalidOperationException">There is a rule already, or UpdateStep has returned.</exception>
    public void Take<L>(IBlockRule rule)
        where L : struct, ILane<L>
    {
        RequireFirst();
        IRulePass<IBlockRule> pass = Made<IRulePass<IBlockRule>>() ?? Keep(Make<L>());
        pass.Set(in rule);
        _given = pass;
    }

    /// <summary>How many doubles a rule over whole variables needs beside for a variable of a shape.</summary>
    /// <exception cref="InvalidOperationException">It asks for less than nothing.</exception>
    public int ScratchLengthOf(IBlockRule rule, ReadOnlySpan<nint> shape)
    {
        int length = rule.ScratchLength(shape);
        return length >= 0
            ? length
            : throw new InvalidOperationException($"{slots.Optimizer}: its rule's ScratchLength must be >= 0, found {length}.");
    }

    /// <summary>Makes what steps the variables by rules of one kind.</summary>
    protected abstract IRulePass<TRule> Make<L, TRule>()
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>;

    /// <summary>Makes what steps the variables by rules over spans.</summary>
    protected abstract IRulePass<IBlockRule> Make<L>()
        where L : struct, ILane<L>;

    TPass? Made<TPass>()
        where TPass : class
    {
        foreach (object made in _made)
        {
            if (made is TPass pass)
                return pass;
        }

        return null;
    }

    TPass Keep<TPass>(TPass pass)
        where TPass : class
    {
        _made.Add(pass);
        return pass;
    }

    void RequireFirst()
    {
        if (!_isAsking)
        {
            throw new InvalidOperationException(
                $"{slots.Optimizer}: a rule was given after its UpdateStep had returned; a context is good for one call of UpdateStep.");
        }

        if (_given is not null)
        {
            throw new InvalidOperationException(
                $"{slots.Optimizer}: its UpdateStep gave a second rule; each call must call one of the context's Run methods once.");
        }
    }
}
