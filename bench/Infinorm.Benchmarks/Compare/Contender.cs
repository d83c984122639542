using System.Diagnostics;

namespace Infinorm.Benchmarks;

/// <summary>One of the things that a case measures in turn.</summary>
sealed class Contender(Action step)
{
    public Action Step { get; } = step;

    /// <summary>Called before each batch of steps, not timed.</summary>
    public Action? Before { get; init; }

    /// <summary>Called after each batch of steps, not timed.</summary>
    public Action? After { get; init; }

    /// <summary>A batch must be a single step, because <see cref="Before"/> prepares just one.</summary>
    public bool Single { get; init; }

    // After a pause processors sleep and helpers are parked, and the caches hold what others need: a training loop knows no such pause.
    static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(2);

    int _stepsPerBatch = 1;
    bool _warmsUp;

    /// <summary>Chooses how many steps make a batch of at least <paramref name="batch"/>, and warms up on the way.</summary>
    public void Calibrate(TimeSpan batch)
    {
        TimeBatch(); // compiles and touches the memory: its time says nothing
        double seconds = TimeBatch();
        while (!Single && seconds * _stepsPerBatch < batch.TotalSeconds && _stepsPerBatch < 1 << 20)
        {
            _stepsPerBatch *= 2;
            seconds = TimeBatch();
        }
        _warmsUp = !Single && seconds < 2 * WarmUp.TotalSeconds;
    }

    /// <summary>Runs a batch; seconds a step.</summary>
    public double TimeBatch()
    {
        Before?.Invoke();
        long start = Stopwatch.GetTimestamp();
        while (_warmsUp && Stopwatch.GetElapsedTime(start) < WarmUp)
            Step();
        start = Stopwatch.GetTimestamp();
        for (int i = 0; i < _stepsPerBatch; i++)
            Step();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds / _stepsPerBatch;
        After?.Invoke();
        return seconds;
    }
}
