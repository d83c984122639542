using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Infinorm.Kernels;
using static Infinorm.Pipeline.GradientStages;

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
    readonly WorkList _floats, _doubles;
    readonly int[] _constrained;
    readonly int _helpers;
    StepPlan _plan;
    bool _isBare;

    public BlockPipeline(Target[] targets, int maxDegreeOfParallelism)
    {
        _helpers = maxDegreeOfParallelism - 1;
        _targets = targets;
        _gradients = new MemorySpot[targets.Length];
        _rows = new RowOrder?[targets.Length];
        _constrained = [.. Enumerable.Range(0, targets.Length).Where(t => targets[t].Variable.Constraint is not null)];
        _floats = WorkList.Cut(targets, DType.Float32);
        _doubles = WorkList.Cut(targets, DType.Float64);
    }

    /// <summary>The variables and their slots.</summary>
    public Span<Target> Targets => _targets;

    /// <summary>The gradient of each variable in the present call; no owner where it has none.</summary>
    public Span<MemorySpot> Gradients => _gradients;

    /// <summary>Where the rows of a variable's sparse gradient are kept in order.</summary>
    public RowOrder RowsOf(int target) => _rows[target] ??= new RowOrder();

    /// <summary>The plan being carried out.</summary>
    public ref readonly StepPlan Plan => ref _plan;

    /// <summary>Carries the plan out: the reduction it asks for, then one pass over memory, then the constraints.</summary>
    /// <returns>False if the plan requires finite gradients and they are not: then nothing has changed.</returns>
    public bool Run(IUpdateStep optimizer, in StepPlan plan, out GradientNorm norm)
    {
        _plan = plan;
        _isBare = plan.IsBare;
        norm = default;
        if (plan.Reduces && !Reduce(out norm))
            return false;
        RunAll(optimizer, _floats);
        RunAll(optimizer, _doubles);
        Constrain();
        return true;
    }

    void RunAll(IUpdateStep optimizer, WorkList work)
    {
        if (work.TaskCount == 0)
            return;
        bool doubles = ReferenceEquals(work, _doubles);
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
            RunTasks<L, NoRule>(work, default);
    }

    /// <summary>One pass over the variables of a work list with one rule.</summary>
    public void RunTasks<L, TLoop>(WorkList work, TLoop loop)
        where L : struct, ILane<L>
        where TLoop : struct, IRuleLoop
    {
        var job = work.JobOf<PassJob<L, TLoop>>();
        (job.Pipeline, job.Tasks, job.Loop) = (this, work, loop);
        job.Run(work.TaskCount, _helpers);
    }

    sealed class PassJob<L, TLoop> : Job
        where L : struct, ILane<L>
        where TLoop : struct, IRuleLoop
    {
        public BlockPipeline Pipeline = null!;
        public WorkList Tasks = null!;
        public TLoop Loop;

        [SkipLocalsInit]
        protected override void Execute(int task)
        {
            byte* memory = stackalloc byte[Scratch.Size + Arena.Alignment];
            var scratch = new Scratch((byte*)Arena.Padded((nint)memory));
            ReadOnlySpan<Chunk> chunks = Tasks.ChunksOf(task);
            for (int i = 0; i < chunks.Length; i++)
            {
                if (i + 1 < chunks.Length)
                    Pipeline.Prefetch(in chunks[i + 1]);
                Pipeline.RunChunk<L, TLoop>(in chunks[i], scratch, in Loop);
            }
        }
    }

    // The processor sees ahead in long streams by itself, but not from one small variable to the next. What moves meanwhile is
    // prefetched in vain, nothing worse.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void Prefetch(in Chunk chunk)
    {
        ref MemorySpot gradient = ref _gradients[chunk.Target];
        if (!Sse.IsSupported || chunk.Count > BlockLength || gradient.Owner is null or RowGradient)
            return;
        ref Target target = ref _targets[chunk.Target];
        var weights = (byte*)Unsafe.AsPointer(ref target.Spot.At(chunk.Start));
        for (nint at = 0; at < (nint)chunk.Count * target.Spot.DType.Size(); at += Arena.Alignment)
            Sse.Prefetch0(weights + at);
        var values = (byte*)Unsafe.AsPointer(ref gradient.At(chunk.Start));
        for (nint at = 0; at < (nint)chunk.Count * gradient.DType.Size(); at += Arena.Alignment)
            Sse.Prefetch0(values + at);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void RunChunk<L, TLoop>(in Chunk chunk, Scratch scratch, in TLoop loop)
        where L : struct, ILane<L>
        where TLoop : struct, IRuleLoop
    {
        ref Target target = ref _targets[chunk.Target];
        ref MemorySpot gradient = ref _gradients[chunk.Target];
        bool hasGradient = gradient.Owner is not null;
        bool stepped = hasGradient && !target.OverwrittenByGradient;
        bool averaged = _plan.AverageMomentum is not null && target.Averages != null;
        if (!hasGradient && !averaged && !(_plan.ResetsAccumulators && target.Accumulator != null))
            return;

        fixed (byte* weights = &target.Spot.At(chunk.Start))
        fixed (byte* dense = &DenseAt(in gradient, chunk.Start))
        {
            int done = 0;
            if (_isBare && stepped && gradient.DType == target.Spot.DType && !target.IsNarrow && dense != null)
            {
                // Whole cache lines: the block that follows is padded to one, and from its middle would reach into the next slot.
                nint size = BlockKernels.ElementSize<L>();
                int line = Arena.Alignment / (int)size;
                done = chunk.Count / line * line;
                loop.Run(weights, dense, target.Slots + (chunk.Start * size), target.Stride, done * size);
            }

            if (done < chunk.Count)
                RunBlocks<L, TLoop>(in chunk, done, weights, dense, scratch, stepped, averaged, in loop);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void RunBlocks<L, TLoop>(
        in Chunk chunk, int offset, byte* weights, byte* dense, Scratch scratch, bool stepped, bool averaged, in TLoop loop)
        where L : struct, ILane<L>
        where TLoop : struct, IRuleLoop
    {
        ref MemorySpot gradient = ref _gradients[chunk.Target];
        var view = new ChunkView
        {
            Plan = ref _plan,
            Target = ref _targets[chunk.Target],
            Chunk = chunk,
            Weights = weights,
            Gradient = dense,
            GradientDType = gradient.DType,
            Rows = gradient.Owner is RowGradient ? _rows[chunk.Target] : null,
            Scratch = scratch,
        };
        bool overwritten = gradient.Owner is not null && !stepped;
        for (; offset < chunk.Count; offset += BlockLength)
        {
            int count = Math.Min(BlockLength, chunk.Count - offset);
            if (overwritten)
                Overwrite<L>(in view, offset, count);
            else
                RunBlock<L, TLoop>(in view, offset, count, stepped, averaged, in loop);
        }
    }

    static ref byte DenseAt(in MemorySpot gradient, int start)
    {
        if (gradient.Owner is null or RowGradient)
            return ref Unsafe.NullRef<byte>();
        return ref gradient.At(start);
    }

    void RunBlock<L, TLoop>(in ChunkView view, int offset, int count, bool stepped, bool averaged, in TLoop loop)
        where L : struct, ILane<L>
        where TLoop : struct, IRuleLoop
    {
        ref readonly Target target = ref view.Target;
        nint bytes = PaddedBytes<L>(count), at = view.At<L>(offset);
        byte* weights = null;
        bool changed = false;

        if (stepped && _plan.Updates)
        {
            weights = LoadWeights<L>(in view, offset, count, stepped);
            changed = true;
            byte* gradient = Clipped<L>(in view, offset, count);
            if (_plan.WeightDecay is { } decay && target.Decays)
                BlockKernels.Decay(weights, bytes, L.Of(decay), L.Of(_plan.LearningRate));
            loop.Run(weights, gradient, target.Slots + at, target.Stride, bytes);
        }
        else if (stepped)
        {
            Accumulate<L>(in view, offset, count);
        }

        if (_plan.ResetsAccumulators && target.Accumulator != null)
            NativeMemory.Clear(target.Accumulator + at, (nuint)bytes);

        if (averaged)
        {
            if (weights == null)
                weights = LoadWeights<L>(in view, offset, count, stepped);
            L momentum = L.Of(_plan.AverageMomentum.GetValueOrDefault());
            BlockKernels.Average(target.Averages + at, weights, bytes, momentum, L.Of(1) - momentum);
            if (_plan.Overwrites)
            {
                NativeMemory.Copy(target.Averages + at, weights, (nuint)((nint)count * BlockKernels.ElementSize<L>()));
                changed = true;
            }
        }
        else if (stepped && weights == null && target.Wide != null)
        {
            LoadWeights<L>(in view, offset, count, stepped);
        }

        if (changed)
            StoreWeights<L>(in view, weights, offset, count);
    }

    // The variable's block in the type it is computed in, writable up to the end of its last lane.
    static byte* LoadWeights<L>(in ChunkView view, int offset, int count, bool constrained)
        where L : struct, ILane<L>
    {
        ref readonly Target target = ref view.Target;
        nint bytes = (nint)count * BlockKernels.ElementSize<L>(), padded = PaddedBytes<L>(count);
        if (target.IsNarrow)
        {
            byte* wide = constrained && target.Wide != null ? target.Wide + view.At<L>(offset) : view.Scratch.Weights;
            Conversions.Convert(view.Weights + (offset * target.Spot.DType.Size()), target.Spot.DType, wide, TypeOf<L>(), count);
            NativeMemory.Clear(wide + bytes, (nuint)(padded - bytes));
            return wide;
        }

        byte* weights = view.Weights + ((nint)offset * BlockKernels.ElementSize<L>());
        if (bytes == padded)
            return weights;
        NativeMemory.Copy(weights, view.Scratch.Weights, (nuint)bytes);
        NativeMemory.Clear(view.Scratch.Weights + bytes, (nuint)(padded - bytes));
        return view.Scratch.Weights;
    }

    // Back from where LoadWeights put them; a constrained 16-bit variable is narrowed only after its constraint.
    static void StoreWeights<L>(in ChunkView view, byte* weights, int offset, int count)
        where L : struct, ILane<L>
    {
        if (weights != view.Scratch.Weights)
            return;
        DType type = view.Target.Spot.DType;
        byte* target = view.Weights + ((nint)offset * type.Size());
        if (view.Target.IsNarrow)
            Conversions.Convert(weights, TypeOf<L>(), target, type, count);
        else
            NativeMemory.Copy(weights, target, (nuint)((nint)count * BlockKernels.ElementSize<L>()));
    }

    byte* Clipped<L>(in ChunkView view, int offset, int count)
        where L : struct, ILane<L> =>
        view.Target.GradientType(in _gradients[view.Chunk.Target]) == TypeOf<L>() ? GradientStages.Clipped<L, L, L>(in view, offset, count)
        : !L.IsDouble ? GradientStages.Clipped<L, Lane1<double>, Lane1<double>>(in view, offset, count)
        : _plan.AccumulationSteps > 0 ? GradientStages.Clipped<L, Lane1<float>, L>(in view, offset, count)
        : GradientStages.Clipped<L, Lane1<float>, Lane1<float>>(in view, offset, count);

    void Accumulate<L>(in ChunkView view, int offset, int count)
        where L : struct, ILane<L>
    {
        if (view.Target.GradientType(in _gradients[view.Chunk.Target]) == TypeOf<L>())
            GradientStages.Accumulate<L, L, L>(in view, offset, count);
        else if (L.IsDouble)
            GradientStages.Accumulate<L, Lane1<float>, L>(in view, offset, count);
        else
            GradientStages.Accumulate<L, Lane1<double>, Lane1<double>>(in view, offset, count);
    }

    // variable ← gradient; while accumulating, the largest gradient so far, from zero on.
    void Overwrite<L>(in ChunkView view, int offset, int count)
        where L : struct, ILane<L>
    {
        DType type = view.Target.GradientType(in _gradients[view.Chunk.Target]);
        byte* value = Load(in view, offset, count, type, view.Scratch.Gradient);
        if (type != TypeOf<L>())
        {
            Conversions.Convert(value, type, view.Scratch.Converted, TypeOf<L>(), count);
            value = view.Scratch.Converted;
        }

        if (_plan.AccumulationSteps > 0)
        {
            byte* accumulator = view.Accumulator<L>(offset);
            nint bytes = PaddedBytes<L>(count);
            byte* largest = _plan.Updates ? view.Scratch.Accumulator : accumulator;
            BlockKernels.Max<L>(largest, value, accumulator, bytes);
            if (!_plan.Updates)
                return;
            NativeMemory.Clear(accumulator, (nuint)bytes);
            value = largest;
        }

        NativeMemory.Copy(value, view.Scratch.Weights, (nuint)((nint)count * BlockKernels.ElementSize<L>()));
        StoreWeights<L>(in view, view.Scratch.Weights, offset, count);
    }
}
