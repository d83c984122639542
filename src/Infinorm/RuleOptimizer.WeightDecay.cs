using System.Text.RegularExpressions;
using Infinorm.Variables;

namespace Infinorm;

public abstract partial class RuleOptimizer
{
    HashSet<Variable> _excludedVariables = [];
    Regex[] _excludedNames = [];
    bool[] _decays = []; // of each built variable

    /// <summary>Whether the decay multiplies by 1 − rate · decay, as PyTorch's does, rather than subtracting as Keras's.</summary>
    private protected virtual bool DecaysByFactor => false;

    internal override bool ExcludesByName => _excludedNames.Length > 0;

    internal override IEnumerable<Variable> WeightDecayExclusions => _trainable.Where((_, i) => !_decays[i]);

    /// <inheritdoc/>
    public override void ExcludeFromWeightDecay(IEnumerable<Variable>? variables = null, IEnumerable<string>? names = null)
    {
        if (IsBuilt)
            throw new InvalidOperationException($"{Name} is built; exclude variables from weight decay before that.");
        string[] patterns = [.. names ?? []];
        foreach (string pattern in patterns) // as a part of the whole expression, null would match every name
            ArgumentNullException.ThrowIfNull(pattern, nameof(names));
        Regex[] excludedNames = [.. patterns.Select(pattern => new Regex(pattern, RegexOptions.CultureInvariant))];
        _excludedVariables = [.. variables ?? []];
        _excludedNames = excludedNames;
    }

    internal override void ExcludeAs(Optimizer other) =>
        (_excludedVariables, _excludedNames) = (((RuleOptimizer)other)._excludedVariables, ((RuleOptimizer)other)._excludedNames);

    /// <summary>The decay of a variable that does not follow <see cref="WeightDecay"/>; null for one that does.</summary>
    internal virtual OwnDecay? OwnDecayOf(Variable variable) => null;

    // As in Keras, a pattern that matches no name excludes nothing.
    bool IsExcludedFromWeightDecay(Variable variable) =>
        _excludedVariables.Contains(variable) || Array.Exists(_excludedNames, pattern => pattern.IsMatch(variable.Name));
}
