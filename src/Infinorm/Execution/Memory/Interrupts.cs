namespace Infinorm.Execution.Memory;

/// <summary>What <see cref="Thread.Interrupt"/> must not break off: an interrupted thread finishes first and is interrupted afterwards.</summary>
static class Interrupts
{
    /// <summary>Does something that may be begun again after an interruption.</summary>
    public static void Postpone<T>(T state, Action<T> action)
    {
        bool interrupted = false;
        while (true)
        {
            try
            {
                action(state);
                break;
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true;
            }
        }

        if (interrupted)
            Thread.CurrentThread.Interrupt();
    }
}
