using System.Diagnostics;
using System.Runtime.InteropServices;
using Infinorm.Execution;

namespace Infinorm.Mpi;

/// <summary>The processes of an MPI job as the ranks of a world.</summary>
public sealed unsafe class MpiWorld : World
{
    // A launcher that is told to end the job may not pass on what was printed just before.
    static readonly TimeSpan LastWords = TimeSpan.FromMilliseconds(300);

    static int _starts;

    readonly MpiLibrary _library;
    readonly MpiOptions _options;
    readonly Communicator _thread = new();
    nint _communicator, _goodbye;
    int _rank, _size;
    RollCall? _rollCall;
    volatile Whereabouts _where = new(0, "", IsInside: false, Stopwatch.GetTimestamp(), -1);
    bool _isDisposed;

    MpiWorld(Launcher launcher, MpiOptions options)
    {
        _options = options;
        string? name = options.Library ?? Environment.GetEnvironmentVariable("INFINORM_MPI");
        _library = MpiLibrary.Load(name is null ? launcher.Libraries : [name]);
        _thread.Do(() =>
        {
            _library.Initialize();
            _communicator = _library.Duplicate(_library.World);
            _goodbye = _library.Duplicate(_library.World);
            _rank = _library.RankIn(_communicator);
            _size = _library.SizeOf(_communicator);
            _rollCall = new RollCall(_library, _library.Duplicate(_library.World), _rank, _size, () => _where with { Calls = Calls });
            _thread.WhenIdle = _rollCall.Answer;
        });
        AppDomain.CurrentDomain.ProcessExit += EndIfLeft;
        if (launcher.Size is { } expected && expected != Size)
        {
            Dispose();
            throw new WorldException(
                $"{launcher.Name} started {expected} ranks, but {_library.Name} ({_library.Version}) sees {Size}: the launcher and the library are not of one MPI. "
                + "Start the job with that library's mpirun, or name the launcher's library in INFINORM_MPI.");
        }

        ThreadsPerRank = Math.Max(1, options.ThreadsPerRank ?? (Environment.ProcessorCount / (launcher.LocalSize ?? 1)));
    }

    /// <inheritdoc/>
    public override int Rank => _rank;

    /// <inheritdoc/>
    public override int Size => _size;

    /// <inheritdoc/>
    public override int ThreadsPerRank { get; }

    /// <summary>The MPI library's name for itself, with its version.</summary>
    public string LibraryVersion => _library.Version;

    /// <summary>
    /// Joins the job that <c>mpirun</c> or <c>srun</c> started. Without such a job, the world has one rank, this process. Call it once in a process,
    /// and dispose the result at the end: a rank that exits without disposing it ends the job.
    /// </summary>
    /// <param name="options">The library, times and threads; null for the defaults.</param>
    /// <exception cref="WorldException">No MPI library is found, or it is not the launcher's.</exception>
    /// <exception cref="InvalidOperationException">It has been called before in this process.</exception>
    public static World Start(MpiOptions? options = null)
    {
        Launcher launcher = Launcher.Find(Environment.GetEnvironmentVariable);
        if (launcher.Name is null)
            return Alone;
        return Interlocked.Increment(ref _starts) == 1
            ? new MpiWorld(launcher, options ?? new MpiOptions())
            : throw new InvalidOperationException("MPI was started in this process before, and can be only once.");
    }

    /// <inheritdoc/>
    public override void AllToAll(
        ReadOnlySpan<byte> send, ReadOnlySpan<int> sendCounts, Span<byte> receive, ReadOnlySpan<int> receiveCounts)
    {
        int[] sent = sendCounts.ToArray(), received = receiveCounts.ToArray();
        fixed (byte* from = send, to = receive)
        {
            var (source, target) = ((nint)from, (nint)to);
            long bytes = send.Length;
            Exchange("all-to-all", () =>
            {
                fixed (int* counts = sent, starts = StartsOf(sent), receiveCounts = received, receiveStarts = StartsOf(received))
                    Finish(_library.AllToAll((byte*)source, counts, starts, (byte*)target, receiveCounts, receiveStarts, _communicator), bytes);
            });
        }
    }

