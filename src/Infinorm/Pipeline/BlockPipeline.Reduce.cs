using System.Runtime.CompilerServices;
using Infinorm.Kernels;
using static Infinorm.Pipeline.GradientStages;

namespace Infinorm.Pipeline;

/// <summary>The reduction before the pass: one read of the gradients gives their norms and whether they are finite.</summary>
sealed unsafe partial class BlockPipeline
{
    bool Reduce(out GradientNorm norm)
    {
        norm = default;
        foreach (WorkList work in _work)
        {
            ReduceAll(work);
            if (_plan.RequiresFinite && work.Finite.Contains(false))
                return false;
        }

        if (_plan.Clip == ClipKind.Norm)
            SetDivisors();
        else if (_plan.Clip == ClipKind.GlobalNorm)
            norm = SetGlobalFactor();
        return true;
    }

    void ReduceAll(WorkList work)
    {
        var job = work.JobOf<ReduceJob>();
        (job.Pipeline, job.Tasks) = (this, work);
        job.Run(work.TaskCount, _helpers);
    }

    sealed class ReduceJob : Job
    {
        public BlockPipeline Pipeline = null!;
        public WorkList Tasks = null!;

        [SkipLocalsInit]
        protected override void Execute(int task)
        {
            byte* memory = stackalloc byte[Scratch.Size + Arena.Alignment];
            var scratch = new Scratch((byte*)Arena.Padded((nint)memory));
            int i = Tasks.FirstChunk(task);
            foreach (ref readonly Chunk chunk in Tasks.ChunksOf(task))
            {
                Tasks.Finite[i] = Pipeline.ReduceChunk(in chunk, scratch, out Tasks.Sums[i]);
                i++;
            }
        }
    }

    bool ReduceChunk(in Chunk chunk, Scratch scratch, out double sum)
    {
        ref MemorySpot gradient = ref _gradients[chunk.Target];
        sum = 0;
        if (gradient.Owner is null)
            return true;
        fixed (byte* dense = &DenseAt(in gradient, chunk.Start))
        {
            var view = new ChunkView
            {
                Plan = ref _plan,
                Target = ref _targets[chunk.Target],
                Chunk = chunk,
                Gradient = dense,
                GradientDType = gradient.DType,
                Rows = gradient.IsRows ? _rows[chunk.Target] : null,
                Scratch = scratch,
            };
            return ReduceChunk(in view, out sum);
        }
    }

    bool ReduceChunk(in ChunkView view, out double sum) => (LaneWidth.Bits, view.Target.ComputeType) switch
    {
        (512, DType.Float64) => ReduceChunk<Lane512<double>>(in view, out sum),
        (512, _) => ReduceChunk<Lane512<float>>(in view, out sum),
        (256, DType.Float64) => ReduceChunk<Lane256<double>>(in view, out sum),
        (256, _) => ReduceChunk<Lane256<float>>(in view, out sum),
        (128, DType.Float64) => ReduceChunk<Lane128<double>>(in view, out sum),
        (128, _) => ReduceChunk<Lane128<float>>(in view, out sum),
        (_, DType.Float64) => ReduceChunk<Lane1<double>>(in view, out sum),
        _ => ReduceChunk<Lane1<float>>(in view, out sum),
    };

    bool ReduceChunk<L>(in ChunkView view, out double sum)
        where L : struct, ILane<L>
    {
        double* sums = view.Scratch.Sums;
        new Span<double>(sums, SquareSums.Count).Clear();
        bool normed = _plan.Clip is ClipKind.Norm or ClipKind.GlobalNorm && !view.Target.OverwrittenByGradient;
        bool finite = true;

        // What needs no work is read where it lies. Blocks begin at multiples of their length, so that an element's sum is fixed.
        bool direct = view.Gradient != null && view.GradientDType == view.Target.ComputeType
            && _plan.LossScale is null && _plan.AccumulationSteps == 0;
        int whole = direct ? view.Chunk.Count / BlockLength * BlockLength : 0;
        if (whole > 0)
            finite &= ReduceBlock<L>(in view, 0, whole, normed, sums);
        for (int offset = whole; offset < view.Chunk.Count; offset += BlockLength)
            finite &= ReduceBlock<L>(in view, offset, Math.Min(BlockLength, view.Chunk.Count - offset), normed, sums);

        sum = SquareSums.Fold(sums);
        return finite;
    }

