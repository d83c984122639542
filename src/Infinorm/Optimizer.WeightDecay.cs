using System.Text.RegularExpressions;

namespace Infinorm;

public abstract partial class Optimizer
{
    HashSet<Variable> _excludedVariables = [];
    Regex? _excludedNames;
    bool[] _decays = []; // of each built variable

    /// <summary>The built variables that are excluded, for what stores them.</summary>
    internal virtual IEnumerable<Variable> WeightDecayExclusions => _trainable.Where((_, i) => !_decays[i]);

    /// <summary>Whether variables are excluded by patterns of their names.</summary>
    internal virtual bool ExcludesByName => _excludedNames is not null;

    /// <summary>
    /// Keeps variables out of weight decay. Each call replaces what former calls excluded. Keras: <c>exclude_from_weight_decay</c>.
    /// </summary>
    /// <param name="variables">Variables to exclude.</param>
    /// <param name="names">
    /// Regular expressions, searched for anywhere in <see cref="Variable.Name"/> (never in the path): <c>bias</c> also excludes
    /// <c>my_bias_2</c>, <c>^bias$</c> does not.
    /// </param>
    /// <exception cref="InvalidOperationException">The optimizer is built.</exception>
    /// <exception cref="ArgumentException">A name is null or not a valid regular expression.</exception>
    public virtual void ExcludeFromWeightDecay(IEnumerable<Variable>? variables = null, IEnumerable<string>? names = null)
    {
        if (IsBuilt)
            throw new InvalidOperationException($"{Name} is built; exclude variables from weight decay before that.");
        string[] patterns = [.. names ?? []];
        foreach (string pattern in patterns) // as a part of the whole expression, null would match every name
            ArgumentNullException.ThrowIfNull(pattern, nameof(names));
        Regex? excludedNames = patterns.Length == 0 ? null : new Regex(string.Join('|', patterns), RegexOptions.CultureInvariant);
        _excludedVariables = [.. variables ?? []];
        _excludedNames = excludedNames;
    }

    bool IsExcludedFromWeightDecay(Variable variable) =>
        _excludedVariables.Contains(variable) || (_excludedNames?.IsMatch(variable.Name) ?? false);
}
