using Infinorm.Variables;

namespace Infinorm.Keras.Hdf5;

/// <summary>The bytes of a file in memory, more than an array of bytes has if need be.</summary>
sealed class FileImage
{
    readonly ByteRange _bytes;

    FileImage(ByteRange bytes) => _bytes = bytes;

    public long Length => _bytes.Length;

    /// <summary>The bytes of an array, without a copy.</summary>
    public static implicit operator FileImage(byte[] bytes) => new(ByteRange.Of(bytes));

    /// <summary>Reads this many bytes.</summary>
    /// <param name="stream">Where they come from.</param>
    /// <param name="length">Their number.</param>
    /// <param name="asWords">Whether they go into longs: where an array of bytes is too short.</param>
    /// <param name="seen">Called with each piece.</param>
    /// <exception cref="EndOfStreamException">There are fewer.</exception>
    public static FileImage Read(Stream stream, long length, bool asWords, Action<ReadOnlySpan<byte>>? seen = null)
    {
        var image = new FileImage(asWords ? ByteRange.Of(new ulong[(length + 7) / 8]).Slice(0, length) : ByteRange.Of(new byte[length]));
        image._bytes.Visit(piece =>
        {
            stream.ReadExactly(piece);
            seen?.Invoke(piece);
        });
        return image;
    }

    /// <summary>As <see cref="Read(Stream, long, bool, Action{ReadOnlySpan{byte}}?)"/>, in the way that the length needs.</summary>
    public static FileImage Read(Stream stream, long length, Action<ReadOnlySpan<byte>>? seen = null) =>
        Read(stream, length, length > Array.MaxLength, seen);

    /// <summary>A piece of at most 2 GiB.</summary>
    public Span<byte> Span(long start, long length) => _bytes.Span(start, length);

    /// <summary>A piece of any length, to be kept.</summary>
    public ByteRange Range(long start, long length) => _bytes.Slice(start, length);

    /// <summary>All bytes as an array, without a copy if they are one.</summary>
    public byte[] ToArray() => _bytes.AsArray<byte>();

    /// <summary>Writes all bytes.</summary>
    public void WriteTo(Stream stream) => _bytes.WriteTo(stream);
}
