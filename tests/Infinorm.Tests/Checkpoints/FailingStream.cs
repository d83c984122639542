namespace Infinorm.Tests.Checkpoints;

/// <summary>Writes to or reads from another stream until so many bytes went through, then fails, as a full or broken disk does.</summary>
sealed class FailingStream(Stream inner, long bytes) : Stream
{
    long _left = bytes;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => true;

    public override long Length => inner.Length;

    public override long Position { get => inner.Position; set => inner.Position = value; }

    public override void Flush() => inner.Flush();

    public override int Read(byte[] buffer, int offset, int count)
    {
        int read = inner.Read(buffer, offset, count);
        Take(read);
        return read;
    }

    public override long Seek(long offset, SeekOrigin origin) => inner.Seek(offset, origin);

    public override void SetLength(long value) => throw new NotSupportedException();

    // As a disk does: what still fits is written.
    public override void Write(byte[] buffer, int offset, int count)
    {
        inner.Write(buffer, offset, (int)Math.Min(count, _left));
        Take(count);
    }

    void Take(int count)
    {
        if (count > _left)
            throw new IOException("The disk is full or broken.");
        _left -= count;
    }
}
