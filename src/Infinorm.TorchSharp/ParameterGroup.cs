using Infinorm.Schedules;
using Infinorm.Types;
using Infinorm.Variables;
using TorchSharp.Modules;

namespace Infinorm.Torch;

/// <summary>Parameters with a learning rate and a weight decay of their own: PyTorch's param group.</summary>
/// <param name="parameters">
/// Each parameter with its name in the model, such as
/// <c>model.named_parameters().Where(p =&gt; p.name.EndsWith("bias"))</c>.
/// </param>
public sealed class ParameterGroup(IEnumerable<(string Name, Parameter Parameter)> parameters)
{
    /// <summary>
    /// The rate: a number, which schedulers may change, a schedule or a function. Null, the default, stands for the optimizer's rate.
    /// PyTorch: <c>lr</c>.
    /// </summary>
    public LearningRate? LearningRate { get; init; }

    /// <summary>
    /// The decoupled weight decay, as <see cref="RuleOptimizer.WeightDecay"/>: any finite number, 0 for no decay. Null, the default, stands for the
    /// optimizer's decay.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is not finite.</exception>
    public double? WeightDecay
    {
        get;
        init => field = value is { } decay ? Check.Finite(decay, nameof(WeightDecay)) : null;
    }

    internal IReadOnlyList<(string Name, Parameter Parameter)> Parameters { get; } = [.. parameters];

    internal VariableGroup Of(IEnumerable<Variable> variables) => new(variables) { LearningRate = LearningRate, WeightDecay = WeightDecay };
}
