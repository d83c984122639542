using System.Runtime.InteropServices;

namespace Infinorm.Benchmarks;

/// <summary>The memory that work needs on the way, by the kernel's count of this process's pages: Linux alone resets its peak.</summary>
static partial class PeakMemory
{
    const string Status = "/proc/self/status";

    /// <summary>The most bytes in use while the action runs, beyond those before; NaN on other systems.</summary>
    public static double Of(Action action)
    {
        if (!File.Exists(Status))
            return double.NaN;
        action(); // what is made once
        malloc_trim(0);
        File.WriteAllText("/proc/self/clear_refs", "5");
        long before = Read("VmHWM");
        action();
        return Read("VmHWM") - before;
    }

    static long Read(string counter)
    {
        string line = File.ReadLines(Status).Single(line => line.StartsWith(counter, StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2]);
    }

    // What was freed before would be found again without new pages.
    [LibraryImport("libc")]
    private static partial int malloc_trim(nint keep);
}