    /// <inheritdoc/>
    public override void AllGather(ReadOnlySpan<byte> own, Span<byte> all, ReadOnlySpan<int> counts)
    {
        int[] each = counts.ToArray();
        int length = own.Length, bytes = all.Length, place = StartsOf(each)[Rank];
        fixed (byte* from = &MemoryMarshal.GetReference(own), to = &MemoryMarshal.GetReference(all))
        {
            var (source, target) = (from == to + place ? _library.InPlace : (nint)from, (nint)to);
            Exchange("all-gather", () =>
            {
                fixed (int* counts = each, starts = StartsOf(each))
                    Finish(_library.AllGather((byte*)source, length, (byte*)target, counts, starts, _communicator), bytes);
            });
        }
    }

    /// <inheritdoc/>
    public override void Broadcast(Span<byte> data, int root)
    {
        int length = data.Length;
        fixed (byte* bytes = data)
        {
            var source = (nint)bytes;
            Exchange("broadcast", () => Finish(_library.Broadcast((byte*)source, length, root, _communicator), length));
        }
    }

    /// <inheritdoc/>
    public override void Barrier() => Exchange("barrier", () => Finish(_library.Barrier(_communicator)));

    /// <summary>Ends all processes of the job.</summary>
    /// <inheritdoc/>
    public override void Abort(string reason)
    {
        Say(reason);
        Thread.Sleep(LastWords);
        _library.Abort(1);
    }

    /// <summary>Leaves once all ranks leave. If they do not leave in time, it ends the job.</summary>
    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || _isDisposed)
            return;
        _isDisposed = true;
        _thread.Do(() =>
        {
            if (!_thread.Wait(_library, _library.Barrier(_goodbye), _options.GoodbyeTimeout))
                Abort($"it left, and the others did not within {_options.GoodbyeTimeout.TotalSeconds} s; the job ends.");
            _thread.WhenIdle = null;
            _library.Finish();
        });
        AppDomain.CurrentDomain.ProcessExit -= EndIfLeft;
        _thread.End();
    }

    /// <summary>Makes calls that ranks do not need, for what measures them.</summary>
    internal void Call(Action<MpiLibrary, nint> call) => Exchange("call", () => call(_library, _communicator));

    void Exchange(string name, Action exchange)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        Whereabouts before = _where;
        _where = new(before.Exchange + 1, name, IsInside: true, Stopwatch.GetTimestamp(), -1);
        _thread.Do(exchange);
        _where = _where with { IsInside = false, Since = Stopwatch.GetTimestamp() };
    }

    // On the thread that makes the calls.
    void Finish(nint request, long bytes = 0)
    {
        TimeSpan first = _options.RollCallAfter < _options.Timeout ? _options.RollCallAfter : _options.Timeout;
        if (_thread.Wait(_library, request, first, bytes))
            return;
        if (first < _options.Timeout)
        {
            if (_rollCall!.Report(_where, isForAll: false) is { } late)
                Say($"waits {first.TotalSeconds} s in exchange {_where.Exchange}, {_where.Name}: {late}.");
            if (_thread.Wait(_library, request, _options.Timeout - first))
                return;
        }

        Abort($"waited {_options.Timeout.TotalSeconds} s in exchange {_where.Exchange}, {_where.Name}; the job ends: {_rollCall!.Report(_where, isForAll: true)}.");
    }

    // A rank that exits without a goodbye would leave the others waiting, or end them as if nothing were wrong.
    void EndIfLeft(object? sender, EventArgs e) => Abort("it exits before its world was disposed; the job ends.");

    void Say(string text)
    {
        Console.Error.WriteLine($"Infinorm, rank {Rank} of {Size}: {text}");
        Console.Error.Flush();
    }

    static int[] StartsOf(int[] counts)
    {
        var starts = new int[counts.Length];
        for (int i = 1; i < starts.Length; i++)
            starts[i] = checked(starts[i - 1] + counts[i - 1]);
        return starts;
    }
}
