using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Infinorm.Checkpoints;

/// <summary>
/// Keeps other savers out of a folder for the moment that renaming takes. It leaves nothing behind: the system opens the lock when its
/// process ends. Some network file systems have no such locks.
/// </summary>
sealed partial class FolderLock : IDisposable
{
    // Renaming takes milliseconds. A program that locks the folder for its own purposes must not stop a training.
    static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    readonly SafeFileHandle? _folder;
    readonly Mutex? _mutex;

    FolderLock(string folder)
    {
        if (OperatingSystem.IsWindows())
            IsHeld = Wait(_mutex = Named(folder));
        else if (!(_folder = OpenFolder(folder)).IsInvalid)
            IsHeld = Wait(_folder);
    }

    /// <summary>Whether the folder is locked. If not, it cannot be, or another program keeps it locked.</summary>
    public bool IsHeld { get; }

    /// <summary>Waits for the lock, for at most ten seconds.</summary>
    public static FolderLock Take(string folder) => new(folder);

    /// <inheritdoc/>
    public void Dispose()
    {
        _folder?.Dispose();
        if (IsHeld)
            _mutex?.ReleaseMutex();
        _mutex?.Dispose();
    }

    /// <summary>A handle of a folder, invalid if there is none, as for a folder that may be written but not read. Not for Windows.</summary>
    public static SafeFileHandle OpenFolder(string folder)
    {
        const int readOnly = 0, closeOnExecLinux = 0x80000, closeOnExecMac = 0x1000000;
        return Open(folder, readOnly | (OperatingSystem.IsLinux() ? closeOnExecLinux : closeOnExecMac));
    }

    static bool Wait(SafeFileHandle folder)
    {
        const int exclusive = 2, atOnce = 4, interrupted = 4, wouldBlockLinux = 11, wouldBlockMac = 35;
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < Longest; Thread.Sleep(1))
        {
            if (Lock(folder, exclusive | atOnce) == 0)
                return true;
            if (Marshal.GetLastPInvokeError() is not (interrupted or wouldBlockLinux or wouldBlockMac))
                return false;
        }

        return false;
    }

    static bool Wait(Mutex? mutex)
    {
        try
        {
            return mutex is not null && mutex.WaitOne(Longest);
        }
        catch (AbandonedMutexException)
        {
            return true; // its process was killed
        }
    }

    static Mutex? Named(string folder)
    {
        try
        {
            byte[] name = SHA256.HashData(Encoding.UTF8.GetBytes(folder.ToUpperInvariant()));
            return new Mutex(initiallyOwned: false, $@"Global\Infinorm.{Convert.ToHexString(name)}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or WaitHandleCannotBeOpenedException)
        {
            return null; // it is another user's
        }
    }

    // .NET opens no folders.
    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Lock(SafeFileHandle handle, int operation);
}
