using System.Runtime.ExceptionServices;

namespace Infinorm.Execution.Memory;

/// <summary>Threads that somebody else keeps and that can work on a job.</summary>
interface ITeam
{
    /// <summary>Has the calling thread and others claim and do the tasks of a job until none is left.</summary>
    /// <param name="job">The job.</param>
    /// <param name="helpers">How many threads may help the calling one.</param>
    /// <returns>False if the threads cannot be had; then no task was done.</returns>
    bool TryRun(Job job, int helpers);
}

/// <summary>
/// A number of independent tasks that the calling thread and helpers work off together. The caller claims from the front, helpers from
/// the back, so in every step a thread meets the memory it had in the last one, and the caller never waits for a helper that has not
/// started. One object serves step after step: it allocates nothing.
/// </summary>
abstract class Job
{
    // The first unclaimed task in the lower half, the end of the unclaimed ones in the upper. What a claim means follows from this
    // value alone, so a helper that comes late may join the next run of the same job.
    long _unclaimed;
    int _tasks;
    int _finished;
    Exception? _failure;

    /// <summary>The threads that help the present thread with its jobs in place of <see cref="WorkerTeam"/>; null for none.</summary>
    [field: ThreadStatic]
    public static ITeam? Borrowed { get; set; }

    /// <summary>Does one task; at the same time as others.</summary>
    protected abstract void Execute(int task);

    /// <summary>Runs all tasks, with up to <paramref name="helpers"/> helpers, and returns when they are done.</summary>
    public void Run(int tasks, int helpers)
    {
        if (tasks == 1 || helpers == 0)
        {
            for (int task = 0; task < tasks; task++)
                Execute(task);
            return;
        }

        _tasks = tasks;
        _finished = 0;
        _failure = null;
        Volatile.Write(ref _unclaimed, (long)tasks << 32);
        if (Borrowed is not { } team || !team.TryRun(this, helpers))
        {
            WorkerTeam.Help(this, Math.Min(helpers, tasks - 1));
            RunTasks(fromFront: true);
        }

        Interrupts.Postpone(this, static job =>
        {
            var wait = default(SpinWait);
            while (Volatile.Read(ref job._finished) < job._tasks)
                wait.SpinOnce(sleep1Threshold: -1);
        });
        if (_failure is { } failure)
            ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>Claims and does tasks until none is left.</summary>
    public void RunTasks(bool fromFront)
    {
        while (TryClaim(fromFront, out int task))
        {
            try
            {
                Execute(task);
            }
            catch (Exception e)
            {
                _failure = e;
            }

            Interlocked.Increment(ref _finished);
        }
    }

    bool TryClaim(bool fromFront, out int task)
    {
        while (true)
        {
            long unclaimed = Volatile.Read(ref _unclaimed);
            int front = (int)unclaimed, end = (int)(unclaimed >> 32);
            task = fromFront ? front : end - 1;
            if (front >= end)
                return false;
            long rest = fromFront ? unclaimed + 1 : unclaimed - (1L << 32);
            if (Interlocked.CompareExchange(ref _unclaimed, rest, unclaimed) == unclaimed)
                return true;
        }
    }
}
