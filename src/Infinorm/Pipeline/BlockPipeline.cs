using System.Runtime.CompilerServices;
using Infinorm.Kernels;

namespace Infinorm.Pipeline;

/// <summary>
/// Carries a plan out over memory: cuts every variable into blocks that stay in the L1 cache from the first stage to the last. It knows
/// no optimizer's name; the optimizer hands it the loop of its rule.
/// </summary>
sealed unsafe partial class BlockPipeline
{
    readonly Target[] _targets;
    readonly MemorySpot[] _gradients;
    readonly RowOrder?[] _rows;
    readonly WorkList[] _work;
    readonly int[] _constrained;
    readonly int _helpers;
    StepPlan _plan;
    bool _isBare;

    public BlockPipeline(Target[] targets, int groups, int maxDegreeOfParallelism)
    {
        _helpers = maxDegreeOfParallelism - 1;
        _targets = targets;
        _gradients = new MemorySpot[targets.Length];
        _rows = new RowOrder?[targets.Length];
        _constrained = [.. Enumerable.Range(0, targets.Length).Where(t => targets[t].Constraint is not null)];
        _work = WorkList.Cut(targets, groups);
    }

    /// <summary>The variables and their slots.</summary>
    public Span<Target> Targets => _targets;

    /// <summary>The gradient of each variable in the present call; no owner where it has none.</summary>
    public Span<MemorySpot> Gradients => _gradients;

    /// <summary>Where the rows of a variable's sparse gradient are kept in order.</summary>
    public RowOrder RowsOf(int target) => _rows[target] ??= new RowOrder();

    /// <summary>The plan being carried out, that of one group of variables.</summary>
    public ref readonly StepPlan Plan => ref _plan;

    /// <summary>Carries the plans out: the reduction they ask for, then one pass over memory, then the constraints.</summary>
    /// <param name="optimizer">Whose rule it is.</param>
    /// <param name="plans">One for each group of variables; they differ in the rate and the decay only.</param>
    /// <param name="norm">The norm of all gradients, if they are clipped by it.</param>
    /// <returns>False if the plan requires finite gradients and they are not: then nothing has changed.</returns>
    public bool Run(IUpdateStep optimizer, ReadOnlySpan<StepPlan> plans, out GradientNorm norm)
    {
        _plan = plans[0];
        norm = default;
        if (_plan.AccumulationSteps > 0)
            ZeroSpentAccumulators();
        if (_plan.Reduces && !Reduce(out norm))
            return false;
        foreach (WorkList work in _work)
        {
            _plan = plans[work.Group];
            _isBare = _plan.IsBare;
            RunAll(optimizer, work);
        }

        if (_plan.AccumulationSteps > 0)
            MarkAccumulators();
        Constrain();
        return true;
    }

    void RunAll(IUpdateStep optimizer, WorkList work)
    {
        bool doubles = work.Type == DType.Float64;
        switch (LaneWidth.Bits)
        {
            case 512 when doubles: RunAll<Lane512<double>>(optimizer, work); break;
            case 512: RunAll<Lane512<float>>(optimizer, work); break;
            case 256 when doubles: RunAll<Lane256<double>>(optimizer, work); break;
            case 256: RunAll<Lane256<float>>(optimizer, work); break;
            case 128 when doubles: RunAll<Lane128<double>>(optimizer, work); break;
            case 128: RunAll<Lane128<float>>(optimizer, work); break;
            case var _ when doubles: RunAll<Lane1<double>>(optimizer, work); break;
            default: RunAll<Lane1<float>>(optimizer, work); break;
        }
    }

    void RunAll<L>(IUpdateStep optimizer, WorkList work)
        where L : struct, ILane<L>
    {
        if (_plan.Updates)
            optimizer.UpdateStep(new Step<L>(this, work));
        else
            RunTasks<L, NoRule<L>>(work, default);
    }

    /// <summary>One pass over the variables of a work list with one rule.</summary>
    public void RunTasks<L, TRule>(WorkList work, TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        var job = work.JobOf<PassJob<L, TRule>>();
        (job.Pipeline, job.Tasks, job.Rule) = (this, work, rule);
        job.Run(work.TaskCount, _helpers);
    }

    sealed class PassJob<L, TRule> : Job
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        public BlockPipeline Pipeline = null!;
        public WorkList Tasks = null!;
        public TRule Rule;

        [SkipLocalsInit]
        protected override void Execute(int task)
        {
            byte* memory = stackalloc byte[Scratch.Size + Arena.Alignment];
            var scratch = new Scratch((byte*)Arena.Padded((nint)memory));
            ReadOnlySpan<Chunk> chunks = Tasks.ChunksOf(Pipeline._plan.Reduces ? Tasks.Returning(task, Pipeline._helpers) : task);
            if (Pipeline._isBare)
            {
                Pipeline.RunBare<L, TRule>(chunks, scratch, in Rule);
                return;
            }

            for (int i = 0; i < chunks.Length; i++)
            {
                if (i + 1 < chunks.Length)
                    Pipeline.PrefetchSmall(in chunks[i + 1]);
                Pipeline.RunChunk<L, TRule>(in chunks[i], scratch, in Rule);
            }
        }
    }

    // The processor sees ahead in long streams by itself, but not from one small variable to the next. What moves meanwhile is
    // prefetched in vain, nothing worse. All lines: asking only for the first few was slower than asking for none.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void PrefetchSmall(in Chunk chunk)
    {
        ref MemorySpot gradient = ref _gradients[chunk.Target];
        if (chunk.Count > GradientStages.BlockLength || gradient.Owner is null || gradient.IsRows)
            return;
        ref Target target = ref _targets[chunk.Target];
        Prefetch.Lines(Unsafe.AsPointer(ref target.Spot.At(chunk.Start)), (nint)chunk.Count * target.Spot.DType.Size());
        Prefetch.Lines(Unsafe.AsPointer(ref gradient.At(chunk.Start)), (nint)chunk.Count * gradient.DType.Size());
    }
}
