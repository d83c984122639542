using System.Runtime.CompilerServices;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;
using static Infinorm.Execution.Memory.GradientBlocks;

namespace Infinorm.Execution.Memory;

/// <summary>The reduction before the pass: one read of the gradients gives their norms and whether they are finite.</summary>
sealed unsafe partial class MemoryExecutor
{
    bool ReduceAll(in StepPlan plan, out GradientNorm norm)
    {
        norm = default;
        if (!ReduceChunks(in plan))
            return false;
        if (plan.Clip == ClipKind.Norm)
            SetDivisors(in plan);
        else if (plan.Clip == ClipKind.GlobalNorm)
            norm = SetGlobalFactor(in plan);
        return true;
    }

    // False where the plan requires finite gradients and they are not.
    bool ReduceChunks(in StepPlan plan)
    {
        foreach (WorkList work in _work)
        {
            var action = new Reduction(this, work, in plan);
            LaneWidth.Run(work.Type == DType.Float64, ref action);
            if (plan.RequiresFinite && work.Finite.Contains(false))
                return false;
        }

        return true;
    }

    /// <summary>
    /// Reads the gradients of parts of variables, where others have the rest: what all have is put together and set by
    /// <see cref="SetClipOperand"/>.
    /// </summary>
    /// <returns>False if the plan requires finite gradients and they are not.</returns>
    public bool ReduceParts() => !Plan.Reduces || ReduceChunks(in Plan);

    /// <summary>The sums of the squares of a variable's chunks, of the last reduction.</summary>
    public ReadOnlySpan<double> ChunkSums(int variable)
    {
        ref readonly VariableState state = ref _states[variable];
        return state.ChunkCount == 0 ? [] : _work[state.WorkList].Sums.AsSpan(state.FirstChunk, state.ChunkCount);
    }

    /// <summary>What clipping by norm divides a variable's gradient by in this call, and clipping by global norm multiplies it by.</summary>
    public void SetClipOperand(int variable, double operand) => _states[variable].ClipOperand = operand;

    readonly ref struct Reduction(MemoryExecutor executor, WorkList work, ref readonly StepPlan plan) : ILaneAction
    {
        readonly ref readonly StepPlan _plan = ref plan;

        public void Run<L>()
            where L : struct, ILane<L>
        {
            var job = work.JobOf<ReduceJob<L>>();
            (job.Executor, job.List, job.Plan) = (executor, work, _plan);
            job.Run(work.TaskCount, executor.Helpers);
        }
    }

    sealed class ReduceJob<L> : Job
        where L : struct, ILane<L>
    {
        public MemoryExecutor Executor = null!;
        public WorkList List = null!;
        public StepPlan Plan;

        [SkipLocalsInit]
        protected override void Execute(int task)
        {
            byte* memory = stackalloc byte[Scratch.Size + Arena.Alignment];
            var scratch = new Scratch((byte*)Arena.Padded((nint)memory));
            int i = List.FirstChunk(task);
            Executor.MakeGradients(List.ChunksOf(task));
            foreach (ref readonly Chunk chunk in List.ChunksOf(task))
            {
                fixed (byte* dense = &DenseAt(in Executor._gradients[chunk.Variable], chunk.Start))
                {
                    ChunkView view = Executor.ViewOf(in chunk, in Plan, null, dense, scratch);
                    List.Sums[i] = 0;
                    List.Finite[i] = !view.HasGradient || ReduceChunk<L>(in view, out List.Sums[i]);
                }

                i++;
            }
        }
    }

    static bool ReduceChunk<L>(in ChunkView view, out double sum)
        where L : struct, ILane<L>
    {
        double* sums = view.Scratch.Sums;
        new Span<double>(sums, SquareSums.Count).Clear();
        bool normed = view.Plan.Clip is ClipKind.Norm or ClipKind.GlobalNorm && !view.State.OverwrittenByGradient;
        bool finite = true;

        // What needs no work is read where it lies. Blocks begin at multiples of their length, so that an element's sum is fixed.
        bool direct = view.Gradient != null && view.GradientDType == view.State.ComputeType
            && view.Plan.LossScale is null && view.Plan.AccumulationSteps == 0;
        int whole = direct ? view.Chunk.Count / BlockLength * BlockLength : 0;
        if (whole > 0)
            finite &= ReduceBlock<L>(in view, 0, whole, normed, sums);
        for (int offset = whole; offset < view.Chunk.Count; offset += BlockLength)
            finite &= ReduceBlock<L>(in view, offset, Math.Min(BlockLength, view.Chunk.Count - offset), normed, sums);

        sum = SquareSums.Fold(sums);
        return finite;
    }

    static bool ReduceBlock<L>(in ChunkView view, int offset, int count, bool normed, double* sums)
        where L : struct, ILane<L>
    {
        if (MixedGradients.Is(in view))
            return MixedGradients.Reduce(in view, offset, count, normed, sums);

        ref readonly StepPlan plan = ref view.Plan;
        byte* gradient = Load(in view, offset, count, TypeOf<L>());
        nint bytes = PaddedBytes<L>(count);
        bool finite = !plan.RequiresFinite || BlockKernels.IsFinite<L>(gradient, bytes);
        if (!normed)
            return finite;

        if (view.ReducesIntoAccumulator)
        {
            var formula = new GradientFormula<L>(plan.LossScale, plan.AccumulationSteps, ClipKind.None, 0, 0);
            BlockKernels.AccumulateMean(view.Scratch.Gradient, view.AccumulatorAt(offset), gradient, bytes, in formula);
            gradient = view.Scratch.Gradient;
        }
        else if (plan.LossScale is not null || plan.AccumulationSteps > 0)
        {
            var formula = new GradientFormula<L>(plan.LossScale, plan.AccumulationSteps, ClipKind.None, 0, 0);
            byte* accumulator = view.State.Accumulator == null ? null : view.AccumulatorAt(offset);
            BlockKernels.Prepare(view.Scratch.Gradient, gradient, accumulator, bytes, in formula);
            gradient = view.Scratch.Gradient;
        }

        SquareSums.Add(gradient, TypeOf<L>(), count, sums);
        return finite;
    }

    // The sum of the squares of a variable's gradient, its chunks in order, rounded to the type that it is clipped in.
    double SquaredNorm(int variable, DType type)
    {
        double sum = 0;
        foreach (double chunk in ChunkSums(variable))
            sum += chunk;
        return ClipOperands.Rounded(sum, type);
    }

    void SetDivisors(in StepPlan plan)
    {
        for (int i = 0; i < _states.Length; i++)
        {
            if (_gradients[i].Owner is null)
                continue;
            DType type = ClipType(i, in plan);
            _states[i].ClipOperand = ClipOperands.Divisor(SquaredNorm(i, type), plan.ClipLimit, type);
        }
    }

    GradientNorm SetGlobalFactor(in StepPlan plan)
    {
        var all = new GlobalNorm();
        for (int i = 0; i < _states.Length; i++)
        {
            if (!IsStepped(i))
                continue;
            DType type = ClipType(i, in plan);
            all.Add(SquaredNorm(i, type), type);
        }

        GradientNorm norm = all.ClippedTo(plan.ClipLimit);
        foreach (ref VariableState state in _states.AsSpan())
            state.ClipOperand = norm.Factor!.Value;
        return norm;
    }

    bool IsStepped(int variable) => _gradients[variable].Owner is not null && !_states[variable].OverwrittenByGradient;

    DType ClipType(int variable, in StepPlan plan) => MixedGradients.ClipType(in _states[variable], _gradients[variable].DType, in plan);
}
