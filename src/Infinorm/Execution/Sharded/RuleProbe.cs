using Infinorm.Kernels;
using Infinorm.Rules;

namespace Infinorm.Execution.Sharded;

/// <summary>
/// Asks an optimizer for its rule without stepping anything: whether the rule needs whole variables, and on a rank that owns nothing of a
/// group so that the numbers which the optimizer has once go on there as they do elsewhere.
/// </summary>
sealed class RuleProbe(Slots slots) : RuleTarget(slots)
{
    double _learningRate;
    long _iterations;

    public override double LearningRate => _learningRate;

    public override long Iterations => _iterations;

    /// <summary>Whether the rule that was given needs whole variables.</summary>
    public bool NeedsWholeVariables { get; private set; }

    /// <summary>Asks in the lanes of a type.</summary>
    /// <exception cref="InvalidOperationException">The optimizer gives no rule, or more than one.</exception>
    public void Ask(IRuleSource source, in StepPlan plan, bool doubles)
    {
        (_learningRate, _iterations) = (plan.LearningRate, plan.Iterations);
        var question = new Question(this, source);
        LaneWidth.Run(doubles, ref question);
    }

    protected override IRulePass<TRule> Make<L, TRule>() => new Taker<TRule>();

    protected override IRulePass<IBlockRule> Make<L>() => new BlockTaker(this);

    sealed class Taker<TRule> : IRulePass<TRule>
    {
        public void Set(in TRule rule)
        {
        }
    }

    sealed class BlockTaker(RuleProbe probe) : IRulePass<IBlockRule>
    {
        public void Set(in IBlockRule rule) => probe.NeedsWholeVariables = rule.NeedsWholeVariables;
    }

    readonly struct Question(RuleProbe probe, IRuleSource source) : ILaneAction
    {
        public void Run<L>()
            where L : struct, ILane<L> => probe.Ask<L>(source, updates: true);
    }
}
