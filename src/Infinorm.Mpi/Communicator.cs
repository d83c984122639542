using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace Infinorm.Mpi;

/// <summary>
/// The only thread that calls MPI. While a request is under way it polls whether the request is done: at first without a pause, as an MPI may
/// send only while it is asked, then less and less often, so that waiting for a late rank takes little processor time. Without work it sleeps.
/// Five times a second it answers what other ranks may have asked.
/// </summary>
sealed class Communicator
{
    static readonly TimeSpan Spin = TimeSpan.FromMicroseconds(50), Yield = TimeSpan.FromMilliseconds(2), Long = TimeSpan.FromSeconds(1),
        Idle = TimeSpan.FromMilliseconds(200);

    const double SlowestBytesPerSecond = 2e8;

    readonly SemaphoreSlim _wake = new(0), _done = new(0);
    readonly Lock _gate = new();
    readonly Thread _thread;
    Action? _work;
    ExceptionDispatchInfo? _failure;
    volatile bool _isEnding;

    public Communicator()
    {
        _thread = new Thread(Work) { IsBackground = true, Name = "Infinorm MPI" };
        _thread.Start();
    }

    /// <summary>Called from time to time while the thread waits or has nothing to do; set on the thread itself.</summary>
    public Action? WhenIdle { get; set; }

    /// <summary>Runs something on the thread and waits until it is done.</summary>
    public void Do(Action work)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isEnding, this);
            _work = work;
            _wake.Release();
            _done.Wait();
            ExceptionDispatchInfo? failure = _failure;
            _failure = null;
            failure?.Throw();
        }
    }

    /// <summary>Ends the thread once it has nothing to do.</summary>
    public void End()
    {
        lock (_gate)
        {
            _isEnding = true;
            _wake.Release();
        }

        _thread.Join();
    }

    /// <summary>Waits for a request, on the thread itself, and answers other ranks meanwhile.</summary>
    /// <param name="library">The library.</param>
    /// <param name="request">The request.</param>
    /// <param name="limit">How long to wait.</param>
    /// <param name="bytes">How much is sent and received. It may take a while though no rank is late.</param>
    /// <returns>False if the request was not done in time.</returns>
    public bool Wait(MpiLibrary library, nint request, TimeSpan limit, long bytes = 0)
    {
        TimeSpan yield = Yield + TimeSpan.FromSeconds(bytes / SlowestBytesPerSecond);
        long start = Stopwatch.GetTimestamp(), idle = start;
        while (!library.Test(ref request))
        {
            TimeSpan waited = Stopwatch.GetElapsedTime(start);
            if (waited > limit)
                return false;
            if (waited < Spin)
            {
                Thread.SpinWait(20);
            }
            else if (waited < yield)
            {
                Thread.Yield();
            }
            else
            {
                Thread.Sleep(waited < Long ? 1 : 5);
                if (Stopwatch.GetElapsedTime(idle) < Idle)
                    continue;
                WhenIdle?.Invoke();
                idle = Stopwatch.GetTimestamp();
            }
        }

        return true;
    }

    void Work()
    {
        while (true)
        {
            while (!_wake.Wait(Idle))
                WhenIdle?.Invoke();
            if (_isEnding)
                return;
            try
            {
                _work!();
            }
            catch (Exception e)
            {
                _failure = ExceptionDispatchInfo.Capture(e);
            }

            _work = null;
            _done.Release();
        }
    }
}
