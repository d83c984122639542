using System.IO.Compression;
using System.IO.Hashing;
using Infinorm.Checkpoints;
using Infinorm.Keras.Hdf5;

namespace Infinorm.Keras;

/// <summary>An entry of a zip file, in memory.</summary>
/// <param name="Name">Its path in the zip file.</param>
/// <param name="Image">What it holds, decompressed.</param>
/// <param name="Written">When it was written.</param>
/// <param name="IsStored">Whether it was not compressed; Keras compresses nothing.</param>
/// <param name="Attributes">The permissions and such.</param>
sealed record ZipEntry(string Name, FileImage Image, DateTimeOffset Written, bool IsStored = true, int Attributes = 0x1800000)
{
    // Weights hardly shrink when they are compressed; zeros do. What claims more is refused before anything is decompressed.
    const int MaxRatio = 2, MaxExtra = 8 << 20;

    /// <summary>What it holds, of an entry that is not large, as an array.</summary>
    public byte[] Content
    {
        get => Image.ToArray();
        init => Image = value;
    }

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
            entry.Image.WriteTo(content);
        }
    }

    static ZipEntry Read(string file, ZipArchiveEntry entry)
    {
        var sum = new Crc32();
        using Stream stream = entry.Open();
        FileImage content = FileImage.Read(stream, entry.Length, sum.Append);
        if (stream.ReadByte() >= 0)
            throw new InvalidFileException(file, $"{entry.FullName} is longer than the {entry.Length} bytes it should have");
        if (sum.GetCurrentHashAsUInt32() != entry.Crc32)
            throw new InvalidFileException(file, $"{entry.FullName} is damaged: its checksum is another one");
        return new ZipEntry(entry.FullName, content, entry.LastWriteTime, entry.CompressedLength == entry.Length, entry.ExternalAttributes);
    }
}
