using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
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
    const int Block = 2048, PartLength = 1 << 16; // elements that stay in the L1 cache, and those that a thread takes at a time

    readonly Variable[] _variables;
    readonly Bucket[] _buckets;
    readonly int[] _merges; // after each batch, how many nodes it completes
    readonly int _ranks, _batches, _helpers;
    readonly bool _isMadeByBucket;
    readonly Arena _arena;
    readonly nint _levelBytes;
    readonly nint[] _meanAt; // of each of this rank's pieces
    readonly PartJob[] _adding, _averaging; // of each bucket
    TypedMemory[] _gradients = [];
    RowOrder?[] _rows = [];
    int _batch, _height; // the present batch, and nodes that wait for their right halves
    byte* _nodes;
    nint _stride;

    /// <param name="variables">The variables.</param>
    /// <param name="map">Where their pieces lie in a node.</param>
    /// <param name="own">This rank's pieces.</param>
    /// <param name="ranks">How many ranks there are.</param>
    /// <param name="batches">How many batches make an update.</param>
    /// <param name="threads">How many threads add.</param>
    public GradientTree(Variable[] variables, ShardMap map, Piece[] own, int ranks, int batches, int threads)
    {
        (_variables, _buckets, _ranks, _batches, _helpers) = (variables, map.Buckets, ranks, batches, threads - 1);
        _merges = MergesOf(batches / ranks);
        int height = 0, levels = 1;
        foreach (int merges in _merges)
        {
            height += 1 - merges;
            levels = Math.Max(levels, height);
        }

        // Means take the place of this rank's node, once all ranks have their parts of it. Where a rank has one batch, its node is made
        // bucket by bucket in the memory of the largest one, and means have their own.
        _isMadeByBucket = batches == ranks && ranks > 1;
        _levelBytes = Arena.Padded((nint)(_isMadeByBucket ? map.Buckets.Max(bucket => bucket.GradientBytes.Sum(bytes => (long)bytes)) : map.Bytes));
        _arena = new Arena((_levelBytes * levels) + (nint)(_isMadeByBucket ? own.Sum(piece => ShardMap.BytesOf(variables[piece.Variable], piece.Count)) : 0));
        _meanAt = new nint[own.Length];
        Means = new Gradient[own.Length];
        nint next = _levelBytes;
        for (int i = 0; i < own.Length; i++)
        {
            byte* address = _arena.First + (_meanAt[i] = _isMadeByBucket ? next : (nint)own[i].GradientAt);
            next += (nint)ShardMap.BytesOf(variables[own[i].Variable], own[i].Count);
            Means[i] = IsDouble(own[i].Variable) ? _arena.View<double>(address, own[i].Count) : _arena.View<float>(address, own[i].Count);
        }

        _adding = Array.ConvertAll(map.Buckets, bucket => new PartJob(this, [.. bucket.Pieces.SelectMany(
            piece => Cut(piece, (nint)(piece.GradientAt - (_isMadeByBucket ? bucket.GradientAt : 0)), 0))], isMean: false));
        int rank = own.Length > 0 ? own[0].Owner : -1, first = 0; // pieces are in the order of buckets
        _averaging = Array.ConvertAll(map.Buckets, bucket =>
        {
            Piece[] pieces = [.. bucket.Pieces.Where(piece => piece.Owner == rank)];
            int number = first;
            first += pieces.Length;
            return new PartJob(this, [.. pieces.SelectMany(
                (piece, i) => Cut(piece, (nint)(piece.GradientAt - pieces[0].GradientAt), _meanAt[number + i]))], isMean: true);
        });
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

    /// <summary>Where nodes and means lie.</summary>
    public Arena Memory => _arena;

    /// <summary>The means over all batches, of this rank's pieces.</summary>
    public Gradient[] Means { get; }

    /// <summary>The first byte of such a mean.</summary>
    public byte* MeanAt(int own) => _arena.First + _meanAt[own];

    /// <summary>How many sums the present batch completes.</summary>
    public int Joins => _merges[_batch];

    /// <summary>The first byte of a bucket in this rank's node, once its last batch is added. It may be a gradient's, not to be written.</summary>
    public ref readonly byte NodeOf(int bucket)
    {
        if (!IsGradient(bucket))
            return ref *(_arena.First + (_isMadeByBucket ? 0 : (nint)_buckets[bucket].GradientAt));
        Piece first = _buckets[bucket].Pieces[0];
        return ref _gradients[first.Variable].At(first.Start);
    }

    /// <summary>Begins a batch.</summary>
    /// <param name="batch">Its number among this rank's.</param>
    /// <param name="gradients">One for each variable, none where it is missing.</param>
    /// <param name="rows">The rows of those that are sparse.</param>
    public void Begin(int batch, TypedMemory[] gradients, RowOrder?[] rows)
    {
        (_batch, _gradients, _rows) = (batch, gradients, rows);
        if (batch == 0)
            _height = 0;
    }

    /// <summary>Adds what a bucket has of the batch.</summary>
    public void Add(int bucket)
    {
        if (!IsGradient(bucket))
            _adding[bucket].Run(_helpers);
    }

    /// <summary>Ends a batch, all of whose buckets are added.</summary>
    public void End() => _height += 1 - _merges[_batch];

    /// <summary>Makes the means of a bucket from the nodes of all ranks.</summary>
    /// <param name="bucket">The number of the bucket.</param>
    /// <param name="nodes">This rank's pieces of all nodes, rank by rank. They are overwritten.</param>
    /// <param name="stride">Bytes from one node to the next.</param>
    public void Average(int bucket, byte* nodes, nint stride)
    {
        _nodes = nodes;
        _stride = stride;
        _averaging[bucket].Run(_helpers);
    }

    /// <summary>
    /// Adds the last batch to a chunk of one of the pieces and makes its mean, where there is one rank: right before the chunk is read, so
    /// that it is in the cache then.
    /// </summary>
    public void AddLast(Piece piece, int own, int start, int count)
    {
        bool isDouble = IsDouble(piece.Variable);
        var part = new Part(piece.Variable, piece.Start + start, count, _meanAt[own] + ((nint)start * (isDouble ? sizeof(double) : sizeof(float))), 0);
        if (isDouble)
            Add<double>(in part, isLast: true);
        else
            Add<float>(in part, isLast: true);
    }

    [SkipLocalsInit]
    void Add<T>(in Part part, bool isLast)
        where T : unmanaged, INumber<T>
    {
        ref readonly TypedMemory gradient = ref _gradients[part.Variable];
        bool isMax = _variables[part.Variable].OverwriteWithGradient;
        int merges = _merges[_batch], top = merges == 0 ? _height : _height - 1, joins = isMax ? Math.Max(merges, 1) : merges;
        bool copies = merges == 0 && !isMax;
        T* scratch = stackalloc T[Block];
        fixed (byte* dense = &DenseAt<T>(in gradient, part.Start))
        {
            for (int start = 0; start < part.Count; start += Block)
            {
                int count = Math.Min(Block, part.Count - start);
                if (copies || dense == null)
                    Load(in gradient, _rows[part.Variable], part.Start + start, new Span<T>(copies ? Level(top, in part, start) : scratch, count));
                if (merges == 0 && isMax)
                    new Span<T>(Level(top, in part, start), count).Clear(); // what a gradient replaces is the largest gradient, from zero on
                T* right = dense == null ? scratch : (T*)dense + start;
                for (int level = top; level > top - joins; level--)
                {
                    // Only the last sum is kept.
                    T* left = Level(level, in part, start), sum = level == top - joins + 1 ? left : scratch;
                    Join<T>(new(left, count), new(right, count), new(sum, count), isMax, isLast && sum == left);
                    right = sum;
                }
            }
        }

        T* Level(int level, in Part part, int start) => (T*)(_arena.First + (level * _levelBytes) + part.At) + start;
    }

    void Average<T>(in Part part)
        where T : unmanaged, INumber<T>
    {
        bool isMax = _variables[part.Variable].OverwriteWithGradient;
        for (int start = 0; start < part.Count; start += Block)
        {
            int count = Math.Min(Block, part.Count - start);
            for (int step = 1; step < _ranks; step *= 2)
            {
                bool isLast = 2 * step == _ranks;
                for (int rank = 0; rank + step < _ranks; rank += 2 * step)
                {
                    Span<T> left = NodeOf(rank, in part), sum = isLast ? new((T*)(_arena.First + part.MeanAt) + start, count) : left;
                    Join<T>(left, NodeOf(rank + step, in part), sum, isMax, isLast);
                }
            }

            Span<T> NodeOf(int rank, in Part part) => new((T*)(_nodes + (rank * _stride) + part.At) + start, count);
        }
    }

    /// <summary>Whether a variable's gradient of the present batch can be added as it lies in memory.</summary>
    public bool IsPlain(int variable) =>
        !_variables[variable].OverwriteWithGradient && IsDense(in _gradients[variable], ShardMap.SumType(_variables[variable]));

    // Where a rank has one batch, its node is the gradients: one that fills a bucket alone is sent as it is.
    bool IsGradient(int number)
    {
        Bucket bucket = _buckets[number];
        return _isMadeByBucket && bucket.IsRun && !bucket.IsFilledUp && IsPlain(bucket.Pieces[0].Variable);
    }

    bool IsDouble(int variable) => ShardMap.SumType(_variables[variable]) == DType.Float64;

    IEnumerable<Part> Cut(Piece piece, nint at, nint meanAt)
    {
        for (int start = 0; start < piece.Count; start += PartLength)
        {
            nint bytes = (nint)start * ShardMap.SumType(_variables[piece.Variable]).Size();
            yield return new(piece.Variable, piece.Start + start, Math.Min(PartLength, piece.Count - start), at + bytes, meanAt + bytes);
        }
    }

    // Without a remainder, a product has the bits of the quotient, and takes less time.
    void Join<T>(ReadOnlySpan<T> left, ReadOnlySpan<T> right, Span<T> sum, bool isMax, bool divides)
        where T : INumber<T>
    {
        if (isMax)
        {
            TensorPrimitives.Max(left, right, sum);
        }
        else if (divides && int.IsPow2(_batches))
        {
            TensorPrimitives.AddMultiply(left, right, T.One / T.CreateChecked(_batches), sum);
        }
        else
        {
            TensorPrimitives.Add(left, right, sum);
            if (divides)
                TensorPrimitives.Divide(sum, T.CreateChecked(_batches), sum);
        }
    }

    // Null where the gradient has to be loaded.
    static ref byte DenseAt<T>(in TypedMemory gradient, int start)
    {
        if (!IsDense(in gradient, DTypes.Of<T>()))
            return ref Unsafe.NullRef<byte>();
        return ref gradient.At(start);
    }

    static bool IsDense(in TypedMemory gradient, DType type) => gradient.Owner is not null && !gradient.IsRows && gradient.DType == type;

    // A missing gradient is zero.
    static void Load<T>(in TypedMemory gradient, RowOrder? rows, int start, Span<T> target)
        where T : unmanaged
    {
        DType type = DTypes.Of<T>();
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

    /// <summary>Some elements of a variable.</summary>
    /// <param name="Variable">The number of the variable.</param>
    /// <param name="Start">The first element.</param>
    /// <param name="Count">How many there are.</param>
    /// <param name="At">The first byte in a node.</param>
    /// <param name="MeanAt">The first byte of the mean.</param>
    readonly record struct Part(int Variable, int Start, int Count, nint At, nint MeanAt);

    // The parts are independent: no bit depends on the number of threads.
    sealed class PartJob(GradientTree tree, Part[] parts, bool isMean) : Job
    {
        public void Run(int helpers)
        {
            if (parts.Length > 0)
                Run(parts.Length, helpers);
        }

        protected override void Execute(int task)
        {
            ref readonly Part part = ref parts[task];
            if (tree.IsDouble(part.Variable))
                Execute<double>(in part);
            else
                Execute<float>(in part);
        }

        void Execute<T>(in Part part)
            where T : unmanaged, INumber<T>
        {
            if (isMean)
                tree.Average<T>(in part);
            else
                tree.Add<T>(in part, isLast: false);
        }
    }
}
