using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Infinorm.Execution;

/// <summary>
/// The processes, called ranks, that train one model together. Each rank computes its part of the gradients and keeps its part of the
/// optimizer's state. All ranks make the same calls in the same order.
/// </summary>
public abstract class World : IDisposable
{
    const int MostBucketBytes = 25 << 20, BytesOfRank = 2 << 20;

    Arrival[] _met = [];
    int[] _metBytes = [];

    /// <summary>A world with one rank, this process.</summary>
    public static World Alone { get; } = new AloneWorld();

    /// <summary>
    /// Several ranks inside this process, for tests. Each is used by one thread, and all threads must make their calls at the same time.
    /// </summary>
    /// <param name="count">The number of ranks, ≥ 1.</param>
    /// <returns>The worlds, one for each rank, in the order of the ranks.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The count is less than 1.</exception>
    public static IReadOnlyList<World> Threads(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return ThreadWorld.Make(count);
    }

    /// <summary>The number of this rank, counted from 0.</summary>
    public abstract int Rank { get; }

    /// <summary>The number of ranks.</summary>
    public abstract int Size { get; }

    /// <summary>The largest number of threads of this rank that work on a step.</summary>
    public virtual int ThreadsPerRank => Environment.ProcessorCount;

    /// <summary>Whether this is rank 0, which writes files and shows the progress.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>The number of batches in an update; 0 until an optimizer has been built over this world.</summary>
    public int BatchesPerUpdate { get; private set; }

    /// <summary>This rank's part of the batches. The batches of an update are divided into runs of the same length, one for each rank.</summary>
    /// <typeparam name="T">The type of a batch.</typeparam>
    /// <param name="batches">All batches, the same on all ranks; those of other ranks are skipped.</param>
    /// <exception cref="InvalidOperationException">No optimizer was built over this world yet.</exception>
    public IEnumerable<T> Share<T>(IEnumerable<T> batches)
    {
        ArgumentNullException.ThrowIfNull(batches);
        RequireDivided();
        return Own(batches);
    }

    /// <summary>Whether a batch belongs to this rank.</summary>
    /// <param name="batch">The number of the batch among those of all ranks, counted from 0.</param>
    /// <exception cref="InvalidOperationException">No optimizer was built over this world yet.</exception>
    public bool Owns(long batch)
    {
        RequireDivided();
        return batch % BatchesPerUpdate * Size / BatchesPerUpdate == Rank;
    }

    /// <summary>
    /// The mean of one value for each batch, such as its loss, over the batches of all ranks. The values are added in the order of the
    /// batches' numbers, so the mean has the same bits for any number of ranks. All ranks call it.
    /// </summary>
    /// <param name="values">This rank's values, in the order of its batches, beginning with the first batch of an update.</param>
    /// <returns>The mean, the same on all ranks; NaN if no rank has a value.</returns>
    public double Mean(params ReadOnlySpan<double> values)
    {
        double sum = 0;
        double[] all = ByNumber(values);
        foreach (double value in all)
            sum += value;
        return sum / all.Length;
    }

    /// <summary>
    /// Sends bytes to each rank and receives bytes from each. Parts follow one another without gaps, in the order of the ranks.
    /// </summary>
    /// <param name="send">The bytes that this rank sends.</param>
    /// <param name="sendCounts">The number of bytes for each rank.</param>
    /// <param name="receive">The memory for the received bytes.</param>
    /// <param name="receiveCounts">The number of bytes from each rank.</param>
    public abstract void AllToAll(
        ReadOnlySpan<byte> send, ReadOnlySpan<int> sendCounts, Span<byte> receive, ReadOnlySpan<int> receiveCounts);

    /// <summary>Gives every rank the bytes of all ranks, in the order of the ranks, without gaps.</summary>
    /// <param name="own">This rank's bytes. They may already be at their place in <paramref name="all"/>: on all ranks or on none.</param>
    /// <param name="all">The memory for the bytes of all ranks.</param>
    /// <param name="counts">The number of bytes of each rank.</param>
    public abstract void AllGather(ReadOnlySpan<byte> own, Span<byte> all, ReadOnlySpan<int> counts);

    /// <summary>Gives every rank the bytes of one rank, the root.</summary>
    /// <param name="data">On the root, the bytes to send; on the others, the memory for them.</param>
    /// <param name="root">The rank that sends.</param>
    public abstract void Broadcast(Span<byte> data, int root);

    /// <summary>Waits until all ranks have called it.</summary>
    public abstract void Barrier();

    /// <summary>Ends all ranks because one of them cannot continue.</summary>
    /// <param name="reason">The reason, for the message.</param>
    public abstract void Abort(string reason);

    /// <summary>Begins a call of which all ranks make one.</summary>
    internal void BeginCall() => IsExchanging = false;

    /// <summary>Begins the exchanges of a call that all ranks have agreed on.</summary>
    internal void BeginExchange() => IsExchanging = true;

