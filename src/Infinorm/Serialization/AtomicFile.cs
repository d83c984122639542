using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Infinorm;

/// <summary>Replaces files as a whole: whatever happens, the file is the old one or the new one.</summary>
static partial class AtomicFile
{
    const string TemporarySuffix = ".tmp";

    /// <summary>
    /// Writes a file beside the target, flushes it to the disk and renames it over the target. If that fails, the target is what it was
    /// and the written file is gone; a process killed meanwhile leaves it, and the next save of the same target removes it. On Linux and
    /// macOS the folder is flushed, too, so that a loss of power does not bring the former file back.
    /// </summary>
    /// <param name="path">The target, there or not. Of a symbolic link, what it points to is replaced.</param>
    /// <param name="fill">Writes the content; it may seek, and must not close the stream.</param>
    /// <param name="keep">How many former files stay, as <c>path.1</c> (the youngest), <c>path.2</c> and so on; ≥ 0.</param>
    /// <exception cref="IOException">The disk is full, the folder is missing, another process saves the same file, …</exception>
    /// <exception cref="UnauthorizedAccessException">The folder or the target may not be written, or the target is a folder.</exception>
    public static void Write(string path, Action<Stream> fill, int keep = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Check.AtLeast(0, keep);
        string target = new FileInfo(path).LinkTarget is null ? Path.GetFullPath(path) : File.ResolveLinkTarget(path, true)!.FullName;
        RequireWritable(target);
        RemoveLeftovers(target);

        string temporary = $"{target}.{Random.Shared.Next():x8}{TemporarySuffix}";
        FileStream stream = Create(temporary, like: target);
        try
        {
            using (stream)
            {
                fill(stream);
                stream.Flush(flushToDisk: true);
            }

            Replace(target, temporary, keep);
        }
        catch
        {
            Remove(temporary);
            throw;
        }

        FlushFolder(Path.GetDirectoryName(target)!);
    }

    // A rename would also replace a file that may not be written.
    static void RequireWritable(string target)
    {
        if (Path.Exists(target))
            new FileStream(target, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0).Dispose();
    }

    static FileStream Create(string temporary, string like)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.None };
        if (!OperatingSystem.IsWindows() && File.Exists(like))
            options.UnixCreateMode = File.GetUnixFileMode(like); // what was private stays private
        return new FileStream(temporary, options);
    }

    // Replace links or copies the target to the former file before it renames: the target is never missing.
    static void Replace(string target, string temporary, int keep)
    {
        if (keep == 0 || !File.Exists(target))
        {
            File.Move(temporary, target, overwrite: true);
            return;
        }

        for (int age = keep - 1; age >= 1; age--)
        {
            if (File.Exists($"{target}.{age}"))
                File.Move($"{target}.{age}", $"{target}.{age + 1}", overwrite: true);
        }

        File.Replace(temporary, target, $"{target}.1");
    }

    /// <summary>Has the disk take note of what was renamed in a folder.</summary>
    /// <returns>Whether it did. If not, the file is saved all the same: what is lost is the promise for a loss of power.</returns>
    internal static bool FlushFolder(string folder)
    {
        const int readOnly = 0, closeOnExecLinux = 0x80000, closeOnExecMac = 0x1000000;
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS())
            return false;
        using SafeFileHandle handle = Open(folder, readOnly | (OperatingSystem.IsLinux() ? closeOnExecLinux : closeOnExecMac));
        try
        {
            if (!handle.IsInvalid) // such as that of a folder that may be written but not read
                RandomAccess.FlushToDisk(handle);
            return !handle.IsInvalid;
        }
        catch (IOException)
        {
            return false;
        }
    }

    // .NET opens no folders.
    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle Open(string path, int flags);

    static void RemoveLeftovers(string target)
    {
        string start = Path.GetFileName(target) + ".";
        var options = new EnumerationOptions { IgnoreInaccessible = true };
        foreach (string file in Directory.EnumerateFiles(Path.GetDirectoryName(target)!, "*", options))
        {
            ReadOnlySpan<char> name = Path.GetFileName(file);
            if (name.Length == start.Length + 8 + TemporarySuffix.Length && name.StartsWith(start) && name.EndsWith(TemporarySuffix)
                && !name.Slice(start.Length, 8).ContainsAnyExcept("0123456789abcdef"))
            {
                RemoveUnlessInUse(file);
            }
        }
    }

    static void RemoveUnlessInUse(string file)
    {
        try
        {
            // The file's writer has it open with FileShare.None, which is a lock that ends with its process.
            new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 0).Dispose();
            File.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It stays for the next save, which need not fail because of it.
        }
    }

    static void Remove(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What the caller must hear is why saving failed.
        }
    }
}
