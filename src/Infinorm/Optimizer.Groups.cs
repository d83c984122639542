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
    internal virtual void SetGroups(int[] groupOf, VariableGroup[] groups)
    {
        _groupOf = groupOf;
        _groups = groups;
    }

    /// <summary>The groups; one that has nothing of its own where the variables are not divided.</summary>
    internal virtual IReadOnlyList<VariableGroup> Groups => _groups;

    /// <summary>The number of the group that a built variable is in.</summary>
    internal virtual int GroupOf(int variable) => _groupOf.Length == 0 ? 0 : _groupOf[variable];

    /// <summary>Has an executor step the variables that the optimizer will be built for, which are not memory of this process.</summary>
    internal void SetExecutor(IExecutor executor) => _executor = executor;

    /// <summary>The number in force for a group's next step.</summary>
    internal double CurrentRateOf(VariableGroup group) => OwnRateOf(group) ?? CurrentLearningRate;

    double? OwnRateOf(VariableGroup group) => group.LearningRate is { } rate ? At(rate, Held(rate)) : null;

    // A group's number is held as the optimizer's is.
    double Held(LearningRate rate) => _floatX == DType.Float64 ? rate.Number ?? 0 : (float)(rate.Number ?? 0);

    // One plan a group: they differ in the rate and the decay. A function that gives the rate is asked once.
    ReadOnlySpan<StepPlan> PlanGroups(in StepPlan plan)
    {
        for (int i = 0; i < _plans.Length; i++)
        {
            _plans[i] = plan with
            {
                LearningRate = OwnRateOf(_groups[i]) ?? plan.LearningRate,
                WeightDecay = _groups[i].WeightDecay ?? plan.WeightDecay,
            };
        }

        return _plans;
    }
}
