using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;

namespace Infinorm.Execution.Memory;

/// <summary>
/// The pass of one step over one work list: its plan, and its job, which has the optimizer's rule. Both are there before anything is
/// changed, so that an optimizer that throws, or gives no rule, has changed nothing.
/// </summary>
sealed class PreparedPass(MemoryExecutor executor, WorkList work, Slots slots) : RuleTarget(slots)
{
    StepPlan[] _plans = [];

    public WorkList Work => work;

    public ref readonly StepPlan Plan => ref _plans[work.Group];

    public override double LearningRate => Plan.LearningRate;

    public override long Iterations => Plan.Iterations;

    /// <summary>Takes the plans of the groups, and asks the optimizer for its rule, where they update.</summary>
    /// <exception cref="InvalidOperationException">It gives none, or more than one.</exception>
    public void Prepare(IRuleSource source, StepPlan[] plans)
    {
        _plans = plans;
        var question = new Question(this, source);
        LaneWidth.Run(work.Type == DType.Float64, ref question);
    }

    /// <summary>What steps the variables by that rule.</summary>
    public MemoryExecutor.PassJob Job => (MemoryExecutor.PassJob)Given;

    protected override IRulePass<TRule> Make<L, TRule>() => new MemoryExecutor.PassJob<L, TRule>(executor, this);

    protected override IRulePass<IBlockRule> Make<L>() => !executor.HasByteSlots
        ? new MemoryExecutor.BlockRuleJob<L>(executor, this)
        : throw new InvalidOperationException($"{Slots.Optimizer}: a rule over spans needs full slots. Leave SlotStorage at Full.");

    readonly struct Question(PreparedPass pass, IRuleSource source) : ILaneAction
    {
        public void Run<L>()
            where L : struct, ILane<L> => pass.Ask<L>(source, pass.Plan.Updates);
    }
}
