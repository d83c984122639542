using Infinorm.Schedules;
using Infinorm.Types;

namespace Infinorm.Variables;

/// <summary>Variables that are stepped with a learning rate and a weight decay of their own: PyTorch's param group.</summary>
public sealed class VariableGroup
{
    /// <param name="variables">The variables, each in one group.</param>
    /// <exception cref="ArgumentNullException">There is no variable, or one is null.</exception>
    public VariableGroup(params IEnumerable<Variable> variables)
    {
        ArgumentNullException.ThrowIfNull(variables);
        Variables = [.. variables];
        foreach (Variable variable in Variables)
            ArgumentNullException.ThrowIfNull(variable, nameof(variables));
    }

    /// <summary>The variables.</summary>
    public IReadOnlyList<Variable> Variables { get; }

    /// <summary>The group's own rate; null, the default, for the optimizer's.</summary>
    public LearningRate? LearningRate { get; set; }

    /// <summary>The group's own decoupled weight decay: any finite number, 0 for none; null, the default, for the optimizer's.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is not finite.</exception>
    public double? WeightDecay
    {
        get;
        init => field = value is { } decay ? Check.Finite(decay, nameof(WeightDecay)) : null;
    }
}

/// <summary>How variables are divided into groups.</summary>
/// <param name="Groups">The groups.</param>
/// <param name="GroupOf">The number of the group of each variable; empty where all are in the first.</param>
readonly record struct Grouping(VariableGroup[] Groups, int[] GroupOf)
{
    /// <summary>One group that has nothing of its own.</summary>
    public static Grouping None => new([new VariableGroup()], []);
}
