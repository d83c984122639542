using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Infinorm.Execution.Memory;
using Infinorm.Kernels;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Sharded;

/// <summary>
/// Sums the gradients of batches in a fixed binary tree over their numbers: the sum over [lo, hi) is that over [lo, mid) plus that over
/// [mid, hi). A rank's batches are a node of the tree, whatever the number of ranks, and so are those of a run of ranks: the bits are the
/// same for any number.
/// </summary>
sealed unsafe class GradientTree
{
    const int Block = GradientBlocks.BlockLength, PartLength = 1 << 18; // elements that a thread works on at a time

    readonly Variable[] _variables;
    readonly int[] _merges; // after each batch, how many nodes it completes
    readonly Arena _arena;
    readonly nint _levelBytes;
    readonly int _threads;
    int _height; // nodes that wait for their right halves

    /// <param name="variables">The variables.</param>
    /// <param name="map">Where their pieces lie in a node.</param>
    /// <param name="batches">How many batches make this rank's node.</param>
    /// <param name="threads">How many threads add.</param>
    public GradientTree(Variable[] variables, ShardMap map, int batches, int threads)
    {
        (_variables, _threads) = (variables, threads);
        _merges = MergesOf(batches);
        int height = 0, levels = 1;
        foreach (int merges in _merges)
        {
            height += 1 - merges;
            levels = Math.Max(levels, height);
        }

        // A node of one batch is made bucket by bucket, in the memory of the largest bucket.
        IsOneBatch = batches == 1;
        _levelBytes = Arena.Padded((nint)(IsOneBatch ? map.Buckets.Select(Size).DefaultIfEmpty().Max() : map.Bytes));
        _arena = new Arena(_levelBytes * levels);

        static long Size(Bucket bucket) => bucket.GradientBytes.Sum(bytes => (long)bytes);
    }

    /// <summary>After each of so many batches, how many pairs of nodes become one.</summary>
    public static int[] MergesOf(int batches)
    {
        var merges = new int[batches];
        Count(0, batches);
        return merges;

        void Count(int low, int high)
        {
            if (high - low == 1)
                return;
            int middle = (low + high) / 2;
            Count(low, middle);
            Count(middle, high);
            merges[high - 1]++;
        }
    }

    /// <summary>Where nodes lie.</summary>
    public Arena Memory => _arena;

    bool IsOneBatch { get; }

    /// <summary>The bytes of a bucket in the node, once the bucket of the last batch is added.</summary>
    public byte* NodeOf(Bucket bucket) => _arena.First + (IsOneBatch ? 0 : (nint)bucket.GradientAt);

    /// <summary>Begins a batch.</summary>
    /// <param name="batch">Its number among this rank's.</param>
    public void Begin(int batch)
    {
        if (batch == 0)
            _height = 0;
    }

    /// <summary>Adds what a bucket has of a batch.</summary>
    /// <param name="batch">The batch's number among this rank's.</param>
    /// <param name="bucket">The bucket.</param>
    /// <param name="gradients">One for each variable, none where it is missing.</param>
    /// <param name="rows">The rows of those that are sparse.</param>
    public void Add(int batch, Bucket bucket, TypedMemory[] gradients, RowOrder?[] rows)
    {
        int merges = _merges[batch];
        foreach (Piece piece in bucket.Pieces)
        {
            nint at = (nint)(piece.GradientAt - bucket.GradientAt);
            int top = merges == 0 ? _height : _height - 1;
            if (ShardMap.SumType(_variables[piece.Variable]) == DType.Float64)
                AddPiece<double>(piece, at, top, merges);
            else
                AddPiece<float>(piece, at, top, merges);
        }

        void AddPiece<T>(Piece piece, nint at, int top, int merges)
            where T : unmanaged, INumber<T>
        {
            bool isMax = _variables[piece.Variable].OverwriteWithGradient;
            InParts(piece.Count, _threads, (from, to) => AddPart<T>(piece, at, top, merges, isMax, from, to));
        }

        void AddPart<T>(Piece piece, nint at, int top, int merges, bool isMax, int from, int to)
            where T : unmanaged, INumber<T>
        {
            Span<T> scratch = stackalloc T[Block];
            for (int start = from; start < to; start += Block)
            {
                Span<T> sum = Level(top, start, Math.Min(Block, to - start));
                if (merges == 0 && !isMax)
                {
                    Load(in gradients[piece.Variable], rows[piece.Variable], piece.Start + start, sum);
                    continue;
                }

                // What a gradient replaces is the largest gradient, from zero on.
                if (merges == 0)
                    sum.Clear();
                Span<T> leaf = scratch[..sum.Length];
                Load(in gradients[piece.Variable], rows[piece.Variable], piece.Start + start, leaf);
                Join(sum, leaf, isMax);
            }

            for (int merge = 1; merge < merges; merge++)
                Join(Level(top - merge, from, to - from), Level(top - merge + 1, from, to - from), isMax);

            Span<T> Level(int level, int start, int count) =>
                new((T*)(_arena.First + (level * _levelBytes) + (IsOneBatch ? 0 : (nint)bucket.GradientAt) + at) + start, count);
        }
    }

