using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace Infinorm.Mpi;

/// <summary>
/// The thread that makes all calls of MPI, which knows no other. While a request is under way it asks whether it is done: without a pause at
/// first, then less and less often, so that waiting for a rank that is late takes little of a processor. Without work it sleeps.
/// </summary>
sealed class Communicator
{
    static readonly TimeSpan Spin = TimeSpan.FromMicroseconds(50), Yield = TimeSpan.FromMilliseconds(2);

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

    /// <summary>Waits for a request, on the thread itself.</summary>
    /// <returns>False if it was not done in time.</returns>
    public static bool Wait(MpiLibrary library, nint request, TimeSpan limit)
    {
        long start = Stopwatch.GetTimestamp();
        while (!library.Test(ref request))
        {
            TimeSpan waited = Stopwatch.GetElapsedTime(start);
            if (waited > limit)
                return false;
            if (waited < Spin)
                Thread.SpinWait(20);
            else if (waited < Yield)
                Thread.Yield();
            else
                Thread.Sleep(1);
        }

        return true;
    }

    void Work()
    {
        while (true)
        {
            _wake.Wait();
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
