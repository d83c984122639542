using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Infinorm.Kernels;
using static Infinorm.Pipeline.GradientStages;

namespace Infinorm.Pipeline;

/// <summary>The pass over one chunk of a variable.</summary>
sealed unsafe partial class BlockPipeline
{
    // The rule and nothing else.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void RunBare<L, TRule>(ReadOnlySpan<Chunk> chunks, Scratch scratch, in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        int size = BlockKernels.ElementSize<L>();
        DType type = TypeOf<L>();
        for (int c = 0; c < chunks.Length; c++)
        {
            ref readonly Chunk chunk = ref chunks[c];
            if (!IsDirect(chunk.Target, type))
            {
                RunChunk<L, TRule>(in chunk, scratch, in rule);
                continue;
            }

            ref Target target = ref _targets[chunk.Target];
            nint start = (nint)chunk.Start * size, bytes = (nint)chunk.Count * size, whole = bytes & -Arena.Alignment;
            fixed (byte* weights = &target.Spot.At(chunk.Start, size))
            fixed (byte* gradient = &_gradients[chunk.Target].At(chunk.Start, size))
            {
                // The processor sees ahead in long streams by itself, but not from one small variable to the next. What moves meanwhile
                // is prefetched in vain, nothing worse.
                byte* nextWeights = null, nextGradient = null;
                if (c + 1 < chunks.Length && chunk.Count <= BlockLength && IsDirect(chunks[c + 1].Target, type))
                {
                    nextWeights = (byte*)Unsafe.AsPointer(ref _targets[chunks[c + 1].Target].Spot.At(chunks[c + 1].Start, size));
                    nextGradient = (byte*)Unsafe.AsPointer(ref _gradients[chunks[c + 1].Target].At(chunks[c + 1].Start, size));
                }

                RuleLoop.RunBare<L, TRule>(
                    in rule, target.Slots + start, target.Stride, weights, gradient, whole, nextWeights, nextGradient);
                if (whole < bytes)
                    RunRest<L, TRule>(in chunk, weights, gradient, scratch, in rule);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    bool IsDirect(int t, DType type)
    {
        ref Target target = ref _targets[t];
        ref MemorySpot gradient = ref _gradients[t];
        return target.Spot.DType == type && gradient.DType == type && gradient.Owner is not null
            && !gradient.IsRows && !target.OverwrittenByGradient;
    }

    // What does not fill a cache line, in scratch memory: a block is padded to them.
    void RunRest<L, TRule>(in Chunk chunk, byte* weights, byte* dense, Scratch scratch, in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L> =>
        RunBlocks<L, TRule>(in chunk, chunk.Count & -LineLength<L>(), chunk.Count, BlockLength, weights, dense, scratch, in rule);

    void RunChunk<L, TRule>(in Chunk chunk, Scratch scratch, in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        ref Target target = ref _targets[chunk.Target];
        ref MemorySpot gradient = ref _gradients[chunk.Target];
        bool hasGradient = gradient.Owner is not null;
        bool averaged = _plan.AverageMomentum is not null && target.Averages != null;
        if (!hasGradient && !averaged)
            return;

        fixed (byte* weights = &target.Spot.At(chunk.Start))
        fixed (byte* dense = &DenseAt(in gradient, chunk.Start))
        {
            // What needs no conversion is worked on where it lies.
            bool direct = !target.IsNarrow && (!hasGradient || (dense != null && gradient.DType == target.Spot.DType));
            int done = direct ? chunk.Count & -LineLength<L>() : 0;
            if (done > 0)
                RunBlocks<L, TRule>(in chunk, 0, done, done, weights, dense, scratch, in rule);
            RunBlocks<L, TRule>(in chunk, done, chunk.Count, BlockLength, weights, dense, scratch, in rule);
        }
    }

    static int LineLength<L>()
        where L : struct, ILane<L> => Arena.Alignment / BlockKernels.ElementSize<L>();

    static ref byte DenseAt(in MemorySpot gradient, int start)
    {
        if (gradient.Owner is null || gradient.IsRows)
            return ref Unsafe.NullRef<byte>();
        return ref gradient.At(start);
    }

    void RunBlocks<L, TRule>(
        in Chunk chunk, int start, int end, int blockLength, byte* weights, byte* dense, Scratch scratch, in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        ref MemorySpot gradient = ref _gradients[chunk.Target];
        ref Target target = ref _targets[chunk.Target];
        var view = new ChunkView
        {
            Plan = ref _plan,
            Target = ref target,
            Chunk = chunk,
            Weights = weights,
            Gradient = dense,
            GradientDType = gradient.DType,
            Rows = gradient.IsRows ? _rows[chunk.Target] : null,
            Scratch = scratch,
        };
        bool hasGradient = gradient.Owner is not null;
        var weightFormula = new WeightFormula<L>(
            target.Decays ? _plan.WeightDecay : null, _plan.LearningRate, _plan.AverageMomentum, _plan.Overwrites);
        for (int offset = start; offset < end; offset += blockLength)
        {
            int count = Math.Min(blockLength, end - offset);
            if (hasGradient && target.OverwrittenByGradient)
                Overwrite<L>(in view, offset, count);
            else if (hasGradient && _plan.Updates)
                Update<L, TRule>(in view, offset, count, in rule, in weightFormula);
            else
                Collect<L>(in view, offset, count, hasGradient, in weightFormula);
        }
    }

    void Update<L, TRule>(in ChunkView view, int offset, int count, in TRule rule, in WeightFormula<L> weightFormula)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        ref readonly Target target = ref view.Target;
        nint bytes = PaddedBytes<L>(count), at = view.At(offset);
        byte* weights = LoadWeights<L>(in view, offset, count, constrained: true);
        byte* averages = _plan.AverageMomentum is null || target.Averages == null ? null : target.Averages + at;
        byte* accumulator = target.Accumulator == null ? null : target.Accumulator + at;
        if (IsMixed(in view))
        {
            byte* gradient = ToCompute<L>(in view, offset, count);
            RuleLoop.Run(
                in rule, target.Slots + at, target.Stride, weights, gradient, null, averages, bytes, default, in weightFormula);
        }
        else if (_plan.ReducesIntoAccumulators)
        {
            // Their mean is what is left to do.
            var formula = new GradientFormula<L>(_plan.AccumulationSteps, 0, _plan.Clip, _plan.ClipLimit, target.ClipOperand);
            RuleLoop.Run(
                in rule, target.Slots + at, target.Stride, weights, accumulator, null, averages, bytes, in formula, in weightFormula);
        }
        else
        {
            byte* gradient = Load(in view, offset, count, TypeOf<L>());
            var formula = GradientFormulaOf<L>(in target);
            RuleLoop.Run(
                in rule, target.Slots + at, target.Stride, weights, gradient, accumulator, averages, bytes, in formula, in weightFormula);
        }

        StoreWeights<L>(in view, weights, offset, count);
    }

    // A variable that is not updated in this call: its gradient, if it has one, is accumulated, its average moves.
    void Collect<L>(in ChunkView view, int offset, int count, bool accumulates, in WeightFormula<L> weightFormula)
        where L : struct, ILane<L>
    {
        ref readonly Target target = ref view.Target;
        nint bytes = PaddedBytes<L>(count), at = view.At(offset);
        if (accumulates && IsMixed(in view))
        {
            AccumulateMixed<L>(in view, offset, count);
        }
        else if (accumulates)
        {
            var formula = GradientFormulaOf<L>(in target);
            BlockKernels.Accumulate(
                target.Accumulator + at, Load(in view, offset, count, TypeOf<L>()), bytes, in formula, target.AccumulatorIsSpent);
        }

        bool averaged = _plan.AverageMomentum is not null && target.Averages != null;
        bool constrained = accumulates && target.Wide != null && target.Constraint is not null;
        if (!averaged && !constrained)
            return;
        byte* weights = LoadWeights<L>(in view, offset, count, constrained);
        if (averaged)
            BlockKernels.Average(target.Averages + at, weights, bytes, in weightFormula);
        if (averaged && _plan.Overwrites)
            StoreWeights<L>(in view, weights, offset, count);
    }

    GradientFormula<L> GradientFormulaOf<L>(in Target target)
        where L : struct, ILane<L> =>
        new(_plan.LossScale, _plan.AccumulationSteps, _plan.Clip, _plan.ClipLimit, target.ClipOperand);

    // The variable's block in the type it is computed in, writable up to the end of its last lane.
    static byte* LoadWeights<L>(in ChunkView view, int offset, int count, bool constrained)
        where L : struct, ILane<L>
    {
        ref readonly Target target = ref view.Target;
        nint bytes = (nint)count * BlockKernels.ElementSize<L>(), padded = Arena.Padded(bytes);
        byte* weights = view.Weights + ((nint)offset * target.Spot.DType.Size());
        if (target.KeepsWide)
        {
            byte* master = target.Wide + view.At(offset);
            MasterWeights.Follow(master, weights, target.Spot.DType, count, view.Scratch.Weights);
            return master;
        }

        if (target.IsNarrow)
        {
            byte* wide = constrained && target.Wide != null ? target.Wide + view.At(offset) : view.Scratch.Weights;
            return Converted(weights, target.Spot.DType, TypeOf<L>(), count, wide);
        }

        if (bytes == padded)
            return weights;
        NativeMemory.Copy(weights, view.Scratch.Weights, (nuint)bytes);
        NativeMemory.Clear(view.Scratch.Weights + bytes, (nuint)(padded - bytes));
        return view.Scratch.Weights;
    }

    // Back from where LoadWeights put them. What a constraint then does to a 16-bit variable's float copy is narrowed once more.
    static void StoreWeights<L>(in ChunkView view, byte* weights, int offset, int count)
        where L : struct, ILane<L>
    {
        DType type = view.Target.Spot.DType;
        byte* target = view.Weights + ((nint)offset * type.Size());
        if (view.Target.IsNarrow)
            Narrow(in view.Plan, view.Target.RandomStream, weights, target, type, view.Chunk.Start + offset, count);
        else if (weights != target)
            NativeMemory.Copy(weights, target, (nuint)((nint)count * BlockKernels.ElementSize<L>()));
    }

    // A block of a 16-bit variable from its floats.
    static void Narrow(in StepPlan plan, int stream, byte* weights, byte* target, DType type, int start, int count)
    {
        if (plan.Rounding is { } rounding)
            rounding.Round((float*)weights, (ushort*)target, type, stream, start, count);
        else
            Conversions.Convert(weights, DType.Float32, target, type, count);
    }

    // variable ← gradient; while accumulating, the largest gradient so far, from zero on.
    void Overwrite<L>(in ChunkView view, int offset, int count)
        where L : struct, ILane<L>
    {
        DType type = view.Target.GradientType(view.GradientDType);
        nint bytes = PaddedBytes<L>(count);
        byte* value = Converted(Load(in view, offset, count, type), type, TypeOf<L>(), count, view.Scratch.Converted);
        if (_plan.AccumulationSteps > 0)
        {
            byte* accumulator = view.AccumulatorAt(offset);
            BlockKernels.Max<L>(accumulator, value, accumulator, bytes);
            value = accumulator;
        }

        if (!_plan.Updates)
            return;
        DType storage = view.Target.Spot.DType;
        byte* target = view.Weights + ((nint)offset * storage.Size());
        if (view.Target.IsNarrow)
            Conversions.Convert(value, TypeOf<L>(), target, storage, count);
        else
            NativeMemory.Copy(value, target, (nuint)((nint)count * storage.Size()));
        if (_plan.AccumulationSteps > 0)
            NativeMemory.Clear(value, (nuint)bytes);
    }

    static bool IsMixed(in ChunkView view) => view.Target.GradientType(view.GradientDType) != view.Target.ComputeType;

    // A gradient of another type, as the rule sees it.
    byte* ToCompute<L>(in ChunkView view, int offset, int count)
        where L : struct, ILane<L>
    {
        byte* scratch = view.Scratch.Converted;
        if (!L.IsDouble)
            return Converted(Mixed<Lane1<double>, Lane1<double>>(in view, offset, count, true), DType.Float64, DType.Float32, count, scratch);
        return _plan.AccumulationSteps > 0
            ? Mixed<Lane1<float>, Lane1<double>>(in view, offset, count, true)
            : Converted(Mixed<Lane1<float>, Lane1<float>>(in view, offset, count, true), DType.Float32, DType.Float64, count, scratch);
    }

    static void AccumulateMixed<L>(in ChunkView view, int offset, int count)
        where L : struct, ILane<L>
    {
        if (L.IsDouble)
            GradientStages.AccumulateMixed<Lane1<float>, Lane1<double>>(in view, offset, count);
        else
            GradientStages.AccumulateMixed<Lane1<double>, Lane1<double>>(in view, offset, count);
    }
}
