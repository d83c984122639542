using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Infinorm.Execution.Memory;

namespace Infinorm.Torch;

/// <summary>
/// The threads on which libtorch computes, where GNU's OpenMP keeps them. After each operation they spin for some milliseconds. Threads of
/// ours would have to share the processors with them in that time, so a step right after <c>backward</c> would take about twice as long.
/// </summary>
sealed unsafe class LibtorchTeam : ITeam
{
    readonly delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<nint, void>, nint, uint, uint, void> _parallel;
    readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<int> _maxThreads, _threadNumber;

    LibtorchTeam(nint parallel, nint maxThreads, nint threadNumber)
    {
        _parallel = (delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<nint, void>, nint, uint, uint, void>)parallel;
        _maxThreads = (delegate* unmanaged[Cdecl, SuppressGCTransition]<int>)maxThreads;
        _threadNumber = (delegate* unmanaged[Cdecl, SuppressGCTransition]<int>)threadNumber;
    }

    /// <summary>Null if libtorch has its threads from elsewhere.</summary>
    public static LibtorchTeam? Instance { get; } = Find();

    /// <summary>
    /// The threads can be had if libtorch has several and not more than the step may have: with another number of threads, OpenMP would end
    /// some of them and start them again in libtorch's next operation.
    /// </summary>
    public bool TryRun(Job job, int helpers)
    {
        int threads = _maxThreads();
        if (threads <= 1 || threads > helpers + 1)
            return false;
        using var handle = new GCHandle<Job>(job);
        _parallel(&RunTasks, GCHandle<Job>.ToIntPtr(handle), 0, 0);
        return true;
    }

    // A job catches what its tasks throw: an exception could not leave the threads of OpenMP.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void RunTasks(nint job) => GCHandle<Job>.FromIntPtr(job).Target.RunTasks(fromFront: Instance!._threadNumber() == 0);

    static LibtorchTeam? Find()
    {
        // The functions are looked for in the libraries that TorchSharp's depends on, as the file of OpenMP has a name of its own there.
        return OperatingSystem.IsLinux()
            && NativeLibrary.TryLoad("LibTorchSharp", typeof(LibtorchTeam).Assembly, searchPath: null, out nint library)
            && NativeLibrary.TryGetExport(library, "GOMP_parallel", out nint parallel)
            && NativeLibrary.TryGetExport(library, "omp_get_max_threads", out nint maxThreads)
            && NativeLibrary.TryGetExport(library, "omp_get_thread_num", out nint threadNumber)
            ? new LibtorchTeam(parallel, maxThreads, threadNumber)
            : null;
    }
}
