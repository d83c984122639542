namespace Infinorm.Checkpoints;

/// <summary>Streams of callers, from where they stand to their end, as streams that seek from 0 and are disposed alone.</summary>
static class SeekableStream
{
    /// <summary>The rest of the stream; read into memory where the stream cannot seek.</summary>
    public static Stream Of(Stream stream)
    {
        if (stream.CanSeek)
            return new Rest(stream);
        var copy = new MemoryStream();
        stream.CopyTo(copy);
        copy.Position = 0;
        return copy;
    }

    sealed class Rest(Stream stream) : Stream
    {
        readonly long _start = stream.Position;

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => stream.Length - _start;

        public override long Position
        {
            get => stream.Position - _start;
            set => stream.Position = value + _start;
        }

        public override int Read(byte[] buffer, int offset, int count) => stream.Read(buffer, offset, count);

        public override int Read(Span<byte> buffer) => stream.Read(buffer);

        public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
        {
            SeekOrigin.Begin => offset,
            SeekOrigin.Current => Position + offset,
            _ => Length + offset,
        };

        public override void Flush()
        {
        }

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
