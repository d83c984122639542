using System.Security.Cryptography;
using System.Text;
using Infinorm.Types;
using Microsoft.Win32.SafeHandles;

namespace Infinorm.Checkpoints;

/// <summary>Replaces files as a whole: whatever happens, the file is the old one or the new one.</summary>
static class AtomicFile
{
    const string TemporarySuffix = ".tmp";

    /// <summary>
    /// Writes a file beside the target, flushes it to the disk and renames it over the target. If that fails, the target is what it was
    /// and the written file is gone; a process killed meanwhile leaves it, and the next save of the same target removes it. On Linux and
    /// macOS the folder is flushed, too, so that a loss of power does not bring the former file back. Several may save to one target at
    /// the same time: each saves its whole file, and the last one to end wins.
    /// </summary>
    /// <param name="path">The target, there or not. Of a symbolic link, what it points to is replaced.</param>
    /// <param name="fill">Writes the content; it may seek, and must not close the stream.</param>
    /// <param name="keep">How many former files stay, as <c>path.1</c> (the youngest), <c>path.2</c> and so on; ≥ 0.</param>
    /// <exception cref="IOException">The disk is full, the folder is missing, the target is a device or a named pipe, …</exception>
    /// <exception cref="UnauthorizedAccessException">The folder or the target may not be written, or the target is a folder.</exception>
    public static void Write(string path, Action<Stream> fill, int keep = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Check.AtLeast(0, keep);
        RequireFile(path);
        string target = FollowLinks(path);
        RequireWritable(target);

        string folder = Path.GetDirectoryName(target)!;
        (string temporary, FileStream stream) = Begin(folder, target);
        try
        {
            using (stream)
            {
                fill(stream);
                stream.Flush(flushToDisk: true);
                using FolderLock _ = FolderLock.Take(folder);
                stream.Dispose(); // which unlocks it, so that it can be read as soon as it is renamed
                Replace(target, temporary, keep);
            }
        }
        catch
        {
            Remove(temporary);
            throw;
        }

        FlushFolder(folder);
    }

    static void RequireFile(string path)
    {
        switch (RegularFile.OtherKind(path))
        {
            case "folder":
                throw new UnauthorizedAccessException($"{path}: it is a folder; give the path of a file in it");
            case { } kind:
                throw new IOException($"{path}: it is a {kind}; only files are saved to");
        }
    }

    // A link is relative to the folder that really contains it, which differs from its path if that has links too.
    static string FollowLinks(string path)
    {
        string full = Path.GetFullPath(path);
        if (new FileInfo(full).LinkTarget is null)
            return full;
        if (OperatingSystem.IsWindows())
            return File.ResolveLinkTarget(full, returnFinalTarget: true)!.FullName;

        const int mostLinks = 40; // as many as Linux follows
        string resolved = "/";
        var rest = new Stack<string>(full.Split('/').Reverse());
        for (int links = 0; rest.TryPop(out string? name);)
        {
            string next = Path.Join(resolved, name);
            if (name == "..")
            {
                resolved = Path.GetDirectoryName(resolved) ?? "/";
            }
            else if (name is "" or "." || new FileInfo(next).LinkTarget is not { } link)
            {
                resolved = name is "" or "." ? resolved : next;
            }
            else
            {
                if (++links > mostLinks)
                    throw new IOException($"{path}: it leads through more than {mostLinks} symbolic links");
                resolved = link.StartsWith('/') ? "/" : resolved;
                foreach (string part in link.Split('/').Reverse())
                    rest.Push(part);
            }
        }

        return resolved;
    }

    // A rename would also replace a file that may not be written.
    static void RequireWritable(string target)
    {
        if (Path.Exists(target))
            new FileStream(target, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0).Dispose();
    }

    // A new file is locked an instant after it is there: until then, none may look for leftovers.
    static (string Temporary, FileStream Stream) Begin(string folder, string target)
    {
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{target}: there is no folder {folder}");
        string start = TemporaryStart(Path.GetFileName(target));
        using FolderLock held = FolderLock.Take(folder);
        if (held.IsHeld)
            RemoveLeftovers(folder, start);
        string temporary = Path.Join(folder, $"{start}{Random.Shared.Next():x8}{TemporarySuffix}");
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.None };
        if (!OperatingSystem.IsWindows() && File.Exists(target))
            options.UnixCreateMode = File.GetUnixFileMode(target); // what was private stays private
        return (temporary, new FileStream(temporary, options));
    }

    // "state." for the file "state". Names have at most 255 bytes: of a long one there are its beginning and its hash.
    static string TemporaryStart(string name)
    {
        const int longest = 255 - 13, hashLength = 16;
        if (Encoding.UTF8.GetByteCount(name) <= longest)
            return name + ".";
        string start = "";
        foreach (Rune rune in name.EnumerateRunes())
        {
            if (Encoding.UTF8.GetByteCount(start) + rune.Utf8SequenceLength > longest - hashLength - 1)
                break;
            start += rune;
        }

        return $"{start}~{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..hashLength]}.";
    }

    // File.Replace links or copies the target to the previous file before it renames, so the target is never missing.
    static void Replace(string target, string temporary, int keep)
    {
        if (keep == 0 || !File.Exists(target))
        {
            File.Move(temporary, target, overwrite: true);
            return;
        }

        // Up to the first that is not there, as after a kill between two renames: so gaps close.
        int free = 1;
        while (free < keep && File.Exists($"{target}.{free}") && !IsCopy($"{target}.{free}", target))
            free++;
        for (int age = free; age > 1; age--)
            File.Move($"{target}.{age - 1}", $"{target}.{age}", overwrite: true);
        File.Replace(temporary, target, $"{target}.1");
    }

    // As the youngest former file is when a save was killed before its last rename: it must not push the oldest one out.
    static bool IsCopy(string file, string target)
    {
        FileInfo one = new(file), other = new(target);
        if (one.Length != other.Length || one.LastWriteTimeUtc != other.LastWriteTimeUtc)
            return false;
        using FileStream first = one.OpenRead(), second = other.OpenRead();
        Span<byte> some = new byte[1 << 16], others = new byte[1 << 16];
        for (int read; (read = first.ReadAtLeast(some, some.Length, throwOnEndOfStream: false)) > 0;)
        {
            if (!some[..read].SequenceEqual(others[..second.ReadAtLeast(others, read, throwOnEndOfStream: false)]))
                return false;
        }

        return true;
    }

    /// <summary>Has the disk take note of what was renamed in a folder.</summary>
    /// <returns>Whether it did. If not, the file is saved all the same: what is lost is the promise for a loss of power.</returns>
    internal static bool FlushFolder(string folder)
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS())
            return false;
        using SafeFileHandle handle = FolderLock.OpenFolder(folder);
        try
        {
            if (!handle.IsInvalid)
                RandomAccess.FlushToDisk(handle);
            return !handle.IsInvalid;
        }
        catch (IOException)
        {
            return false;
        }
    }

    static void RemoveLeftovers(string folder, string start)
    {
        var options = new EnumerationOptions { IgnoreInaccessible = true, AttributesToSkip = FileAttributes.None }; // hidden ones, too
        foreach (string file in Directory.EnumerateFiles(folder, "*", options))
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
        if (RegularFile.OtherKind(file) is not null)
            return;
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