    /// <summary>
    /// Waits for all ranks before they exchange anything. So whatever goes wrong on one rank before, all learn of it.
    /// </summary>
    /// <param name="purpose">What they will exchange.</param>
    /// <param name="first">A number that says more precisely where this rank is.</param>
    /// <param name="second">Another one.</param>
    /// <param name="failure">What went wrong on this rank; null for nothing.</param>
    /// <exception cref="WorldException">Something went wrong on a rank, or the ranks are in different calls.</exception>
    internal void Meet(Purpose purpose, long first = 0, long second = 0, Exception? failure = null)
    {
        if (Size == 1 && failure is null)
            return;
        byte[] text = failure is null ? [] : Encoding.UTF8.GetBytes($"{failure.GetType().Name}: {failure.Message}");
        if (_met.Length == 0)
        {
            _met = new Arrival[Size];
            _metBytes = [.. Enumerable.Repeat(Unsafe.SizeOf<Arrival>(), Size)];
        }

        var own = new Arrival(purpose, text.Length, first, second);
        AllGather(MemoryMarshal.AsBytes(new ReadOnlySpan<Arrival>(in own)), MemoryMarshal.AsBytes(_met.AsSpan()), _metBytes);
        for (int rank = 0; rank < Size; rank++)
        {
            if (_met[rank].FailureBytes > 0)
                throw new WorldException($"rank {rank} of {Size}: {TextOf(rank, text)}", failure);
        }

        for (int rank = 1; rank < Size; rank++)
        {
            if (_met[rank].Purpose != _met[0].Purpose)
                throw new WorldException($"The ranks make different calls: rank 0 is in {NameOf(_met[0].Purpose)}, rank {rank} in {NameOf(_met[rank].Purpose)}.");
        }

        string TextOf(int rank, byte[] text)
        {
            byte[][] texts = AllGatherParts(text, Array.ConvertAll(_met, where => where.FailureBytes));
            return Encoding.UTF8.GetString(texts[rank]);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Leaves the world.</summary>
    /// <param name="disposing">True if called by <see cref="Dispose()"/>, false if called by a finalizer.</param>
    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary>
    /// The number of calls, over all ranks, that the optimizer had seen when it was last called; −1 before the first call. Messages use it to say
    /// where a rank is.
    /// </summary>
    protected internal long Calls { get; internal set; } = -1;

    /// <summary>
    /// Whether the ranks have agreed on the present call and exchange what it needs. Until then, what goes wrong on one rank can be told to all.
    /// </summary>
    internal bool IsExchanging { get; private set; }

    /// <summary>Where each rank was when they last met, if there are several.</summary>
    internal ReadOnlySpan<Arrival> Met => _met;

    /// <summary>
    /// The number of bytes of gradients that are exchanged at once: among few ranks, as much as is still in the cache when what was received is
    /// summed; among many, more, as many small messages cost more than a few large ones.
    /// </summary>
    internal int BucketBytes
    {
        get => field > 0 ? field : Size == 1 ? MostBucketBytes : (int)Math.Min(MostBucketBytes, (long)Size * BytesOfRank);
        set;
    }

    /// <summary>Remembers how many batches make one update.</summary>
    internal void Divide(int batchesPerUpdate) => BatchesPerUpdate = batchesPerUpdate;

    /// <summary>Checks that the ranks can divide the batches of an update.</summary>
    /// <exception cref="InvalidOperationException">Another optimizer over this world takes another number, or the ranks do not divide it.</exception>
    internal void RequireDivisible(string optimizer, int batchesPerUpdate)
    {
        if (Size > 1 && batchesPerUpdate == 1)
        {
            throw new InvalidOperationException(
                $"{optimizer}: {Size} ranks divide the batches of an update; set GradientAccumulationSteps to their number, a multiple of {Size}.");
        }

        if (!int.IsPow2(Size) || batchesPerUpdate % Size != 0)
        {
            throw new InvalidOperationException(
                $"{optimizer}: there are {Size} ranks; their number must be a power of two that divides GradientAccumulationSteps, {batchesPerUpdate}.");
        }

        if (Size > 1 && BatchesPerUpdate != 0 && BatchesPerUpdate != batchesPerUpdate)
        {
            throw new InvalidOperationException(
                $"{optimizer}: it takes {batchesPerUpdate} batches an update, another optimizer over the same world takes {BatchesPerUpdate}.");
        }
    }

    /// <summary>Fails on all ranks, with the first difference, if these texts differ between ranks. All ranks call it.</summary>
    /// <exception cref="WorldException">A rank has another text.</exception>
    internal void RequireSame(string optimizer, string[] lines)
    {
        Meet(Purpose.Build);
        BeginExchange();

        // The texts themselves are compared, line by line, only where they differ.
        string[] hashes = GatherTexts(Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', lines)))));
        if (hashes.All(hash => hash == hashes[0]))
            return;
        string[][] texts = [.. GatherTexts(string.Join('\n', lines)).Select(text => text.Split('\n'))];
        int other = Array.FindIndex(hashes, hash => hash != hashes[0]);
        int line = Enumerable.Range(0, Math.Max(texts[0].Length, texts[other].Length)).First(i => At(0, i) != At(other, i));
        throw new WorldException($"{optimizer}: all ranks must have the same model and settings. Rank 0 has {At(0, line)}; rank {other} has {At(other, line)}.");

        string At(int rank, int i) => texts[rank].ElementAtOrDefault(i) ?? "no more variables";
    }

    /// <summary>Fails on all ranks if one of them failed. All ranks call it.</summary>
    /// <param name="failure">The failure of this rank; null if there was none.</param>
    /// <exception cref="WorldException">A rank failed.</exception>
    internal void Agree(Exception? failure) => Meet(Purpose.Agreement, failure: failure);

    /// <summary>Does something that may fail on some ranks only, and fails on all ranks if it failed on one.</summary>
    /// <exception cref="WorldException">It failed on a rank.</exception>
    internal void Together(Action action)
    {
        if (Size == 1)
        {
            action();
            return;
        }

        Exception? failure = null;
        try
        {
            action();
        }
        catch (Exception e) when (e is not WorldException)
        {
            failure = e;
        }

        Agree(failure);
    }

    /// <summary>The values of all ranks for their batches, in the order of the batches' numbers.</summary>
    internal double[] ByNumber(ReadOnlySpan<double> own)
    {
        double[][] parts = Gather(own);
        int batches = Math.Max(BatchesPerUpdate, Size), each = batches / Size;
        var all = new double[parts.Sum(part => part.Length)];
        var next = new int[Size];
        for (int count = 0, number = 0; count < all.Length; number++)
        {
            int owner = number % batches / each;
            if (next[owner] < parts[owner].Length)
                all[count++] = parts[owner][next[owner]++];
        }

        return all;
    }

    /// <summary>The numbers of all ranks; each rank may have another count of them.</summary>
    internal double[][] Gather(ReadOnlySpan<double> own)
    {
        byte[][] parts = GatherBytes(MemoryMarshal.AsBytes(own));
        return Array.ConvertAll(parts, part => MemoryMarshal.Cast<byte, double>(part).ToArray());
    }

    /// <summary>The texts of all ranks.</summary>
    /// <exception cref="WorldException">A rank failed.</exception>
    internal string[] GatherTexts(string own, Exception? failure = null) =>
        Array.ConvertAll(GatherBytes(Encoding.UTF8.GetBytes(own), failure), Encoding.UTF8.GetString);

    byte[][] GatherBytes(ReadOnlySpan<byte> own, Exception? failure = null)
    {
        Meet(Purpose.Values, own.Length, failure: failure);
        if (Size == 1)
            return [own.ToArray()];
        return AllGatherParts(own, Array.ConvertAll(_met, where => (int)where.First));
    }

    byte[][] AllGatherParts(ReadOnlySpan<byte> own, int[] counts)
    {
        var all = new byte[counts.Sum()];
        AllGather(own, all, counts);
        int start = 0;
        return [.. counts.Select(count => all.AsSpan((start += count) - count, count).ToArray())];
    }

    static string NameOf(Purpose purpose) => purpose switch
    {
        Purpose.Build => "Build",
        Purpose.Update => "a call of Apply that updates",
        Purpose.Save => "Save",
        Purpose.Restore => "Restore",
        Purpose.State => "a call that reads the optimizer's variables",
        Purpose.Values => "a call that gathers values, such as Mean or Fit",
        _ => "the end of a call",
    };

    void RequireDivided()
    {
        if (BatchesPerUpdate == 0)
            throw new InvalidOperationException("Which batches are this rank's depends on how many make an update: build the optimizer over this world first.");
    }

    IEnumerable<T> Own<T>(IEnumerable<T> batches)
    {
        long number = 0;
        foreach (T batch in batches)
        {
            if (Owns(number++))
                yield return batch;
        }
    }

    sealed class AloneWorld : World
    {
        public override int Rank => 0;

        public override int Size => 1;

        public override void AllToAll(
            ReadOnlySpan<byte> send, ReadOnlySpan<int> sendCounts, Span<byte> receive, ReadOnlySpan<int> receiveCounts) => send.CopyTo(receive);

        public override void AllGather(ReadOnlySpan<byte> own, Span<byte> all, ReadOnlySpan<int> counts) => own.CopyTo(all);

        public override void Broadcast(Span<byte> data, int root)
        {
        }

        public override void Barrier()
        {
        }

        public override void Abort(string reason) => throw new WorldException(reason);
    }
}

/// <summary>Thrown on all ranks of a world when they cannot continue together.</summary>
/// <param name="message">Which rank failed, and why.</param>
/// <param name="inner">The cause, on the rank where it is known.</param>
public sealed class WorldException(string message, Exception? inner = null) : InvalidOperationException(message, inner);

/// <summary>What ranks meet for.</summary>
enum Purpose
{
    Agreement,
    Build,
    Update,
    Save,
    Restore,
    State,
    Values,
}

/// <summary>Where a rank is when it meets the others.</summary>
/// <param name="Purpose">What it will exchange with them.</param>
/// <param name="FailureBytes">The length of the text of what went wrong on it; 0 for nothing.</param>
/// <param name="First">A number that says more precisely where it is.</param>
/// <param name="Second">Another one.</param>
readonly record struct Arrival(Purpose Purpose, int FailureBytes, long First, long Second);
