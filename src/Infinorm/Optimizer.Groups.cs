using Infinorm.Pipeline;

namespace Infinorm;

public abstract partial class Optimizer
{
    IExecutor? _executor;
    VariableGroup[] _groups = [new()];
    int[] _groupOf = [];
    StepPlan[] _plans = [];

    /// <summary>
    /// Divides the variables that the optimizer will be built for into groups. Clips by global norm, loss scaling, accumulation and
    /// averages are over all of them.
    /// </summary>
    /// <param name="groupOf">The group of each variable.</param>
    /// <param name="groups">The groups.</param>
    internal void SetGroups(int[] groupOf, VariableGroup[] groups)
    {
        _groupOf = groupOf;
        _groups = groups;
    }

    /// <summary>Has an executor step the variables that the optimizer will be built for, which are not memory of this process.</summary>
    internal void SetExecutor(IExecutor executor) => _executor = executor;

    /// <summary>The number in force for a group's next step.</summary>
    internal double CurrentRateOf(VariableGroup group) => group.LearningRate is { } rate ? At(rate, Held(rate)) : CurrentLearningRate;

    // A group's number is held as the optimizer's is.
    double Held(LearningRate rate) => _floatX == DType.Float64 ? rate.Number ?? 0 : (float)(rate.Number ?? 0);

    // One plan a group: they differ in the rate and the decay. The optimizer's rate is not asked for again: a function may change it.
    ReadOnlySpan<StepPlan> PlanGroups(in StepPlan plan)
    {
        for (int i = 0; i < _plans.Length; i++)
        {
            _plans[i] = plan with
            {
                LearningRate = _groups[i].LearningRate is null ? plan.LearningRate : CurrentRateOf(_groups[i]),
                WeightDecay = _groups[i].WeightDecay ?? plan.WeightDecay,
            };
        }

        return _plans;
    }
}
