using System.Buffers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Execution.Sharded;

/// <summary>A part of a sharded variable: which elements, whose they are, and where they are if they are this rank's.</summary>
readonly record struct Shard(int Start, int Count, int Owner, Variable? Own);

/// <summary>
/// A variable of the optimizer whose elements are divided among ranks. All ranks look at it, and write it, at the same time: each then sees
/// all elements, and keeps its own of those that are written.
/// </summary>
/// <param name="world">The ranks.</param>
/// <param name="shards">The parts in order; none where all elements are zero.</param>
/// <param name="path">The path.</param>
/// <param name="dtype">The type.</param>
/// <param name="length">The number of elements.</param>
/// <param name="shape">The shape.</param>
sealed class ShardedVariable(World world, Shard[] shards, string path, DType dtype, int length, ReadOnlySpan<nint> shape)
    : Variable(path, dtype, length, shape)
{
    internal override TypedMemory Elements => throw Divided();

    internal override void VisitBytes(Action<Span<byte>> visit, bool writes)
    {
        if (!writes && world.Size > 1)
            world.Meet(Purpose.State);
        byte[] window = new byte[(long)Math.Min(PieceLength, Length) * DType.Size()];
        for (int start = 0; start < Length; start += PieceLength)
        {
            int count = Math.Min(PieceLength, Length - start);
            Span<byte> bytes = window.AsSpan(0, count * DType.Size());
            if (writes)
            {
                visit(bytes);
                Keep(bytes, start, count);
            }
            else
            {
                Gather(bytes, start, count);
                visit(bytes);
            }
        }
    }

    internal override MemoryHandle Pin() => throw Divided();

    internal override Variable With(NdArray value) => throw Divided();

    internal override Variable Copy() =>
        new ShardedVariable(world, Array.ConvertAll(Shards, shard => shard with { Own = shard.Own?.Copy() }), Path, DType, Length, Shape);

    internal override void CopyInto(Variable target)
    {
        if (target is ShardedVariable)
            target.CopyFrom(this);
        else
            target.Assign(ToNdArray());
    }

    internal override void CopyFrom(Variable source)
    {
        if (source is not ShardedVariable other)
        {
            Assign(source.ToNdArray());
            return;
        }

        foreach (var (to, from) in Shards.Zip(other.Shards))
            to.Own?.CopyFrom(from.Own!);
    }

    Shard[] Shards { get; } = shards;

    NotSupportedException Divided() => new($"{Path}: its elements are divided among {world.Size} ranks.");

    // This rank's bytes of a window, one after the other, and back.
    void Gather(Span<byte> window, int start, int count)
    {
        if (Shards.Length == 0)
        {
            window.Clear();
            return;
        }

        var counts = new int[world.Size];
        foreach (Shard shard in Shards)
            counts[shard.Owner] += Overlap(shard, start, count).Count * DType.Size();
        var own = new byte[counts[world.Rank]];
        int next = 0;
        foreach (Shard shard in Shards)
        {
            (int from, int length) = Overlap(shard, start, count);
            if (shard.Own is null || length == 0)
                continue;
            ByteRangeOf(shard, from, length).CopyTo(own.AsSpan(next));
            next += length * DType.Size();
        }

        var all = new byte[window.Length];
        world.AllGather(own, all, counts);
        var ends = new int[world.Size];
        for (int rank = 1; rank < ends.Length; rank++)
            ends[rank] = ends[rank - 1] + counts[rank - 1];
        foreach (Shard shard in Shards)
        {
            (int from, int length) = Overlap(shard, start, count);
            int bytes = length * DType.Size();
            all.AsSpan(ends[shard.Owner], bytes).CopyTo(window[((from - start) * DType.Size())..]);
            ends[shard.Owner] += bytes;
        }
    }

    void Keep(ReadOnlySpan<byte> window, int start, int count)
    {
        if (Shards.Length == 0 && window.ContainsAnyExcept((byte)0))
        {
            throw new InvalidOperationException(
                $"{Path}: the state is of the middle of an update, which ranks cannot go on with. Save and load it after an update.");
        }

        foreach (Shard shard in Shards)
        {
            (int from, int length) = Overlap(shard, start, count);
            if (shard.Own is not null && length > 0)
                window.Slice((from - start) * DType.Size(), length * DType.Size()).CopyTo(ByteRangeOf(shard, from, length));
        }
    }

    static (int From, int Count) Overlap(Shard shard, int start, int count)
    {
        int from = Math.Max(shard.Start, start), to = Math.Min(shard.Start + shard.Count, start + count);
        return to > from ? (from, to - from) : (start, 0);
    }

    Span<byte> ByteRangeOf(Shard shard, int from, int count)
    {
        // State lies in an arena or in memory of a copy; a window is short enough for a span.
        TypedMemory elements = shard.Own!.Elements;
        return System.Runtime.InteropServices.MemoryMarshal.CreateSpan(ref elements.At(from - shard.Start), count * DType.Size());
    }
}
