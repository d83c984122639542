using System.Runtime.InteropServices;
using System.Text;
using Infinorm.Execution;

namespace Infinorm.Mpi;

/// <summary>
/// The functions and constants of an MPI library. Handles are addresses in Open MPI and numbers of 32 bits in MPICH; both fit into an
/// <see cref="nint"/>, and all calls are the same.
/// </summary>
sealed unsafe partial class MpiLibrary
{
    const int ErrorTextLength = 8192;

    readonly nint _library;
    readonly delegate* unmanaged<int*, nint, int, int*, int> _initThread;
    readonly delegate* unmanaged<nint, int*, int> _rank, _size;
    readonly delegate* unmanaged<nint, nint*, int> _duplicate;
    readonly delegate* unmanaged<nint, nint, int> _setErrorHandler;
    readonly delegate* unmanaged<void*, int*, int*, nint, void*, int*, int*, nint, nint, nint*, int> _allToAll;
    readonly delegate* unmanaged<void*, int, nint, void*, int*, int*, nint, nint, nint*, int> _allGather;
    readonly delegate* unmanaged<void*, int, nint, int, nint, nint*, int> _broadcast;
    readonly delegate* unmanaged<nint, nint*, int> _barrier;
    readonly delegate* unmanaged<nint*, int*, nint, int> _test;
    readonly delegate* unmanaged<int, int, nint, int*, nint, int> _probe;
    readonly delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int> _send;
    readonly delegate* unmanaged<void*, int, nint, int, int, nint, nint, int> _receive;
    readonly delegate* unmanaged<nint, int, int> _abort;
    readonly delegate* unmanaged<int> _finalize;
    readonly delegate* unmanaged<int, byte*, int*, int> _errorText;
    readonly nint _byte, _errorsReturn, _ignoreStatus;

    MpiLibrary(nint library, string name)
    {
        _library = library;
        Name = name;
        Version = VersionOf();
        if (Version.StartsWith("Open MPI", StringComparison.Ordinal))
        {
            World = Address("ompi_mpi_comm_world");
            _byte = Address("ompi_mpi_byte");
            _errorsReturn = Address("ompi_mpi_errors_return");
            (_ignoreStatus, InPlace) = (0, 1);
        }
        else if (Version.StartsWith("MPICH", StringComparison.Ordinal))
        {
            World = 0x44000000;
            _byte = 0x4c00010d;
            _errorsReturn = 0x54000001;
            (_ignoreStatus, InPlace) = (1, -1);
        }
        else
        {
            throw new WorldException($"{name} is neither Open MPI nor MPICH; it calls itself \"{Version}\".");
        }

        _initThread = (delegate* unmanaged<int*, nint, int, int*, int>)Address("MPI_Init_thread");
        _rank = (delegate* unmanaged<nint, int*, int>)Address("MPI_Comm_rank");
        _size = (delegate* unmanaged<nint, int*, int>)Address("MPI_Comm_size");
        _duplicate = (delegate* unmanaged<nint, nint*, int>)Address("MPI_Comm_dup");
        _setErrorHandler = (delegate* unmanaged<nint, nint, int>)Address("MPI_Comm_set_errhandler");
        _allToAll = (delegate* unmanaged<void*, int*, int*, nint, void*, int*, int*, nint, nint, nint*, int>)Address("MPI_Ialltoallv");
        _allGather = (delegate* unmanaged<void*, int, nint, void*, int*, int*, nint, nint, nint*, int>)Address("MPI_Iallgatherv");
        _broadcast = (delegate* unmanaged<void*, int, nint, int, nint, nint*, int>)Address("MPI_Ibcast");
        _barrier = (delegate* unmanaged<nint, nint*, int>)Address("MPI_Ibarrier");
        _test = (delegate* unmanaged<nint*, int*, nint, int>)Address("MPI_Test");
        _probe = (delegate* unmanaged<int, int, nint, int*, nint, int>)Address("MPI_Iprobe");
        _send = (delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int>)Address("MPI_Isend");
        _receive = (delegate* unmanaged<void*, int, nint, int, int, nint, nint, int>)Address("MPI_Recv");
        _abort = (delegate* unmanaged<nint, int, int>)Address("MPI_Abort");
        _finalize = (delegate* unmanaged<int>)Address("MPI_Finalize");
        _errorText = (delegate* unmanaged<int, byte*, int*, int>)Address("MPI_Error_string");
    }

    /// <summary>The name under which the library was loaded.</summary>
    public string Name { get; }

    /// <summary>The library's name for itself, with its version.</summary>
    public string Version { get; }

    /// <summary>The communicator of all ranks.</summary>
    public nint World { get; }

