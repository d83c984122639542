using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Infinorm.Execution;

/// <summary>
/// The processes, its ranks, that train one model together: each computes its part of the gradients and keeps its part of the optimizer's
/// state. All ranks make the same calls in the same order.
/// </summary>
public abstract class World : IDisposable
{
    /// <summary>This process by itself.</summary>
    public static World Alone { get; } = new AloneWorld();

    /// <summary>
    /// So many ranks inside this process, for tests: each is for one thread, and all threads must make their calls at the same time.
    /// </summary>
    /// <param name="count">How many, ≥ 1.</param>
    /// <returns>The worlds, one for each rank, by number.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The count is less than 1.</exception>
    public static IReadOnlyList<World> Threads(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return ThreadWorld.Make(count);
    }

    /// <summary>The number of this rank, from 0 on.</summary>
    public abstract int Rank { get; }

    /// <summary>The number of ranks.</summary>
    public abstract int Size { get; }

    /// <summary>How many threads of this rank work on a step at most.</summary>
    public virtual int ThreadsPerRank => Environment.ProcessorCount;

    /// <summary>Whether this is rank 0, which writes files and shows what is done.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>How many batches make one update, once an optimizer was built over this world; 0 before.</summary>
    public int BatchesPerUpdate { get; private set; }

    /// <summary>This rank's part of the batches: of those that make one update, each rank computes a run of the same length.</summary>
    /// <typeparam name="T">What a batch is.</typeparam>
    /// <param name="batches">All batches, the same on all ranks; those of other ranks are passed over.</param>
    /// <exception cref="InvalidOperationException">No optimizer was built over this world yet.</exception>
    public IEnumerable<T> Share<T>(IEnumerable<T> batches)
    {
        ArgumentNullException.ThrowIfNull(batches);
        RequireDivided();
        return Own(batches);
    }

    /// <summary>Whether a batch is this rank's, by its number from 0 on.</summary>
    /// <param name="batch">The number among all batches of all ranks.</param>
    /// <exception cref="InvalidOperationException">No optimizer was built over this world yet.</exception>
    public bool Owns(long batch)
    {
        RequireDivided();
        return batch % BatchesPerUpdate * Size / BatchesPerUpdate == Rank;
    }

    /// <summary>
    /// The mean of what the ranks have for their batches, such as losses: added by the number of the batch, so that it is the same for any
    /// number of ranks, bit for bit. All ranks call it.
    /// </summary>
    /// <param name="values">This rank's values, in the order of its batches, from the first batch of an update on.</param>
    /// <returns>The mean, the same on all ranks; NaN where no rank has a value.</returns>
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
    /// <param name="send">What this rank sends.</param>
    /// <param name="sendCounts">How many bytes go to each rank.</param>
    /// <param name="receive">Where what is received goes.</param>
    /// <param name="receiveCounts">How many bytes come from each rank.</param>
    public abstract void AllToAll(
        ReadOnlySpan<byte> send, ReadOnlySpan<int> sendCounts, Span<byte> receive, ReadOnlySpan<int> receiveCounts);

    /// <summary>Gives every rank the bytes of all ranks, in the order of the ranks, without gaps.</summary>
    /// <param name="own">This rank's bytes.</param>
    /// <param name="all">Those of all ranks.</param>
    /// <param name="counts">How many bytes each rank has.</param>
    public abstract void AllGather(ReadOnlySpan<byte> own, Span<byte> all, ReadOnlySpan<int> counts);

    /// <summary>Gives every rank the bytes of one.</summary>
    /// <param name="data">The bytes: of the root, what is sent; of the others, where they go.</param>
    /// <param name="root">The rank that sends.</param>
    public abstract void Broadcast(Span<byte> data, int root);

    /// <summary>Waits until all ranks are here.</summary>
    public abstract void Barrier();

    /// <summary>Ends all ranks because one cannot go on.</summary>
    /// <param name="reason">Why.</param>
    public abstract void Abort(string reason);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Leaves the world.</summary>
    /// <param name="disposing">Whether it is disposed, not finalized.</param>
    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary>
    /// After how many calls, of all ranks, the optimizer over this world was last called, for messages that say where a rank is; −1 before the first.
    /// </summary>
    protected internal long Calls { get; internal set; } = -1;

    /// <summary>How many bytes of gradients are exchanged at once.</summary>
    internal int BucketBytes { get; set; } = Sharded.ShardMap.BucketBytes;

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

    /// <summary>Has all ranks fail, with the first difference, where these texts are not the same on all. All ranks call it.</summary>
    /// <exception cref="WorldException">A rank has another text.</exception>
    internal void RequireSame(string optimizer, string[] lines)
    {
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

    /// <summary>Has all ranks fail where one did. All ranks call it.</summary>
    /// <param name="failure">What happened on this rank; null for nothing.</param>
    /// <exception cref="WorldException">Something happened on a rank.</exception>
    internal void Agree(Exception? failure)
    {
        string[] texts = GatherTexts(failure is null ? "" : $"{failure.GetType().Name}: {failure.Message}");
        int first = Array.FindIndex(texts, text => text.Length > 0);
        if (first >= 0)
            throw new WorldException($"rank {first} of {Size}: {texts[first]}", failure);
    }

    /// <summary>Does something that may fail on some ranks only, and has all fail where one did.</summary>
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

    /// <summary>What all ranks have for their batches, in the order of the batches' numbers.</summary>
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

    /// <summary>The numbers of all ranks, of each as many as it has.</summary>
    internal double[][] Gather(ReadOnlySpan<double> own)
    {
        byte[][] parts = GatherBytes(MemoryMarshal.AsBytes(own));
        return Array.ConvertAll(parts, part => MemoryMarshal.Cast<byte, double>(part).ToArray());
    }

    /// <summary>The texts of all ranks.</summary>
    internal string[] GatherTexts(string own) =>
        Array.ConvertAll(GatherBytes(Encoding.UTF8.GetBytes(own)), Encoding.UTF8.GetString);

    byte[][] GatherBytes(ReadOnlySpan<byte> own)
    {
        var counts = new int[Size];
        int[] fours = [.. Enumerable.Repeat(sizeof(int), Size)];
        AllGather(BitConverter.GetBytes(own.Length), MemoryMarshal.AsBytes(counts.AsSpan()), fours);
        if (counts.All(count => count == 0))
            return [.. counts.Select(_ => Array.Empty<byte>())];
        var all = new byte[counts.Sum()];
        AllGather(own, all, counts);
        int start = 0;
        return [.. counts.Select(count => all.AsSpan((start += count) - count, count).ToArray())];
    }

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

/// <summary>The ranks of a world cannot go on together.</summary>
/// <param name="message">Which rank, and why.</param>
/// <param name="inner">The cause, on the rank where it is known.</param>
public sealed class WorldException(string message, Exception? inner = null) : InvalidOperationException(message, inner);
