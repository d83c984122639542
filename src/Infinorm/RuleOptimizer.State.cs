using Infinorm.Variables;

namespace Infinorm;

public abstract partial class RuleOptimizer
{
    IReadOnlyList<Variable>? _variables;

    /// <inheritdoc/>
    public override IReadOnlyList<Variable> Variables => _variables ??= [.. CounterAndRate(), .. _states.Select(state => state.Values)];

    internal override IEnumerable<StateTensor> State(string root) =>
    [
        .. CounterAndRate().Select(variable => new StateTensor($"{root}/{variable.Name}", null, variable)),
        .. _states.Select(state => new StateTensor($"{root}/{state.Kind}", state.Of?.Path, state.Values)),
    ];

    internal override Optimizer CloneFor(Variable[] copies)
    {
        var clone = (RuleOptimizer)CloneSelf();
        clone._use = new UseFlag();
        clone.Unbuild();
        clone.BuildAt(copies, _decays, _grouping, _executor!.ForCopies(), Name);
        return clone;
    }

    // Makes Variables anew when it is next asked for.
    void ForgetVariables() => _variables = null;

    IEnumerable<Variable> CounterAndRate() => CounterAndRate(hasRate: _learningRate.Value is not null);
}
