using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;

namespace Infinorm.Execution.Memory;

/// <summary>
/// The pass of one step over one work list: its plan, and its job, which has the optimizer's rule. Both are there before anything is
/// changed, so that an optimizer that throws, or gives no rule, has changed nothing.
/// </summary>
sealed class PreparedPass(MemoryExecutor executor, WorkList work, Slots slots) : IRuleTarget
{
    StepPlan _plan;
    Job? _job;
    int _tasks;

    public WorkList Work => work;

    public double LearningRate => _plan.LearningRate;

    public long Iterations => _plan.Iterations;

    public Slots Slots => slots;

    /// <summary>Asks the optimizer for its rule, where the plan updates.</summary>
    /// <exception cref="InvalidOperationException">It gives none, or more than one.</exception>
    public void Prepare(IRuleSource source, in StepPlan plan)
    {
        _plan = plan;
        _job = null;
        var action = new Ask(this, source);
        LaneWidth.Run(work.Type == DType.Float64, ref action);
        if (_job is null)
            throw RuleErrors.None(slots);
    }

    public void Run() => _job!.Run(_tasks, executor.Helpers);

    public void Take<L, TRule>(TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        RequireFirst();
        var job = work.JobOf<MemoryExecutor.PassJob<L, TRule>>();
        job.Prepare(executor, work, in _plan, rule);
        (_job, _tasks) = (job, work.TaskCount);
    }

    public void Take<L>(IBlockRule rule)
        where L : struct, ILane<L>
    {
        RequireFirst();
        var job = work.JobOf<MemoryExecutor.BlockRuleJob<L>>();
        job.Prepare(executor, work, in _plan, rule, slots);
        (_job, _tasks) = (job, job.Tasks);
    }

    void RequireFirst()
    {
        if (_job is not null)
            throw RuleErrors.Second(slots);
    }

    readonly struct Ask(PreparedPass pass, IRuleSource source) : ILaneAction
    {
        public void Run<L>()
            where L : struct, ILane<L>
        {
            if (pass._plan.Updates)
                source.UpdateStep(new RuleContext<L>(pass));
            else
                pass.Take<L, NoRule<L>>(default);
        }
    }
}