    bool ReduceBlock<L>(in ChunkView view, int offset, int count, bool normed, double* sums)
        where L : struct, ILane<L>
    {
        DType type = view.Target.GradientType(view.GradientDType);
        if (type != view.Target.ComputeType)
        {
            return type == DType.Float64 ? ReduceMixed<Lane1<double>, Lane1<double>>(in view, offset, count, normed, sums)
                : _plan.AccumulationSteps > 0 ? ReduceMixed<Lane1<float>, Lane1<double>>(in view, offset, count, normed, sums)
                : ReduceMixed<Lane1<float>, Lane1<float>>(in view, offset, count, normed, sums);
        }

        byte* gradient = Load(in view, offset, count, type);
        nint bytes = PaddedBytes<L>(count);
        bool finite = !_plan.RequiresFinite || BlockKernels.IsFinite<L>(gradient, bytes);
        if (normed)
        {
            if (_plan.ReducesIntoAccumulators)
            {
                byte* accumulator = view.AccumulatorAt(offset);
                BlockKernels.Accumulate(accumulator, gradient, bytes, new GradientFormula<L>(_plan.LossScale, 0, ClipKind.None, 0, 0), spent: false);
                var mean = new GradientFormula<L>(_plan.AccumulationSteps, 0, ClipKind.None, 0, 0);
                BlockKernels.Prepare(view.Scratch.Gradient, accumulator, null, bytes, in mean);
                gradient = view.Scratch.Gradient;
            }
            else if (_plan.LossScale is not null || _plan.AccumulationSteps > 0)
            {
                var formula = new GradientFormula<L>(_plan.LossScale, _plan.AccumulationSteps, ClipKind.None, 0, 0);
                byte* accumulator = view.Target.Accumulator == null ? null : view.AccumulatorAt(offset);
                BlockKernels.Prepare(view.Scratch.Gradient, gradient, accumulator, bytes, in formula);
                gradient = view.Scratch.Gradient;
            }

            SquareSums.Add(gradient, type, count, sums);
        }

        return finite;
    }

    bool ReduceMixed<LG, LP>(in ChunkView view, int offset, int count, bool normed, double* sums)
        where LG : struct, ILane<LG>
        where LP : struct, ILane<LP>
    {
        bool finite = !_plan.RequiresFinite
            || BlockKernels.IsFinite<LG>(Load(in view, offset, count, TypeOf<LG>()), (nint)count * BlockKernels.ElementSize<LG>());
        if (normed)
        {
            byte* gradient = Mixed<LG, LP>(in view, offset, count, clipped: false);
            SquareSums.Add(gradient, TypeOf<LP>(), count, sums);
        }

        return finite;
    }

    // The sum of the squares of a variable's gradient, its chunks in order, rounded to the type it was computed in.
    double SquaredNorm(ref readonly Target target, DType type)
    {
        double[] sums = target.ChunkCount == 0 ? [] : _work[target.WorkList].Sums;
        double sum = 0;
        for (int i = 0; i < target.ChunkCount; i++)
            sum += sums[target.FirstChunk + i];
        return ClipOperands.Rounded(sum, type);
    }

    void SetDivisors()
    {
        for (int t = 0; t < _targets.Length; t++)
        {
            if (_gradients[t].Owner is null)
                continue;
            ref Target target = ref _targets[t];
            DType type = ClipType(t);
            target.ClipOperand = ClipOperands.Divisor(SquaredNorm(in target, type), _plan.ClipLimit, type);
        }
    }

    GradientNorm SetGlobalFactor()
    {
        DType type = DType.Float32;
        for (int t = 0; t < _targets.Length; t++)
        {
            if (IsStepped(t) && ClipType(t) == DType.Float64)
                type = DType.Float64;
        }

        double sum = 0;
        for (int t = 0; t < _targets.Length; t++)
        {
            if (IsStepped(t))
                sum += SquaredNorm(in _targets[t], ClipType(t));
        }

        GradientNorm norm = ClipOperands.Factor(sum, _plan.ClipLimit, type);
        foreach (ref Target target in _targets.AsSpan())
            target.ClipOperand = norm.Factor!.Value;
        return norm;
    }

    bool IsStepped(int target) => _gradients[target].Owner is not null && !_targets[target].OverwrittenByGradient;

    // The type in which a variable's gradient is clipped.
    DType ClipType(int target)
    {
        DType type = _targets[target].GradientType(_gradients[target].DType);
        return _plan.AccumulationSteps > 0 && _targets[target].ComputeType == DType.Float64 ? DType.Float64 : type;
    }
}
