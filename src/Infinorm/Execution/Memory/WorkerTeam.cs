using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Infinorm.Execution.Memory;

/// <summary>
/// The helper threads of the process, one for each processor but the caller's, shared by all optimizers and started when first needed.
/// A helper without work spins briefly, because handing work to a spinning thread takes a microsecond and waking one five to fifty, and
/// then parks, using no processor time. Helpers are background threads: they keep no process alive.
/// </summary>
static class WorkerTeam
{
    // Where no thread is to be had, fewer help: the caller does what they leave.
    static readonly Helper[] Helpers = MakeHelpers();

    /// <summary>Asks up to this many idle helpers to work on a job. Helpers that work for another optimizer are left alone.</summary>
    public static void Help(Job job, int count)
    {
        foreach (Helper helper in Helpers)
        {
            if (count == 0)
                return;
            if (helper.TryAssign(job))
                count--;
        }
    }

    static Helper[] MakeHelpers()
    {
        var helpers = new List<Helper>();
        for (int number = 1; number < Environment.ProcessorCount && Helper.TryStart(number) is { } helper; number++)
            helpers.Add(helper);
        return [.. helpers];
    }

    sealed class Helper
    {
        static readonly long SpinTicks = Stopwatch.Frequency / 10_000; // 100 microseconds

        readonly SemaphoreSlim _wake = new(0);
        Job? _job;
        int _parked;

        public static Helper? TryStart(int number)
        {
            var helper = new Helper();
            try
            {
                new Thread(helper.Run) { IsBackground = true, Name = $"Infinorm helper {number}" }.UnsafeStart();
                return helper;
            }
            catch (ThreadInterruptedException)
            {
                Thread.CurrentThread.Interrupt(); // the interruption is the caller's; the thread runs or, if not, leaves its work to others
                return helper;
            }
            catch (Exception e) when (e is OutOfMemoryException or ThreadStartException)
            {
                return null;
            }
        }

        public bool TryAssign(Job job)
        {
            if (Volatile.Read(ref _job) is not null || Interlocked.CompareExchange(ref _job, job, null) is not null)
                return false;
            if (Interlocked.Exchange(ref _parked, 0) == 1)
                Interrupts.Postpone(_wake, static wake => wake.Release());
            return true;
        }

        void Run()
        {
            while (true)
                WorkOnce();
        }

        // A method of its own, so that an idle helper's stack keeps no job, and with it an optimizer's memory, alive.
        [MethodImpl(MethodImplOptions.NoInlining)]
        void WorkOnce()
        {
            Wait().RunTasks(fromFront: false);
            Volatile.Write(ref _job, null);
        }

        Job Wait()
        {
            long spinUntil = Stopwatch.GetTimestamp() + SpinTicks;
            while (Stopwatch.GetTimestamp() < spinUntil)
            {
                if (Volatile.Read(ref _job) is { } job)
                    return job;
                Thread.SpinWait(20);
            }

            // Parked is said before the last look: whoever assigns after that look sees it and wakes.
            Interlocked.Exchange(ref _parked, 1);
            if (Volatile.Read(ref _job) is null || Interlocked.Exchange(ref _parked, 0) == 0)
                _wake.Wait();
            return Volatile.Read(ref _job)!;
        }
    }
}
