using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Infinorm.Kernels;
using Infinorm.Rules;
using static Infinorm.Execution.Memory.GradientBlocks;

namespace Infinorm.Execution.Memory;

/// <summary>The pass with a rule over spans: the same stages around it, a block or a whole variable at a time.</summary>
sealed unsafe partial class MemoryExecutor
{
    /// <summary>A task is a task of the work list, or a variable where the rule needs whole ones.</summary>
    public sealed class BlockRuleJob<L>(MemoryExecutor executor, PreparedPass pass) : PassJob(executor, pass), IRulePass<IBlockRule>
        where L : struct, ILane<L>
    {
        IBlockRule _rule = null!;
        WholeSize[] _sizes = []; // what the rule said when it was given, by task; empty for a rule over blocks
        ScratchPool? _scratch;

        public void Set(in IBlockRule rule)
        {
            if (!ReferenceEquals(rule, _rule))
                Change(rule);
        }

        // By itself, as what the lambda captures would else be allocated in every step.
        void Change(IBlockRule rule)
        {
            WholeSize[] sizes = rule.NeedsWholeVariables ? Array.ConvertAll(Work.Variables, variable => SizeOf(variable, rule)) : [];
            if (!sizes.SequenceEqual(_sizes))
                _scratch = new ScratchPool(sizes.Select(size => size.Total), Executor.Helpers + 1);
            _sizes = sizes;
            _rule = rule;
        }

        public override int Tasks => TakesWholeVariables ? Work.Variables.Length : Work.TaskCount;

        bool TakesWholeVariables => _sizes.Length > 0;

        [SkipLocalsInit]
        protected override void Execute(int task)
        {
            byte* memory = stackalloc byte[Scratch.Size + Arena.Alignment];
            var scratch = new Scratch((byte*)Arena.Padded((nint)memory));
            if (TakesWholeVariables)
            {
                int variable = Work.Variables[task];
                RunPiece(new Chunk(variable, 0, Executor._states[variable].Elements.Length), scratch, _sizes[task]);
                return;
            }

            foreach (ref readonly Chunk chunk in Work.ChunksOf(task))
                RunPiece(chunk, scratch, whole: null);
        }

        void RunPiece(Chunk piece, Scratch scratch, WholeSize? whole)
        {
            if (!Plan.Reduces)
                Executor.MakeGradients([piece]);
            fixed (byte* weights = &Executor._states[piece.Variable].Elements.At(piece.Start))
            fixed (byte* dense = &DenseAt(in Executor._gradients[piece.Variable], piece.Start))
            {
                ChunkView view = Executor.ViewOf(in piece, in Plan, weights, dense, scratch);
                if (!view.HasGradient || view.State.OverwrittenByGradient)
                    Executor.RunBlocks<L, NoRule<L>>(in view, 0, piece.Count, BlockLength, default);
                else if (whole is { } size)
                    UpdateWhole(in view, size);
                else
                    UpdateBlocks(in view);
            }
        }

        void UpdateBlocks(in ChunkView view)
        {
            WeightFormula<L> formula = view.WeightFormula<L>();
            for (int offset = 0; offset < view.Chunk.Count; offset += BlockLength)
            {
                int count = Math.Min(BlockLength, view.Chunk.Count - offset);
                byte* weights = WeightBlocks.Load<L>(in view, offset, count, constrained: true);
                byte* gradient = LoadClipped(in view, offset, count);
                BlockKernels.Decay(weights, PaddedBytes<L>(count), in formula);
                Step(in view, offset, count, weights, gradient, wide: [], scratch: []);
                FinishBlock(in view, offset, count, weights, in formula);
            }
        }

        // The weights of a whole variable, in the type that it is computed in, and its gradient, in memory of the pool.
        void UpdateWhole(in ChunkView view, WholeSize size)
        {
            (nint padded, nint wideLength, int scratch, nint total) = size;
            int piece = _scratch!.Take(total, out byte* weights);
            try
            {
                byte* gradients = weights + padded;
                var wide = (double*)(gradients + padded);
                WeightFormula<L> formula = view.WeightFormula<L>();
                int wideCount = 0;
                for (int offset = 0; offset < view.Chunk.Count; offset += BlockLength)
                {
                    int count = Math.Min(BlockLength, view.Chunk.Count - offset);
                    nint at = (nint)offset * BlockKernels.ElementSize<L>(), bytes = PaddedBytes<L>(count);
                    NativeMemory.Copy(WeightBlocks.Load<L>(in view, offset, count, constrained: true), weights + at, (nuint)bytes);
                    NativeMemory.Copy(LoadClipped(in view, offset, count), gradients + at, (nuint)bytes);
                    BlockKernels.Decay(weights + at, bytes, in formula);
                    if (MixedGradients.LoadWide(in view, offset, count) is var block && block != null)
                    {
                        NativeMemory.Copy(block, wide + offset, (nuint)count * sizeof(double));
                        wideCount = view.Chunk.Count;
                    }
                }

                Step(in view, 0, view.Chunk.Count, weights, gradients, new(wide, wideCount), new(wide + wideLength, scratch));
                for (int offset = 0; offset < view.Chunk.Count; offset += BlockLength)
                {
                    int count = Math.Min(BlockLength, view.Chunk.Count - offset);
                    FinishBlock(in view, offset, count, weights + ((nint)offset * BlockKernels.ElementSize<L>()), in formula);
                }
            }
            finally
            {
                _scratch.Return(piece);
            }
        }

        WholeSize SizeOf(int variable, IBlockRule rule)
        {
            ref VariableState state = ref Executor._states[variable];
            nint padded = Arena.Padded((nint)state.Elements.Length * BlockKernels.ElementSize<L>());
            nint wide = Arena.Padded((nint)state.Elements.Length * sizeof(double));
            int scratch = Pass.ScratchLengthOf(rule, state.Variable.Shape);
            return new(padded, wide / sizeof(double), scratch, (2 * padded) + wide + Arena.Padded((nint)scratch * sizeof(double)));
        }

        static byte* LoadClipped(in ChunkView view, int offset, int count)
        {
            byte* gradient = LoadUpdate<L>(in view, offset, count, out byte* accumulator, out GradientFormula<L> formula);
            BlockKernels.Prepare(view.Scratch.Gradient, gradient, accumulator, PaddedBytes<L>(count), in formula);
            return view.Scratch.Gradient;
        }

        static void FinishBlock(in ChunkView view, int offset, int count, byte* weights, in WeightFormula<L> formula)
        {
            if (view.IsAveraged)
                BlockKernels.Average(view.State.Average + view.At(offset), weights, PaddedBytes<L>(count), in formula);
            if (view.State.FloatCopy != null && weights != view.State.FloatCopy + view.At(offset))
                NativeMemory.Copy(weights, view.State.FloatCopy + view.At(offset), (nuint)((nint)count * BlockKernels.ElementSize<L>()));
            WeightBlocks.Store<L>(in view, weights, offset, count);
        }

        void Step(in ChunkView view, int offset, int count, byte* weights, byte* gradient, ReadOnlySpan<double> wide, Span<double> scratch)
        {
            if (L.IsDouble)
                Step<double>(in view, offset, count, weights, gradient, wide, scratch);
            else
                Step<float>(in view, offset, count, weights, gradient, wide, scratch);
        }

        void Step<T>(in ChunkView view, int offset, int count, byte* weights, byte* gradient, ReadOnlySpan<double> wide, Span<double> scratch)
            where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            ref readonly VariableState state = ref view.State;
            _rule.Step(new Block<T>(
                Pass, state.Whole.Path, state.Whole.Shape, weights, gradient, state.Slots + view.At(offset), state.Stride, count,
                TakesWholeVariables ? state.OwnSlots : [], wide, scratch));
        }

        // The bytes of the weights and of the gradient; the length of the gradient in double and of what the rule needs; the bytes of it all.
        readonly record struct WholeSize(nint Padded, nint Wide, int Scratch, nint Total);
    }
}
