using System.Runtime.InteropServices;

namespace Infinorm.Checkpoints;

/// <summary>Opens files, and nothing else that has a path: a pipe without a writer never opens, a device never ends.</summary>
static partial class RegularFile
{
    /// <summary>Opens a file for reading. Others may replace or remove it meanwhile.</summary>
    /// <exception cref="InvalidFileException">It is a folder, a device, a named pipe or a socket.</exception>
    /// <exception cref="IOException">The file does not exist or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static FileStream OpenRead(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (OtherKind(path) is { } kind)
            throw new InvalidFileException(path, $"it is a {kind}, not a file");
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        if (stream.CanSeek)
            return stream;
        stream.Dispose();
        throw new InvalidFileException(path, "it is not a file on a disk");
    }

    /// <summary>What a path is, or leads to through symbolic links, if not a file: "folder", "named pipe"; null if there is nothing.</summary>
    public static string? OtherKind(string path)
    {
        if (Directory.Exists(path))
            return "folder";
        return (Mode(Path.GetFullPath(path)) & 0xF000) switch // S_IFMT
        {
            0x1000 => "named pipe",
            0x2000 => "character device",
            0x6000 => "block device",
            0xC000 => "socket",
            _ => null,
        };
    }

    // 0 if it cannot be told. .NET tells permissions, but not what has them.
    static int Mode(string path)
    {
        const int currentFolder = -100, typeOnly = 1;
        Span<byte> status = stackalloc byte[256]; // at least as long as the structures of both systems
        status.Clear();
        try
        {
            if (OperatingSystem.IsLinux())
                return Statx(currentFolder, path, 0, typeOnly, status) == 0 ? BitConverter.ToUInt16(status[28..]) : 0;
            if (OperatingSystem.IsMacOS())
            {
                bool isArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;
                return (isArm ? Stat(path, status) : Stat64(path, status)) == 0 ? BitConverter.ToUInt16(status[4..]) : 0;
            }
        }
        catch (EntryPointNotFoundException)
        {
            // A C library from before 2018: a file that cannot seek is refused once it is open.
        }

        return 0;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, Span<byte> status);

    [LibraryImport("libc", EntryPoint = "stat", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Stat(string path, Span<byte> status);

    [LibraryImport("libc", EntryPoint = "stat$INODE64", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Stat64(string path, Span<byte> status);
}