    /// <summary>Ends a batch, all of whose buckets are added.</summary>
    public void End(int batch) => _height += 1 - _merges[batch];

    /// <summary>Sums the nodes of all ranks, which lie one after the other, into the first, and divides by the number of batches.</summary>
    /// <param name="nodes">The nodes; only the first holds something afterwards.</param>
    /// <param name="ranks">Their number.</param>
    /// <param name="stride">Bytes from one to the next.</param>
    /// <param name="count">The elements of each.</param>
    /// <param name="isMax">Whether the variable is replaced by its gradient.</param>
    /// <param name="batches">How many batches there are.</param>
    /// <param name="means">Where the result goes.</param>
    /// <param name="first">From which element on.</param>
    /// <param name="threads">How many threads do it.</param>
    public static void Finish<T>(byte* nodes, int ranks, nint stride, int count, bool isMax, int batches, T[] means, int first, int threads)
        where T : unmanaged, INumber<T>
    {
        InParts(count, threads, FinishPart);

        void FinishPart(int from, int to)
        {
            const int block = 2048;
            for (int start = from; start < to; start += block)
            {
                int length = Math.Min(block, to - start);
                for (int step = 1; step < ranks; step *= 2)
                {
                    for (int rank = 0; rank + step < ranks; rank += 2 * step)
                        Join(Part(rank, length, start), Part(rank + step, length, start), isMax);
                }

                Span<T> sum = Part(0, length, start), target = means.AsSpan(first + start, length);
                if (isMax || batches == 1)
                    sum.CopyTo(target);
                else
                    TensorPrimitives.Divide(sum, T.CreateChecked(batches), target);
            }
        }

        Span<T> Part(int rank, int length, int start) => new((T*)(nodes + (rank * stride)) + start, length);
    }

    // The parts are independent: no bit depends on the number of threads.
    static void InParts(int count, int threads, Action<int, int> part)
    {
        int parts = (count + PartLength - 1) / PartLength;
        if (threads == 1 || parts < 2)
            part(0, count);
        else
            Parallel.For(0, parts, new ParallelOptions { MaxDegreeOfParallelism = threads }, i => part(i * PartLength, Math.Min(count, (i + 1) * PartLength)));
    }

    static void Join<T>(Span<T> sum, ReadOnlySpan<T> other, bool isMax)
        where T : INumber<T>
    {
        if (isMax)
            TensorPrimitives.Max(sum, other, sum);
        else
            TensorPrimitives.Add(sum, other, sum);
    }

    // A missing gradient is zero.
    static void Load<T>(in TypedMemory gradient, RowOrder? rows, int start, Span<T> target)
        where T : unmanaged
    {
        DType type = typeof(T) == typeof(double) ? DType.Float64 : DType.Float32;
        fixed (T* values = target)
        {
            if (gradient.Owner is null || gradient.IsRows)
                target.Clear();
            if (gradient.Owner is null)
                return;
            if (gradient.IsRows)
            {
                rows!.AddTo((byte*)values, type, start, target.Length);
                return;
            }

            fixed (byte* source = &gradient.At(start))
            {
                if (gradient.DType == type)
                    NativeMemory.Copy(source, values, (nuint)target.Length * (nuint)sizeof(T));
                else
                    Conversions.Convert(source, gradient.DType, (byte*)values, type, target.Length);
            }
        }
    }
}
