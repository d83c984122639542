using System.Text.RegularExpressions;
using Infinorm.Variables;

namespace Infinorm;

// Which optimizer steps which variable.
public sealed partial class MultiOptimizer
{
    static readonly TimeSpan MatchTime = TimeSpan.FromSeconds(1); // a file may hold an expression that takes for ever

    static Regex Whole(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        _ = new Regex(pattern); // by itself: a bracket must not close ours
        return new($@"\A(?:{pattern})\z", RegexOptions.CultureInvariant, MatchTime);
    }

    int OwnerOf(Variable variable)
    {
        int exact = Array.IndexOf(_patterns, variable.Path);
        if (exact >= 0)
            return exact;
        int[] matching = [.. Enumerable.Range(0, _patterns.Length).Where(i => Matches(i, variable.Path))];
        return matching.Length < 2
            ? matching.FirstOrDefault(_patterns.Length)
            : throw new ArgumentException(
                $"{variable.Path}: {matching.Length} patterns of {Name} match it: {string.Join(", ", matching.Select(i => _patterns[i]))}.");
    }

    bool Matches(int pattern, string path)
    {
        try
        {
            return _expressions[pattern].IsMatch(path);
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new ArgumentException($"{path}: the pattern {_patterns[pattern]} of {Name} takes too long to match it.", e);
        }
    }

    // What the function gives becomes the inner optimizers, in the order in which it gives them.
    int[] AskForOwners(Variable[] variables)
    {
        RuleOptimizer[] given = Array.ConvertAll(
            variables,
            variable => _optimizerOf!(variable) ?? throw new ArgumentException($"{variable.Path}: the function of {Name} gave no optimizer."));
        RuleOptimizer[] inner = [.. given.Distinct()];
        Adopt(inner, "optimizerOf");
        foreach (Action<RuleOptimizer> set in _settings)
            Array.ForEach(inner, set);
        return Array.ConvertAll(given, one => Array.IndexOf(inner, one));
    }

    void Adopt(RuleOptimizer[] inner, string argument)
    {
        for (int i = 0; i < inner.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(inner[i], argument);
            if (inner[i].IsBuilt)
                throw new ArgumentException($"{inner[i].Name} is built already; put it into a MultiOptimizer before.", argument);
            if (Array.IndexOf(inner, inner[i]) < i)
                throw new ArgumentException($"{inner[i].Name} occurs twice; join its patterns, as a config would make two of it.", argument);
            if (inner[i].FloatX != inner[0].FloatX)
            {
                throw new ArgumentException(
                    $"{inner[i].Name} has FloatX {inner[i].FloatX}, {inner[0].Name} has {inner[0].FloatX}; all must have the same.", argument);
            }
        }

        foreach (RuleOptimizer one in inner)
            one.SetLossScaleFactor(LossScaleFactor);
        base.SetFloatX(inner[0].FloatX);
        _inner = inner;
    }
}
