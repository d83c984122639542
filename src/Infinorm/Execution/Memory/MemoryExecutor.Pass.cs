using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;
using Infinorm.Variables;
using static Infinorm.Execution.Memory.GradientBlocks;

namespace Infinorm.Execution.Memory;

/// <summary>The pass over the chunks of a work list.</summary>
sealed unsafe partial class MemoryExecutor
{
    /// <summary>How many threads help the calling one.</summary>
    public int Helpers { get; } = maxDegreeOfParallelism - 1;

    /// <summary>One pass over the variables of a work list.</summary>
    public abstract class PassJob(MemoryExecutor executor, PreparedPass pass) : Job
    {
        protected MemoryExecutor Executor => executor;

        protected PreparedPass Pass => pass;

        protected WorkList Work => pass.Work;

        protected ref readonly StepPlan Plan => ref pass.Plan;

        /// <summary>How many tasks there are.</summary>
        public abstract int Tasks { get; }
    }

    /// <summary>One pass with a rule in lanes.</summary>
    public sealed class PassJob<L, TRule>(MemoryExecutor executor, PreparedPass pass) : PassJob(executor, pass), IRulePass<TRule>
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        TRule _rule;

        public void Set(in TRule rule) => _rule = rule;

        public override int Tasks => Work.TaskCount;

