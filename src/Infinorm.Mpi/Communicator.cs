using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace Infinorm.Mpi;

/// <summary>
/// The thread that makes all calls of MPI, which knows no other. While a request is under way it asks whether it is done: without a pause at
/// first, then less and less often, so that waiting for a rank that is late takes little of a processor. Without work it sleeps. Five times a
/// second it does what other ranks may have asked for.
/// </summary>
sealed class Communicator
{
    static readonly TimeSpan Spin = TimeSpan.FromMicroseconds(50), Yield = TimeSpan.FromMilliseconds(2), Long = TimeSpan.FromSeconds(1),
        Idle = TimeSpan.FromMilliseconds(200);

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

    /// <summary>What the thread does from time to time while it waits or has nothing to do; set on the thread itself.</summary>
    public Action? WhenIdle { get; set; }

    /// <summary>Has the thread do something, and waits for it.</summary>
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

    /// <summary>Waits for a request, on the thread itself, and does what has to be done meanwhile.</summary>
    /// <returns>False if it was not done in time.</returns>
    public bool Wait(MpiLibrary library, nint request, TimeSpan limit)
    {
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
            else if (waited < Yield)
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
