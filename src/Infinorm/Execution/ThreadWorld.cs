using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Infinorm.Execution;

/// <summary>A world whose ranks are threads of this process.</summary>
sealed unsafe class ThreadWorld : World
{
    readonly Meeting _meeting;
    readonly int[] _counts;

    ThreadWorld(Meeting meeting, int rank)
    {
        _meeting = meeting;
        _counts = new int[meeting.Offers.Length];
        Rank = rank;
    }

    public override int Rank { get; }

    public override int Size => _meeting.Offers.Length;

    public static IReadOnlyList<World> Make(int count)
    {
        var meeting = new Meeting(count);
        return [.. Enumerable.Range(0, count).Select(rank => new ThreadWorld(meeting, rank))];
    }

    public override void AllToAll(
        ReadOnlySpan<byte> send, ReadOnlySpan<int> sendCounts, Span<byte> receive, ReadOnlySpan<int> receiveCounts)
    {
        fixed (byte* own = send)
        {
            Offer(own, sendCounts);
            int at = 0;
            for (int from = 0; from < Size; from++)
            {
                Part part = _meeting.Offers[from];
                int start = TensorPrimitives.Sum<int>(part.Counts.AsSpan(0, Rank));
                Take(part, start, part.Counts[Rank], receive.Slice(at, receiveCounts[from]), from);
                at += receiveCounts[from];
            }

            _meeting.Meet();
        }
    }

    public override void AllGather(ReadOnlySpan<byte> own, Span<byte> all, ReadOnlySpan<int> counts)
    {
        fixed (byte* bytes = own)
        {
            Offer(bytes, [own.Length]);
            int at = 0;
            for (int from = 0; from < Size; from++)
            {
                Part part = _meeting.Offers[from];
                Take(part, 0, part.Counts[0], all.Slice(at, counts[from]), from);
                at += counts[from];
            }

            _meeting.Meet();
        }
    }

    public override void Broadcast(Span<byte> data, int root)
    {
        fixed (byte* bytes = data)
        {
            Offer(bytes, [data.Length]);
            if (Rank != root)
                Take(_meeting.Offers[root], 0, _meeting.Offers[root].Counts[0], data, root);
            _meeting.Meet();
        }
    }

    public override void Barrier() => _meeting.Meet();

    public override void Abort(string reason)
    {
        _meeting.End($"rank {Rank} of {Size} ended the job: {reason}");
        _meeting.Meet();
    }

    // The data of this rank for the others, visible to all once all have met.
    void Offer(byte* bytes, ReadOnlySpan<int> counts)
    {
        counts.CopyTo(_counts);
        _meeting.Offers[Rank] = new Part((nint)bytes, _counts);
        _meeting.Meet();
    }

    void Take(Part part, int start, int count, Span<byte> target, int from)
    {
        if (count != target.Length)
            Abort($"rank {from} sends {count} bytes where rank {Rank} expects {target.Length}; the ranks make different calls.");
        ReadOnlySpan<byte> source = new((byte*)part.Bytes + start, count);
        if (!Unsafe.AreSame(in MemoryMarshal.GetReference(source), in MemoryMarshal.GetReference(target)))
            source.CopyTo(target);
    }

    readonly record struct Part(nint Bytes, int[] Counts);

    // Where all ranks wait for one another.
    sealed class Meeting(int count)
    {
        readonly object _gate = new();
        int _arrived;
        long _turn;
        string? _end;

        public Part[] Offers { get; } = new Part[count];

        public void Meet()
        {
            lock (_gate)
            {
                RequireGoing();
                if (++_arrived == Offers.Length)
                {
                    _arrived = 0;
                    _turn++;
                    Monitor.PulseAll(_gate);
                    return;
                }

                for (long turn = _turn; _turn == turn;)
                {
                    Monitor.Wait(_gate);
                    if (_turn == turn)
                        RequireGoing();
                }
            }
        }

        public void End(string reason)
        {
            lock (_gate)
            {
                _end ??= reason;
                Monitor.PulseAll(_gate);
            }
        }

        void RequireGoing()
        {
            if (_end is not null)
                throw new WorldException(_end);
        }
    }
}