        protected override void Execute(int task)
        {
            ref readonly StepPlan plan = ref Plan;
            ReadOnlySpan<Chunk> chunks = Work.ChunksOf(plan.Reduces ? Work.ReversedHalf(task, Executor.Helpers) : task);
            if (!plan.Reduces)
                Executor.MakeGradients(chunks);
            if (plan.IsBare)
                Executor.RunBare<L, TRule>(chunks, in plan, in _rule);
            else
                Executor.RunChunks<L, TRule>(chunks, in plan, in _rule);
        }
    }

    void MakeGradients(ReadOnlySpan<Chunk> chunks)
    {
        if (BeforeChunk is not { } make)
            return;
        foreach (ref readonly Chunk chunk in chunks)
        {
            if (_gradients[chunk.Variable].Owner is not null)
                make(chunk);
        }
    }

    // The rule and nothing else.
    [MethodImpl(Hot.Loop)]
    void RunBare<L, TRule>(ReadOnlySpan<Chunk> chunks, in StepPlan plan, in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        int size = BlockKernels.ElementSize<L>();
        DType type = TypeOf<L>();
        for (int c = 0; c < chunks.Length; c++)
        {
            ref readonly Chunk chunk = ref chunks[c];
            if (!IsDirect(chunk.Variable, type))
            {
                int first = c;
                while (c + 1 < chunks.Length && !IsDirect(chunks[c + 1].Variable, type))
                    c++;
                RunChunks<L, TRule>(chunks[first..(c + 1)], in plan, in rule);
                continue;
            }

            ref VariableState state = ref _states[chunk.Variable];
            nint start = (nint)chunk.Start * size, bytes = (nint)chunk.Count * size, whole = bytes & -Arena.Alignment;
            fixed (byte* weights = &state.Elements.At(chunk.Start, size))
            fixed (byte* gradient = &_gradients[chunk.Variable].At(chunk.Start, size))
            {
                // The processor prefetches long streams by itself, but not from one small variable to the next. If the garbage collector
                // moves the array first, the prefetch is wasted but harmless.
                byte* nextWeights = null, nextGradient = null;
                if (c + 1 < chunks.Length && chunk.Count <= BlockLength && IsDirect(chunks[c + 1].Variable, type))
                {
                    ref readonly Chunk next = ref chunks[c + 1];
                    nextWeights = (byte*)Unsafe.AsPointer(ref _states[next.Variable].Elements.At(next.Start, size));
                    nextGradient = (byte*)Unsafe.AsPointer(ref _gradients[next.Variable].At(next.Start, size));
                }

                RuleLoop.RunBare<L, TRule>(
                    in rule, state.Slots + start, state.Stride, weights, gradient, whole, nextWeights, nextGradient);
                if (whole < bytes)
                    RunRest<L, TRule>(in chunk, in plan, weights, gradient, in rule);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    bool IsDirect(int variable, DType type)
    {
        ref VariableState state = ref _states[variable];
        ref TypedMemory gradient = ref _gradients[variable];
        return state.Elements.DType == type && gradient.DType == type && gradient.Owner is not null
            && !gradient.IsRows && !state.OverwrittenByGradient && state.ByteSlots.Length == 0;
    }

    // What does not fill a cache line, in scratch memory: a block is padded to them.
    [SkipLocalsInit]
    void RunRest<L, TRule>(in Chunk chunk, in StepPlan plan, byte* weights, byte* dense, in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        byte* memory = stackalloc byte[Scratch.Size + Arena.Alignment];
        ChunkView view = ViewOf(in chunk, in plan, weights, dense, new Scratch((byte*)Arena.Padded((nint)memory)));
        RunBlocks<L, TRule>(in view, chunk.Count & -LineLength<L>(), chunk.Count, BlockLength, in rule);
    }

    [SkipLocalsInit]
    void RunChunks<L, TRule>(ReadOnlySpan<Chunk> chunks, in StepPlan plan, in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        byte* memory = stackalloc byte[Scratch.Size + Arena.Alignment];
        var scratch = new Scratch((byte*)Arena.Padded((nint)memory));
        for (int i = 0; i < chunks.Length; i++)
        {
            if (i + 1 < chunks.Length)
                PrefetchSmall(in chunks[i + 1]);
            RunChunk<L, TRule>(in chunks[i], in plan, scratch, in rule);
        }
    }

    void RunChunk<L, TRule>(in Chunk chunk, in StepPlan plan, Scratch scratch, in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        fixed (byte* weights = &_states[chunk.Variable].Elements.At(chunk.Start))
        fixed (byte* dense = &DenseAt(in _gradients[chunk.Variable], chunk.Start))
        {
            ChunkView view = ViewOf(in chunk, in plan, weights, dense, scratch);
            if (!view.HasGradient && !view.IsAveraged)
                return;

            // What needs no conversion is worked on where it lies.
            bool direct = !view.State.Is16Bit && (!view.HasGradient || (dense != null && view.GradientDType == view.State.Elements.DType));
            int inPlace = direct ? chunk.Count & -(view.State.ByteSlots.Length > 0 ? ByteCodes.BlockLength : LineLength<L>()) : 0;
            if (inPlace > 0)
                RunBlocks<L, TRule>(in view, 0, inPlace, inPlace, in rule);
            RunBlocks<L, TRule>(in view, inPlace, chunk.Count, BlockLength, in rule);
        }
    }

    ChunkView ViewOf(in Chunk chunk, in StepPlan plan, byte* weights, byte* dense, Scratch scratch)
    {
        ref TypedMemory gradient = ref _gradients[chunk.Variable];
        return new ChunkView
        {
            Plan = ref plan,
            State = ref _states[chunk.Variable],
            Chunk = chunk,
            Weights = weights,
            Gradient = dense,
            GradientDType = gradient.DType,
            Rows = gradient.IsRows ? _rows[chunk.Variable] : null,
            Scratch = scratch,
        };
    }

    static int LineLength<L>()
        where L : struct, ILane<L> => Arena.Alignment / BlockKernels.ElementSize<L>();

    static ref byte DenseAt(in TypedMemory gradient, int start)
    {
        if (gradient.Owner is null || gradient.IsRows)
            return ref Unsafe.NullRef<byte>();
        return ref gradient.At(start);
    }

    void RunBlocks<L, TRule>(in ChunkView view, int start, int end, int blockLength, in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        bool hasGradient = view.HasGradient;
        WeightFormula<L> weightFormula = view.WeightFormula<L>();
        for (int offset = start; offset < end; offset += blockLength)
        {
            int count = Math.Min(blockLength, end - offset);
            if (hasGradient && view.State.OverwrittenByGradient)
                Overwrite<L>(in view, offset, count);
            else if (hasGradient && view.Plan.Updates)
                Update(in view, offset, count, in rule, in weightFormula);
            else
                AccumulateOrAverage<L>(in view, offset, count, in weightFormula);
        }
    }

    void Update<L, TRule>(in ChunkView view, int offset, int count, in TRule rule, in WeightFormula<L> weightFormula)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        ref readonly VariableState state = ref view.State;
        byte* weights = WeightBlocks.Load<L>(in view, offset, count, constrained: true);
        byte* gradient = LoadUpdate<L>(in view, offset, count, out byte* accumulator, out GradientFormula<L> gradientFormula);
        byte* average = view.IsAveraged ? state.Average + view.At(offset) : null;
        nint bytes = PaddedBytes<L>(count);
        byte* slots = state.Slots + view.At(offset);
        if (state.ByteSlots.Length > 0)
            RunCoded(in view, offset, count, in rule, weights, gradient, accumulator, average, in gradientFormula, in weightFormula);
        else if (view.Plan.IsBare)
            RuleLoop.RunBare<L, TRule>(in rule, slots, state.Stride, weights, gradient, bytes, weights + bytes, gradient + bytes);
        else
        {
            RuleLoop.Run(
                in rule, slots, state.Stride, weights, gradient, accumulator, average, bytes, in gradientFormula, in weightFormula);
        }

        WeightBlocks.Store<L>(in view, weights, offset, count);
    }

    // A block of the gradient of a call that updates, and which of its stages are still to do.
    static byte* LoadUpdate<L>(
        in ChunkView view, int offset, int count, out byte* accumulator, out GradientFormula<L> formula)
        where L : struct, ILane<L>
    {
        ref readonly StepPlan plan = ref view.Plan;
        accumulator = null;
        if (MixedGradients.Is(in view))
        {
            formula = default;
            return MixedGradients.Load(in view, offset, count);
        }

        if (view.ReducesIntoAccumulator)
        {
            // The reduction has already added this gradient; it is left to divide by the count and to clip.
            formula = new GradientFormula<L>(plan.AccumulationSteps, 0, plan.Clip, plan.ClipLimit, view.State.ClipOperand);
            return view.AccumulatorAt(offset);
        }

        formula = view.GradientFormula<L>();
        accumulator = view.State.Accumulator == null ? null : view.AccumulatorAt(offset);
        return Load(in view, offset, count, TypeOf<L>());
    }

    // A variable that is not updated in this call: its gradient, if it has one, is accumulated, its average moves.
    static void AccumulateOrAverage<L>(in ChunkView view, int offset, int count, in WeightFormula<L> weightFormula)
        where L : struct, ILane<L>
    {
        ref readonly VariableState state = ref view.State;
        nint bytes = PaddedBytes<L>(count);
        bool accumulates = view.HasGradient;
        if (accumulates && MixedGradients.Is(in view))
        {
            MixedGradients.Accumulate(in view, offset, count);
        }
        else if (accumulates)
        {
            BlockKernels.Accumulate(
                view.AccumulatorAt(offset), Load(in view, offset, count, TypeOf<L>()), bytes, view.GradientFormula<L>(),
                state.AccumulatorIsSpent);
        }

        bool constrained = accumulates && state.FloatCopy != null && state.Constraint is not null;
        if (!view.IsAveraged && !constrained)
            return;
        byte* weights = WeightBlocks.Load<L>(in view, offset, count, constrained);
        if (!view.IsAveraged)
            return;
        BlockKernels.Average(state.Average + view.At(offset), weights, bytes, in weightFormula);
        if (view.Plan.Overwrites)
            WeightBlocks.Store<L>(in view, weights, offset, count);
    }

    // variable ← gradient; while accumulating, the largest gradient so far, from zero on.
    static void Overwrite<L>(in ChunkView view, int offset, int count)
        where L : struct, ILane<L>
    {
        DType type = view.State.GradientType(view.GradientDType);
        nint bytes = PaddedBytes<L>(count);
        byte* value = Converted(Load(in view, offset, count, type), type, TypeOf<L>(), count, view.Scratch.Converted);
        bool accumulates = view.State.Accumulator != null;
        if (accumulates)
        {
            byte* accumulator = view.AccumulatorAt(offset);
            BlockKernels.Max<L>(accumulator, value, accumulator, bytes);
            value = accumulator;
        }

        if (!view.Plan.Updates)
            return;
        DType storage = view.State.Elements.DType;
        byte* target = view.Weights + ((nint)offset * storage.Size());
        if (view.State.Is16Bit)
            Conversions.Convert(value, TypeOf<L>(), target, storage, count);
        else
            NativeMemory.Copy(value, target, (nuint)((nint)count * storage.Size()));
        if (accumulates)
            NativeMemory.Clear(value, (nuint)bytes);
    }

    // As in RunBare. All lines: asking only for the first few was slower than asking for none.
    [MethodImpl(Hot.Loop)]
    void PrefetchSmall(in Chunk chunk)
    {
        ref TypedMemory gradient = ref _gradients[chunk.Variable];
        if (chunk.Count > BlockLength || gradient.Owner is null || gradient.IsRows)
            return;
        ref VariableState state = ref _states[chunk.Variable];
        Prefetch.Lines(Unsafe.AsPointer(ref state.Elements.At(chunk.Start)), (nint)chunk.Count * state.Elements.DType.Size());
        Prefetch.Lines(Unsafe.AsPointer(ref gradient.At(chunk.Start)), (nint)chunk.Count * gradient.DType.Size());
    }
}
