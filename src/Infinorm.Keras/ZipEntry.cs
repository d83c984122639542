using System.IO.Compression;
using System.IO.Hashing;

namespace Infinorm.Keras;

/// <summary>An entry of a zip file, in memory.</summary>
/// <param name="Name">Its path in the zip file.</param>
/// <param name="Content">What it holds, decompressed.</param>
/// <param name="Written">When it was written.</param>
/// <param name="IsStored">Whether it was not compressed; Keras compresses nothing.</param>
/// <param name="Attributes">The permissions and such.</param>
sealed record ZipEntry(string Name, byte[] Content, DateTimeOffset Written, bool IsStored = true, int Attributes = 0x1800000)
{
    // Weights hardly shrink when they are compressed; zeros do. What claims more is refused before anything is decompressed.
    const int MaxRatio = 2, MaxExtra = 8 << 20;

    /// <summary>The entries of a zip file, in its order.</summary>
    /// <exception cref="InvalidFileException">It is malformed, cut off, or claims to be much more than the file's size.</exception>
    public static List<ZipEntry> ReadAll(string file, Stream stream)
    {
        try
        {
            ZipDirectory.Check(file, stream);
            using var zip = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
            long limit = (MaxRatio * stream.Length) + MaxExtra, total = 0;
            var names = new HashSet<string>();
            foreach (ZipArchiveEntry entry in zip.Entries)
            {
                if (!names.Add(entry.FullName))
                    throw new InvalidFileException(file, $"the entry {entry.FullName} is there twice");
                if (entry.Length < 0 || entry.Length > limit - total)
                    throw new InvalidFileException(file, $"its entries take more than {limit} bytes, the file has {stream.Length}");
                if (entry.Length > Array.MaxLength)
                    throw new InvalidFileException(file, $"{entry.FullName} has {entry.Length} bytes; more than {Array.MaxLength} are not supported");
                total += entry.Length;
            }

            return [.. zip.Entries.Select(entry => Read(file, entry))];
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw new InvalidFileException(file, $"the zip file is cut off, damaged or of a kind that is not supported: {e.Message}", e);
        }
    }

    /// <summary>Writes a zip file with these entries.</summary>
    public static void WriteAll(Stream stream, IEnumerable<ZipEntry> entries)
    {
        using var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        foreach (ZipEntry entry in entries)
        {
            ZipArchiveEntry to = zip.CreateEntry(entry.Name, entry.IsStored ? CompressionLevel.NoCompression : CompressionLevel.Optimal);
            to.LastWriteTime = entry.Written;
            to.ExternalAttributes = entry.Attributes;
            using Stream content = to.Open();
            content.Write(entry.Content);
        }
    }

    static ZipEntry Read(string file, ZipArchiveEntry entry)
    {
        var content = new byte[entry.Length];
        using Stream stream = entry.Open();
        stream.ReadExactly(content);
        if (stream.ReadByte() >= 0)
            throw new InvalidFileException(file, $"{entry.FullName} is longer than the {entry.Length} bytes it should have");
        if (Crc32.HashToUInt32(content) != entry.Crc32)
            throw new InvalidFileException(file, $"{entry.FullName} is damaged: its checksum is another one");
        return new ZipEntry(entry.FullName, content, entry.LastWriteTime, entry.CompressedLength == entry.Length, entry.ExternalAttributes);
    }
}
