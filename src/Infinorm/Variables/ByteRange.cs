using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Infinorm.Variables;

/// <summary>
/// Bytes of an array of numbers: all or some of them. They may be more than a span of bytes has, so they are taken in pieces.
/// </summary>
readonly struct ByteRange
{
    /// <summary>The most bytes that a visitor gets at once.</summary>
    public const int PieceLength = 1 << 20;

    readonly Array _values;
    readonly long _start;

    ByteRange(Array values, long start, long length)
    {
        _values = values;
        _start = start;
        Length = length;
    }

    /// <summary>The number of bytes.</summary>
    public long Length { get; }

    /// <summary>All bytes of an array, without a copy.</summary>
    public static ByteRange Of<T>(T[] values)
        where T : unmanaged => new(values, 0, (long)values.Length * Unsafe.SizeOf<T>());

    /// <summary>The array if these are all of its bytes; else a copy.</summary>
    public T[] AsArray<T>()
        where T : unmanaged =>
        _values is T[] all && Length == (long)all.Length * Unsafe.SizeOf<T>() ? all : ToArray<T>();

    /// <summary>Some of the bytes.</summary>
    public ByteRange Slice(long start, long length)
    {
        if (start < 0 || length < 0 || start > Length - length)
            throw new ArgumentOutOfRangeException(nameof(start), $"{length} bytes at {start} are not in {Length} bytes.");
        return new(_values, _start + start, length);
    }

    /// <summary>Some of the bytes, at most 2 GiB.</summary>
    public Span<byte> Span(long start, long length)
    {
        ByteRange slice = Slice(start, length);
        return length == 0
            ? []
            : MemoryMarshal.CreateSpan(
                ref Unsafe.AddByteOffset(ref MemoryMarshal.GetArrayDataReference(_values), (nint)slice._start), checked((int)length));
    }

    /// <summary>Visits all bytes, front to back in pieces.</summary>
    public void Visit(Action<Span<byte>> visit)
    {
        for (long at = 0; at < Length; at += PieceLength)
            visit(Span(at, Math.Min(PieceLength, Length - at)));
    }

    /// <summary>Copies all bytes over those of another range of the same length.</summary>
    public void CopyTo(ByteRange target)
    {
        for (long at = 0; at < Length; at += PieceLength)
        {
            long length = Math.Min(PieceLength, Length - at);
            Span(at, length).CopyTo(target.Span(at, length));
        }
    }

    /// <summary>Whether two ranges have the same bytes.</summary>
    public bool HasSame(ByteRange other)
    {
        bool same = Length == other.Length;
        for (long at = 0; same && at < Length; at += PieceLength)
        {
            long length = Math.Min(PieceLength, Length - at);
            same = Span(at, length).SequenceEqual(other.Span(at, length));
        }

        return same;
    }

    /// <summary>A copy of all bytes as numbers.</summary>
    public T[] ToArray<T>()
        where T : unmanaged
    {
        var values = new T[Length / Unsafe.SizeOf<T>()];
        CopyTo(Of(values));
        return values;
    }

    /// <summary>Writes all bytes.</summary>
    public void WriteTo(Stream stream) => Visit(piece => stream.Write(piece));
}
