using System.Buffers;
using System.Runtime.InteropServices;

namespace Infinorm.Keras.Hdf5;

/// <summary>The bytes of a file in memory, more than an array of bytes has if need be.</summary>
sealed class FileImage
{
    const int ChunkLength = 1 << 20;

    // One of the two: an array of longs can have eight times as many bytes.
    readonly byte[]? _bytes;
    readonly ulong[]? _words;

    FileImage(byte[] bytes)
    {
        _bytes = bytes;
        Length = bytes.Length;
    }

    FileImage(ulong[] words, long length)
    {
        _words = words;
        Length = length;
    }

    public long Length { get; }

    /// <summary>The bytes of an array, without a copy.</summary>
    public static implicit operator FileImage(byte[] bytes) => new(bytes);

    /// <summary>Reads so many bytes.</summary>
    /// <param name="stream">Where they come from.</param>
    /// <param name="length">Their number.</param>
    /// <param name="asWords">Whether they go into longs: where an array of bytes is too short.</param>
    /// <param name="seen">Called with each piece.</param>
    /// <exception cref="EndOfStreamException">There are fewer.</exception>
    public static FileImage Read(Stream stream, long length, bool asWords, Action<ReadOnlySpan<byte>>? seen = null)
    {
        FileImage image = asWords ? new(new ulong[(length + 7) / 8], length) : new(new byte[length]);
        for (long at = 0; at < length; at += ChunkLength)
        {
            Span<byte> chunk = image.Span(at, Math.Min(ChunkLength, length - at));
            stream.ReadExactly(chunk);
            seen?.Invoke(chunk);
        }

        return image;
    }

    /// <summary>As <see cref="Read(Stream, long, bool, Action{ReadOnlySpan{byte}}?)"/>, in the way that the length needs.</summary>
    public static FileImage Read(Stream stream, long length, Action<ReadOnlySpan<byte>>? seen = null) =>
        Read(stream, length, length > Array.MaxLength, seen);

    /// <summary>A piece of at most 2 GiB.</summary>
    public Span<byte> Span(long start, long length)
    {
        if (_bytes is not null)
            return _bytes.AsSpan(checked((int)start), checked((int)length));
        if (start < 0 || length < 0 || start > Length - length)
            throw new ArgumentOutOfRangeException(nameof(start));
        if (length == 0)
            return [];
        // From the long that the piece begins in; all of them may have more bytes than a span.
        ref byte first = ref MemoryMarshal.AsBytes(_words.AsSpan((int)(start / 8), 1))[(int)(start % 8)];
        return MemoryMarshal.CreateSpan(ref first, checked((int)length));
    }

    /// <summary>As <see cref="Span"/>, to be kept.</summary>
    public Memory<byte> Memory(long start, long length) =>
        _bytes is not null ? _bytes.AsMemory(checked((int)start), checked((int)length)) : new Piece(this, start, checked((int)length)).Memory;

    /// <summary>All bytes as an array, without a copy if they are one.</summary>
    public byte[] ToArray() => _bytes ?? Span(0, Length).ToArray();

    /// <summary>Writes all bytes.</summary>
    public void WriteTo(Stream stream)
    {
        for (long at = 0; at < Length; at += ChunkLength)
            stream.Write(Span(at, Math.Min(ChunkLength, Length - at)));
    }

    sealed class Piece(FileImage image, long start, int length) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan() => image.Span(start, length);

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
