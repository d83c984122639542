namespace Infinorm.Benchmarks;

/// <summary>
/// Splits a loop over threads with the least hand-off there is: awake helpers do nothing but look at one number. It is what the
/// ceiling and the separate passes run on; helpers must rest while anything else is measured.
/// </summary>
sealed class SpinTeam
{
    readonly ManualResetEventSlim _awake = new(false, spinCount: 0);
    readonly int _helpers;
    Action<int, int> _work = static (_, _) => { };
    volatile bool _resting = true;
    volatile int _round;
    int _busy;

    /// <param name="threads">How many threads share the work, the calling one included.</param>
    public SpinTeam(int threads)
    {
        _helpers = threads - 1;
        for (int helper = 1; helper <= _helpers; helper++)
        {
            int part = helper;
            new Thread(() => Help(part)) { IsBackground = true, Name = $"ceiling {part}" }.Start();
        }
    }

    public int Threads => _helpers + 1;

    /// <summary>Makes the helpers spin, ready for <see cref="Run"/>.</summary>
    public void Wake()
    {
        _resting = false;
        _awake.Set();
    }

    /// <summary>Parks the helpers.</summary>
    public void Rest()
    {
        _awake.Reset();
        _resting = true;
    }

    /// <summary>Calls <paramref name="work"/> with (part, parts) once on every thread and waits for all of them. The team must be awake.</summary>
    public void Run(Action<int, int> work)
    {
        _work = work;
        _busy = _helpers;
        _round++;
        work(0, Threads);
        while (Volatile.Read(ref _busy) != 0)
            Thread.SpinWait(1);
    }

    void Help(int part)
    {
        int done = 0;
        while (true)
        {
            int round = _round;
            if (round != done)
            {
                done = round;
                _work(part, Threads);
                Interlocked.Decrement(ref _busy);
            }
            else if (_resting)
                _awake.Wait();
            else
                Thread.SpinWait(1);
        }
    }
}
