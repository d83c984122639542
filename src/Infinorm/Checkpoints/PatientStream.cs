using System.Runtime.ExceptionServices;

namespace Infinorm.Checkpoints;

/// <summary>Writes to a stream until that fails; then it takes what comes and keeps the failure for later. It leaves the stream open.</summary>
sealed class PatientStream(Stream stream) : Stream
{
    ExceptionDispatchInfo? _failure;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Throws what the stream threw.</summary>
    public void ThrowIfFailed() => _failure?.Throw();

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (_failure is not null)
            return;
        try
        {
            stream.Write(buffer);
        }
        catch (Exception e)
        {
            _failure = ExceptionDispatchInfo.Capture(e);
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        if (_failure is not null)
            return;
        try
        {
            stream.Flush();
        }
        catch (Exception e)
        {
            _failure = ExceptionDispatchInfo.Capture(e);
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
