using System.Buffers.Binary;
using System.Text;

namespace Infinorm.Checkpoints;

/// <summary>Tells what a file is that was given for another kind, from its first bytes.</summary>
static class FileSignature
{
    const int Length = 64, ZipNameLengthAt = 26, ZipNameAt = 30;

    static readonly (byte[] Start, string Kind)[] Known =
    [
        ([0x89, .. "HDF\r\n"u8, 0x1A, (byte)'\n'], "an HDF5 file; KerasArchive.Open reads Keras's .weights.h5 files"),
        ([0x89, .. "PNG"u8], "a PNG picture"),
        ([0xFF, 0xD8, 0xFF], "a JPEG picture"),
        ([.. "GIF8"u8], "a GIF picture"),
        ([.. "%PDF"u8], "a PDF document"),
        ([0x1F, 0x8B], "a gzip file; unpack it first"),
        ([0x93, .. "NUMPY"u8], "a NumPy array (.npy)"),
        ([.. "GGUF"u8], "a GGUF file"),
        ([0x80, 2], "a Python pickle, as old PyTorch files are"),
        ([0x80, 4], "a Python pickle"),
        ([.. "version https://git-lfs"u8], "a Git LFS pointer, not the file it stands for; git lfs pull fetches that"),
        ([.. "<!"u8], "an HTML page or other markup"),
        ([.. "<html"u8], "an HTML page"),
    ];

    /// <summary>What a file is, to follow "it is": "a PNG picture"; null if that is not known.</summary>
    /// <param name="stream">It can seek. Its position is changed.</param>
    public static string? Of(Stream stream)
    {
        if (stream.Length == 0)
            return "empty";
        stream.Position = 0;
        var buffer = new byte[Length];
        return Of(buffer.AsSpan(0, stream.ReadAtLeast(buffer, Length, throwOnEndOfStream: false)));
    }

    static string? Of(ReadOnlySpan<byte> start)
    {
        foreach (var (signature, kind) in Known)
        {
            if (start.StartsWith(signature))
                return kind;
        }

        if (start.StartsWith("PK\x03\x04"u8))
            return OfZip(start);
        if (start.Length > sizeof(long) && start[sizeof(long)] == '{' && start[4..8].IndexOfAnyExcept((byte)0) < 0)
            return "a safetensors file; Optimizer.Load and Restore read checkpoints";
        if (start.IndexOfAnyInRange<byte>(0, 8) < 0 && start.TrimStart(" \t\r\n"u8) is [(byte)'{' or (byte)'[', ..])
            return "JSON text; Optimizer.Get reads an optimizer's config";
        bool isText = start.IndexOfAnyExceptInRange((byte)'\t', (byte)'~') < 0 && start.IndexOfAnyInRange<byte>(0x0E, 0x1F) < 0;
        return isText && start.Length > sizeof(long) ? "text" : null;
    }

    static string OfZip(ReadOnlySpan<byte> start)
    {
        string name = "";
        if (start.Length > ZipNameAt)
        {
            int length = Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(start[ZipNameLengthAt..]), start.Length - ZipNameAt);
            name = Encoding.Latin1.GetString(start.Slice(ZipNameAt, length));
        }

        if (name.EndsWith(".npy", StringComparison.Ordinal))
            return "a NumPy archive (.npz)";
        return name.EndsWith("/data.pkl", StringComparison.Ordinal)
            ? "a PyTorch file (.pt, .pth)"
            : "a zip file; KerasArchive.Open reads Keras's .keras archives";
    }
}
