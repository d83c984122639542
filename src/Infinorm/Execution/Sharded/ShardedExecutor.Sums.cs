using System.Runtime.InteropServices;
using Infinorm.Kernels;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Sharded;

/// <summary>What all ranks have to know of all gradients: one small exchange.</summary>
sealed unsafe partial class ShardedExecutor
{
    // False if the plan requires finite gradients and they are not.
    bool Exchange(bool isFinite, out GradientNorm norm, out int missing)
    {
        norm = default;
        SumExchange sums = _sums!;
        sums.Begin(isFinite, _present);
        for (int i = 0; i < _own.Length; i++)
            sums.Set(i, isFinite ? _inner.ChunkSums(i) : []);
        sums.Gather(_present);
        missing = _present.Count(present => !present);
        if (!sums.IsFinite)
            return false;

        // What nobody has a gradient of is not stepped, and where nothing is stepped, averages stay.
        if (missing > 0)
        {
            for (int i = 0; i < _own.Length; i++)
                _given[i] = _present[_own[i].Variable] ? _given[i] : default;
            _inner.Accept(_given);
        }

        bool steps = false;
        for (int i = 0; i < _variables.Length; i++)
            steps |= IsStepped(i);
        if (!steps)
        {
            for (int i = 0; i < _innerPlans.Length; i++)
                _innerPlans[i] = _innerPlans[i] with { AverageMomentum = null };
        }

        if (Plan.Clip == ClipKind.Norm)
            ClipEach();
        else if (Plan.Clip == ClipKind.GlobalNorm)
            norm = ClipAll();
        return true;
    }

    void ClipEach()
    {
        for (int i = 0; i < _own.Length; i++)
        {
            DType type = ShardMap.SumType(_variables[_own[i].Variable]);
            _inner.SetClipOperand(i, ClipOperands.Divisor(SquaredNorm(_own[i].Variable, type), Plan.ClipLimit, type));
        }
    }

    GradientNorm ClipAll()
    {
        var all = new GlobalNorm();
        for (int i = 0; i < _variables.Length; i++)
        {
            if (!IsStepped(i))
                continue;
            DType type = ShardMap.SumType(_variables[i]);
            all.Add(SquaredNorm(i, type), type);
        }

        GradientNorm norm = all.ClippedTo(Plan.ClipLimit);
        for (int i = 0; i < _own.Length; i++)
            _inner.SetClipOperand(i, norm.Factor!.Value);
        return norm;
    }

    double SquaredNorm(int variable, DType type) => ClipOperands.Rounded(_sums!.SumOf(variable), type);

    bool IsStepped(int variable) => _present[variable] && !_variables[variable].OverwriteWithGradient;

    // Whatever a rank refuses is known by now, and nothing has changed.
    void MeetBeforeUpdate()
    {
        world.Meet(Purpose.Update, Plan.CallsBefore, Fingerprint());
        Arrival first = world.Met[0];
        for (int rank = 1; rank < world.Size; rank++)
        {
            Arrival other = world.Met[rank];
            if (other.First != first.First)
                throw new WorldException($"{_optimizer}: the ranks are out of step: rank 0 has made {first.First} calls, rank {rank} {other.First}.");
            if (other.Second != first.Second)
                throw new WorldException($"{_optimizer}: the learning rate or the loss scale on rank {rank} is not that on rank 0.");
        }
    }

    // Of what may be set between steps: the rates and the scale.
    long Fingerprint()
    {
        long print = BitConverter.DoubleToInt64Bits(Plan.LossScale ?? 1);
        foreach (ref readonly StepPlan plan in _plans.AsSpan())
            print = (print * 31) + BitConverter.DoubleToInt64Bits(plan.LearningRate);
        return print;
    }
}

/// <summary>The numbers that ranks tell one another in an update, in the order of a single process.</summary>
sealed class SumExchange
{
    const int HeaderBytes = sizeof(long); // whether all is finite

    readonly World _world;
    readonly int[] _counts;
    readonly byte[] _own, _all;
    readonly int[] _ownAt; // where the sums of this rank's pieces go
    readonly (int At, int Count)[][] _sumsOf; // of each variable, where its sums are among those of all ranks

    public SumExchange(World world, ShardMap map, Variable[] variables)
    {
        _world = world;
        int fixedBytes = HeaderBytes + ((variables.Length + 7) / 8 * 8);
        _counts = [.. Enumerable.Repeat(fixedBytes, world.Size)];
        var pieces = new List<(Piece Piece, int At)>();
        foreach (Piece piece in map.Buckets.SelectMany(bucket => bucket.Pieces))
        {
            pieces.Add((piece, _counts[piece.Owner]));
            _counts[piece.Owner] += ChunksOf(piece) * sizeof(double);
        }

        int[] starts = [.. Enumerable.Range(0, world.Size).Select(rank => _counts.Take(rank).Sum())];
        _own = new byte[_counts[world.Rank]];
        _all = new byte[_counts.Sum()];
        _ownAt = [.. pieces.Where(entry => entry.Piece.Owner == world.Rank).Select(entry => entry.At)];
        ILookup<int, (Piece Piece, int At)> byVariable = pieces.ToLookup(entry => entry.Piece.Variable);
        _sumsOf =
        [
            .. variables.Select((_, i) => byVariable[i].OrderBy(entry => entry.Piece.Start)
                .Select(entry => (starts[entry.Piece.Owner] + entry.At, ChunksOf(entry.Piece))).ToArray()),
        ];
    }

    /// <summary>Whether all gradients of all ranks are finite, where that was asked.</summary>
    public bool IsFinite { get; private set; }

    public void Begin(bool isFinite, bool[] present)
    {
        _own[0] = isFinite ? (byte)1 : (byte)0;
        MemoryMarshal.AsBytes(present.AsSpan()).CopyTo(_own.AsSpan(HeaderBytes));
    }

    /// <summary>Sets the sums of one of this rank's pieces.</summary>
    public void Set(int piece, ReadOnlySpan<double> sums) => MemoryMarshal.AsBytes(sums).CopyTo(_own.AsSpan(_ownAt[piece]));

    /// <summary>Exchanges what was begun and set.</summary>
    /// <param name="present">Receives which variables have a gradient on any rank.</param>
    public void Gather(bool[] present)
    {
        _world.AllGather(_own, _all, _counts);
        Array.Clear(present);
        IsFinite = true;
        for (int rank = 0, at = 0; rank < _world.Size; at += _counts[rank++])
        {
            IsFinite &= _all[at] != 0;
            for (int i = 0; i < present.Length; i++)
                present[i] |= _all[at + HeaderBytes + i] != 0;
        }
    }

    /// <summary>The sum of the squares of a variable's gradient, its chunks in order.</summary>
    public double SumOf(int variable)
    {
        double sum = 0;
        foreach (var (at, count) in _sumsOf[variable])
        {
            foreach (double chunk in MemoryMarshal.Cast<byte, double>(_all.AsSpan(at, count * sizeof(double))))
                sum += chunk;
        }

        return sum;
    }

    static int ChunksOf(Piece piece) => (piece.Count + Memory.Chunk.MaxCount - 1) / Memory.Chunk.MaxCount;
}
