using System.Buffers;
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
        readonly Slots _slots = pass.Slots;
        IBlockRule _rule = null!;

        public void Set(in IBlockRule rule) => _rule = rule;

        public override int Tasks => _rule.NeedsWholeVariables ? Work.Variables.Length : Work.TaskCount;

        [SkipLocalsInit]
        protected override void Execute(int task)
        {
            byte* memory = stackalloc byte[Scratch.Size + Arena.Alignment];
            var scratch = new Scratch((byte*)Arena.Padded((nint)memory));
            if (_rule.NeedsWholeVariables)
            {
                int variable = Work.Variables[task];
                RunPiece(new Chunk(variable, 0, Executor._states[variable].Elements.Length), scratch, inOne: true);
                return;
            }

            foreach (ref readonly Chunk chunk in Work.ChunksOf(task))
                RunPiece(chunk, scratch, inOne: false);
        }

        void RunPiece(Chunk piece, Scratch scratch, bool inOne)
        {
            fixed (byte* weights = &Executor._states[piece.Variable].Elements.At(piece.Start))
            fixed (byte* dense = &DenseAt(in Executor._gradients[piece.Variable], piece.Start))
            {
                ChunkView view = Executor.ViewOf(in piece, in Plan, weights, dense, scratch);
                if (!view.HasGradient || view.State.OverwrittenByGradient)
                    Executor.RunBlocks<L, NoRule<L>>(in view, 0, piece.Count, BlockLength, default);
                else if (inOne)
                    UpdateWhole(in view);
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
                Step(in view, offset, count, weights, gradient, wide: []);
                FinishBlock(in view, offset, count, weights, in formula);
            }
        }

        // The weights of a whole variable, in the type that it is computed in, and its gradient, in memory of the pool.
        void UpdateWhole(in ChunkView view)
        {
            int bytes = checked((int)PaddedBytes<L>(view.Chunk.Count));
            byte[] weightArray = ArrayPool<byte>.Shared.Rent(bytes), gradientArray = ArrayPool<byte>.Shared.Rent(bytes);
            try
            {
                fixed (byte* weights = weightArray, gradients = gradientArray)
                {
                    WeightFormula<L> formula = view.WeightFormula<L>();
                    double[] wide = [];
                    for (int offset = 0; offset < view.Chunk.Count; offset += BlockLength)
                    {
                        int count = Math.Min(BlockLength, view.Chunk.Count - offset);
                        nint at = (nint)offset * BlockKernels.ElementSize<L>(), padded = PaddedBytes<L>(count);
                        NativeMemory.Copy(WeightBlocks.Load<L>(in view, offset, count, constrained: true), weights + at, (nuint)padded);
                        NativeMemory.Copy(LoadClipped(in view, offset, count), gradients + at, (nuint)padded);
                        BlockKernels.Decay(weights + at, padded, in formula);
                        if (MixedGradients.LoadWide(in view, offset, count) is var block && block != null)
                        {
                            wide = wide.Length > 0 ? wide : new double[view.Chunk.Count];
                            new ReadOnlySpan<double>(block, count).CopyTo(wide.AsSpan(offset));
                        }
                    }

                    Step(in view, 0, view.Chunk.Count, weights, gradients, wide);
                    for (int offset = 0; offset < view.Chunk.Count; offset += BlockLength)
                    {
                        int count = Math.Min(BlockLength, view.Chunk.Count - offset);
                        FinishBlock(in view, offset, count, weights + ((nint)offset * BlockKernels.ElementSize<L>()), in formula);
                    }
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(weightArray);
                ArrayPool<byte>.Shared.Return(gradientArray);
            }
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

        void Step(in ChunkView view, int offset, int count, byte* weights, byte* gradient, ReadOnlySpan<double> wide)
        {
            if (L.IsDouble)
                Step<double>(in view, offset, count, weights, gradient, wide);
            else
                Step<float>(in view, offset, count, weights, gradient, wide);
        }

        void Step<T>(in ChunkView view, int offset, int count, byte* weights, byte* gradient, ReadOnlySpan<double> wide)
            where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            ref readonly VariableState state = ref view.State;
            _rule.Step(new Block<T>(
                _slots, state.Variable.Path, state.Variable.Shape, weights, gradient, state.Slots + view.At(offset), state.Stride, count,
                _rule.NeedsWholeVariables ? state.OwnSlots : [], wide));
        }
    }
}
