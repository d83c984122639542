using Infinorm.Execution.Memory;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Sharded;

/// <summary>A run of elements of a variable that one rank owns, and where it lies in what ranks send one another.</summary>
sealed class Piece(int variable, int start, int count, int owner)
{
    public int Variable => variable;

    public int Start => start;

    public int Count => count;

    public int Owner => owner;

    /// <summary>The first byte of its gradient in the node of the tree: all pieces, bucket by bucket and rank by rank.</summary>
    public long GradientAt { get; set; }

    /// <summary>The first byte of its weights among those of its bucket.</summary>
    public int WeightsAt { get; set; }
}

/// <summary>What is exchanged at once: pieces in the order of their owners.</summary>
sealed class Bucket(Piece[] pieces, int[] gradientBytes, int[] weightBytes)
{
    public Piece[] Pieces => pieces;

    /// <summary>The bytes of the gradients of each rank's pieces.</summary>
    public int[] GradientBytes => gradientBytes;

    /// <summary>The bytes of the weights of each rank's pieces.</summary>
    public int[] WeightBytes => weightBytes;

    /// <summary>The first byte in the node of the tree.</summary>
    public long GradientAt { get; init; }

    /// <summary>Whether the pieces follow one another in one variable.</summary>
    public bool IsRun { get; } = pieces.Zip(pieces.Skip(1)).All(
        pair => pair.First.Variable == pair.Second.Variable && pair.First.Start + pair.First.Count == pair.Second.Start);

    /// <summary>Whether the gradient of a piece takes more bytes than it has.</summary>
    public bool IsFilledUp { get; init; }
}

/// <summary>
/// Who owns which elements. Variables are cut where norms are summed chunk by chunk, so that no sum depends on the number of ranks; those
/// that a constraint or a rule looks at as a whole are not cut.
/// </summary>
sealed class ShardMap
{
    ShardMap(Bucket[] buckets, long bytes) => (Buckets, Bytes) = (buckets, bytes);

    /// <summary>The buckets, those of the last variables first, as their gradients are there first.</summary>
    public Bucket[] Buckets { get; }

    /// <summary>The bytes of all gradients.</summary>
    public long Bytes { get; }

    /// <summary>Divides variables among ranks.</summary>
    /// <param name="variables">The variables.</param>
    /// <param name="isWhole">Whether each is not to be cut.</param>
    /// <param name="ranks">The number of ranks.</param>
    /// <param name="bucketBytes">How many bytes make a bucket.</param>
    /// <exception cref="NotSupportedException">A variable that is not to be cut has too many elements to be sent.</exception>
    public static ShardMap Divide(Variable[] variables, bool[] isWhole, int ranks, int bucketBytes)
    {
        var loads = new long[ranks];
        var buckets = new List<Bucket>();
        var units = new List<(int Variable, int Start, int Count)>();
        long bytes = 0, inBucket = 0;
        for (int i = variables.Length - 1; i >= 0; i--)
        {
            int length = variables[i].Length, step = isWhole[i] ? Math.Max(length, 1) : Chunk.MaxCount;
            for (int start = 0; start < length; start += step)
            {
                int count = Math.Min(step, length - start);
                units.Add((i, start, count));
                inBucket += BytesOf(variables[i], count);
                if (inBucket >= bucketBytes)
                    Close();
            }
        }

        if (units.Count > 0)
            Close();
        return new ShardMap([.. buckets], bytes);

        void Close()
        {
            if (inBucket * 2 > int.MaxValue)
            {
                Variable largest = variables[units[^1].Variable];
                throw new NotSupportedException(
                    $"{largest.Path}: ranks send a variable that is not to be cut at once; this one has {largest.Length} elements, too many.");
            }

            buckets.Add(Bucket(variables, isWhole, units, loads, inBucket, bytes));
            bytes += inBucket;
            units.Clear();
            inBucket = 0;
        }
    }

    /// <summary>The type in which a variable's gradients are summed.</summary>
    public static DType SumType(Variable variable) => variable.DType == DType.Float64 ? DType.Float64 : DType.Float32;

    /// <summary>The bytes that the gradient of a piece takes, filled up to a cache line: blocks of it are worked on as a whole.</summary>
    public static long BytesOf(Variable variable, int count) => Arena.Padded((nint)count * SumType(variable).Size());

    static Bucket Bucket(
        Variable[] variables, bool[] isWhole, List<(int Variable, int Start, int Count)> units, long[] loads, long total, long at)
    {
        // A variable that is not cut goes to the rank that has least so far, then chunks fill all ranks up to the same height.
        int ranks = loads.Length;
        var pieces = new List<Piece>();
        foreach (var (variable, start, count) in units.Where(unit => isWhole[unit.Variable]))
            Give(variable, start, count, Array.IndexOf(loads, loads.Min()));
        double height = LevelOf(loads, units.Where(unit => !isWhole[unit.Variable]).Sum(unit => BytesOf(variables[unit.Variable], unit.Count)));
        int rank = 0;
        foreach (var (variable, start, count) in units.Where(unit => !isWhole[unit.Variable]))
        {
            while (rank < ranks - 1 && loads[rank] + (BytesOf(variables[variable], count) / 2) > height)
                rank++;
            Give(variable, start, count, rank);
        }

        Piece[] ordered = [.. pieces.OrderBy(piece => piece.Owner).ThenByDescending(piece => piece.Variable).ThenBy(piece => piece.Start)];
        int[] gradientBytes = new int[ranks], weightBytes = new int[ranks];
        long gradientAt = at;
        int weightsAt = 0;
        foreach (Piece piece in ordered)
        {
            (piece.GradientAt, piece.WeightsAt) = (gradientAt, weightsAt);
            int bytes = (int)BytesOf(variables[piece.Variable], piece.Count), weights = piece.Count * variables[piece.Variable].DType.Size();
            gradientAt += bytes;
            weightsAt += weights;
            gradientBytes[piece.Owner] += bytes;
            weightBytes[piece.Owner] += weights;
        }

        return new Bucket(ordered, gradientBytes, weightBytes)
        {
            GradientAt = at,
            IsFilledUp = pieces.Any(piece => BytesOf(variables[piece.Variable], piece.Count) != (long)piece.Count * SumType(variables[piece.Variable]).Size()),
        };

        void Give(int variable, int start, int count, int owner)
        {
            loads[owner] += BytesOf(variables[variable], count);
            if (pieces.Count > 0 && pieces[^1] is var last && last.Variable == variable && last.Owner == owner && last.Start + last.Count == start)
                pieces[^1] = new Piece(variable, last.Start, last.Count + count, owner);
            else
                pieces.Add(new Piece(variable, start, count, owner));
        }
    }

    // How high loads stand once so many bytes fill them up from the lowest.
    static double LevelOf(long[] loads, long bytes)
    {
        long[] sorted = [.. loads.Order()];
        double sum = bytes;
        for (int i = 0; i < sorted.Length; i++)
        {
            sum += sorted[i];
            if (i + 1 == sorted.Length || sum / (i + 1) <= sorted[i + 1])
                return sum / (i + 1);
        }

        return 0;
    }
}
