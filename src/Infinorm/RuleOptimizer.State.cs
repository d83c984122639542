using Infinorm.Rules;
using Infinorm.Variables;

namespace Infinorm;

public abstract partial class RuleOptimizer
{
    IReadOnlyList<Variable>? _variables;

    /// <inheritdoc/>
    public override IReadOnlyList<Variable> Variables => _variables ??= [.. CounterAndRate(), .. _states.Select(state => state.Values)];

    // Single numbers, in the order of their declaration.
    internal override IEnumerable<NdArray?> FirstValuesOfUntracked
    {
        get
        {
            var scalars = new Queue<ScalarState>(_slots?.Scalars ?? []);
            return
            [
                .. CounterAndRate().Select(_ => (NdArray?)null),
                .. _states.Select(state => state.Of is null ? NdArray.Create([scalars.Dequeue().Initial], ReadOnlySpan<int>.Empty) : null),
            ];
        }
    }

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
        clone.BuildAt(copies, _decays, _grouping, _executor!.ForCopies(), Name, placeholderScope: "");
        return clone;
    }

    /// <summary>A copy of an optimizer that is not built.</summary>
    internal RuleOptimizer CloneUnbuilt()
    {
        var clone = (RuleOptimizer)CloneSelf();
        clone._use = new UseFlag();
        clone.ForgetVariables();
        return clone;
    }

    // Variables is made again on the next access.
    void ForgetVariables() => _variables = null;

    IEnumerable<Variable> CounterAndRate() => CounterAndRate(hasRate: _learningRate.Value is not null);
}
