using System.Buffers.Binary;
using Infinorm.Checkpoints;

namespace Infinorm.Keras;

/// <summary>
/// A look through the directory of a zip file before .NET reads it, which makes an object of some hundred bytes for each of its entries,
/// however many there are, and lets entries share their bytes.
/// </summary>
static class ZipDirectory
{
    const int EndLength = 22, LocatorLength = 20, End64Length = 56, EntryLength = 46, LocalLength = 30, MaxComment = ushort.MaxValue;
    const int FreeEntries = 1 << 14, BytesPerEntry = 1 << 10;

    /// <summary>Checks the directory, and leaves the stream at its start.</summary>
    /// <exception cref="InvalidFileException">The directory is missing, lists more entries than such a file should have, or lets them overlap.</exception>
    public static void Check(string file, Stream stream)
    {
        long at = Start(file, stream), most = FreeEntries + (stream.Length / BytesPerEntry);
        var places = new List<(long Start, long End)>();
        var entry = new byte[EntryLength];
        for (; TryRead(stream, at, entry) && entry.AsSpan().StartsWith("PK\x01\x02"u8);
            at += EntryLength + Number16(entry, 28) + Number16(entry, 30) + Number16(entry, 32))
        {
            if (places.Count >= most)
                throw new InvalidFileException(file, $"the zip file has more than {most} entries");
            var extra = new byte[Number16(entry, 30)];
            if (!TryRead(stream, at + EntryLength + Number16(entry, 28), extra))
                break;
            var (start, length) = Place(entry, extra);
            if (start < 0 || length < 0 || start > stream.Length - LocalLength || length > stream.Length - LocalLength - start)
                throw new InvalidFileException(file, $"entry {places.Count} of the zip file reaches beyond the file's end at {stream.Length}");
            places.Add((start, start + LocalLength + length));
        }

        places.Sort();
        for (int i = 1; i < places.Count; i++)
        {
            if (places[i].Start < places[i - 1].End)
                throw new InvalidFileException(file, $"two entries of the zip file overlap at {places[i].Start}");
        }

        stream.Position = 0;
    }

    // Where the directory begins: its end says so, or that of a file with 64-bit numbers, which a locator before it leads to.
    static long Start(string file, Stream stream)
    {
        var tail = new byte[Math.Min(stream.Length, EndLength + MaxComment)];
        long tailStart = stream.Length - tail.Length;
        int end = TryRead(stream, tailStart, tail) ? tail.AsSpan().LastIndexOf("PK\x05\x06"u8) : -1;
        if (end < 0 || tail.Length - end < EndLength)
            throw new InvalidFileException(file, "the zip file is cut off or damaged: it has no directory");
        long start = Number32(tail, end + 16);
        var locator = new byte[LocatorLength];
        var end64 = new byte[End64Length];
        bool isLarge = start == uint.MaxValue || Number32(tail, end + 12) == uint.MaxValue || Number16(tail, end + 10) == ushort.MaxValue;
        if (isLarge && TryRead(stream, tailStart + end - LocatorLength, locator) && locator.AsSpan().StartsWith("PK\x06\x07"u8)
            && TryRead(stream, Number64(locator, 8), end64) && end64.AsSpan().StartsWith("PK\x06\x06"u8))
        {
            start = Number64(end64, 48);
        }

        return start;
    }

    // Where the entry's local header lies, and how many bytes of data follow it. What does not fit into 32 bits stands in an extra field.
    static (long Start, long Length) Place(byte[] entry, byte[] extra)
    {
        long length = Number32(entry, 20), size = Number32(entry, 24), start = Number32(entry, 42);
        for (int at = 0; at + 4 <= extra.Length; at += 4 + Number16(extra, at + 2))
        {
            if (Number16(extra, at) != 1)
                continue;
            int field = at + 4 + (size == uint.MaxValue ? 8 : 0), end = Math.Min(extra.Length, at + 4 + Number16(extra, at + 2));
            if (length == uint.MaxValue && field + 8 <= end)
            {
                length = Number64(extra, field);
                field += 8;
            }

            if (start == uint.MaxValue && field + 8 <= end)
                start = Number64(extra, field);
            break;
        }

        return (start, length);
    }

    static bool TryRead(Stream stream, long at, byte[] bytes)
    {
        if (at < 0 || at > stream.Length - bytes.Length)
            return false;
        stream.Position = at;
        stream.ReadExactly(bytes);
        return true;
    }

    static int Number16(byte[] bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(at));

    static uint Number32(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at));

    static long Number64(byte[] bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(at));
}