    /// <summary>Stands for bytes of a rank that are already where they are gathered.</summary>
    public nint InPlace { get; }

    /// <summary>Loads the first of these libraries that is found.</summary>
    /// <exception cref="WorldException">None is found.</exception>
    public static MpiLibrary Load(string[] names)
    {
        // UCX, which some MPIs use, handles SIGSEGV, by which .NET detects a null reference: a caught exception would end the process. UCX
        // reads the environment of the C library, which .NET's Environment does not change.
        if (!OperatingSystem.IsWindows())
            _ = SetEnvironment("UCX_ERROR_SIGNALS", "", 1);
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, out nint library))
                return new MpiLibrary(library, name);
        }

        throw new WorldException($"No MPI library is there; looked for {string.Join(", ", names)}. Install Open MPI or MPICH, or name the library in INFINORM_MPI.");
    }

    /// <summary>Initializes MPI. All further calls must come from the calling thread.</summary>
    public void Initialize()
    {
        const int funneled = 1;
        int provided;
        Check(_initThread(null, 0, funneled, &provided));
        if (provided < funneled)
            throw new WorldException($"{Name} allows no threads: it grants level {provided}, {funneled} is needed.");
    }

    public int RankIn(nint communicator)
    {
        int rank;
        Check(_rank(communicator, &rank));
        return rank;
    }

    public int SizeOf(nint communicator)
    {
        int size;
        Check(_size(communicator, &size));
        return size;
    }

    /// <summary>A communicator of the same ranks that returns errors.</summary>
    public nint Duplicate(nint communicator)
    {
        nint copy = 0;
        Check(_duplicate(communicator, &copy));
        Check(_setErrorHandler(copy, _errorsReturn));
        return copy;
    }

    public nint AllToAll(byte* send, int* sendCounts, int* sendStarts, byte* receive, int* receiveCounts, int* receiveStarts, nint communicator)
    {
        nint request = 0;
        Check(_allToAll(send, sendCounts, sendStarts, _byte, receive, receiveCounts, receiveStarts, _byte, communicator, &request));
        return request;
    }

    public nint AllGather(byte* own, int count, byte* all, int* counts, int* starts, nint communicator)
    {
        nint request = 0;
        Check(_allGather(own, count, _byte, all, counts, starts, _byte, communicator, &request));
        return request;
    }

    public nint Broadcast(byte* data, int count, int root, nint communicator)
    {
        nint request = 0;
        Check(_broadcast(data, count, _byte, root, communicator, &request));
        return request;
    }

    public nint Barrier(nint communicator)
    {
        nint request = 0;
        Check(_barrier(communicator, &request));
        return request;
    }

    /// <summary>Whether a request is done.</summary>
    public bool Test(ref nint request)
    {
        int isDone = 0;
        fixed (nint* address = &request)
            Check(_test(address, &isDone, _ignoreStatus));
        return isDone != 0;
    }

    /// <summary>Whether a message from a rank has arrived.</summary>
    public bool HasMessage(int rank, int tag, nint communicator)
    {
        int isThere = 0;
        Check(_probe(rank, tag, communicator, &isThere, _ignoreStatus));
        return isThere != 0;
    }

    public nint Send(byte* bytes, int count, int rank, int tag, nint communicator)
    {
        nint request = 0;
        Check(_send(bytes, count, _byte, rank, tag, communicator, &request));
        return request;
    }

    public void Receive(byte* bytes, int count, int rank, int tag, nint communicator) =>
        Check(_receive(bytes, count, _byte, rank, tag, communicator, _ignoreStatus));

    public void Abort(int code) => _ = _abort(World, code);

    public void Finish() => Check(_finalize());

    /// <summary>The address of a function or of a constant of the library.</summary>
    /// <exception cref="WorldException">It has none of this name.</exception>
    public nint Address(string symbol) => NativeLibrary.TryGetExport(_library, symbol, out nint address)
        ? address
        : throw new WorldException($"{Name} has no {symbol}.");

    /// <exception cref="WorldException">A call failed.</exception>
    public void Check(int code)
    {
        if (code == 0)
            return;
        byte* text = stackalloc byte[ErrorTextLength];
        int length = 0;
        _ = _errorText(code, text, &length);
        throw new WorldException($"{Name}: {Encoding.UTF8.GetString(text, length)}");
    }

    string VersionOf()
    {
        byte* text = stackalloc byte[ErrorTextLength];
        int length = 0;
        _ = ((delegate* unmanaged<byte*, int*, int>)Address("MPI_Get_library_version"))(text, &length);
        return Encoding.UTF8.GetString(text, length).Split('\n')[0].TrimEnd('\0');
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrites);
}
