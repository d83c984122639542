using Infinorm.Tool.Terminal;

namespace Infinorm.Tool.Files;

/// <summary>A stream that reports what is read and written, and ends it when the command is to stop.</summary>
sealed class WatchedStream(Stream inner, Session session) : Stream
{
    // Between two slices there is time to look.
    const int Slice = 4 << 20;

    public override bool CanRead => inner.CanRead;

    public override bool CanSeek => inner.CanSeek;

    public override bool CanWrite => inner.CanWrite;

    public override long Length => inner.Length;

    public override long Position { get => inner.Position; set => inner.Position = value; }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        session.Cancellation.ThrowIfCancellationRequested();
        int count = inner.Read(buffer[..Math.Min(buffer.Length, Slice)]);
        session.Progress.Advance(count);
        return count;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        do
        {
            session.Cancellation.ThrowIfCancellationRequested();
            ReadOnlySpan<byte> slice = buffer[..Math.Min(buffer.Length, Slice)];
            inner.Write(slice);
            session.Progress.Advance(slice.Length);
            buffer = buffer[slice.Length..];
        }
        while (!buffer.IsEmpty);
    }

    public override long Seek(long offset, SeekOrigin origin) => inner.Seek(offset, origin);

    public override void SetLength(long value) => inner.SetLength(value);

    public override void Flush() => inner.Flush();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }
}
