using System.Buffers.Binary;
using Infinorm.Variables;

namespace Infinorm.Checkpoints;

/// <summary>
/// An open safetensors file. Opening reads and checks the header and nothing else; tensors are read when asked for, straight to where
/// they are wanted. See docs/formats.md.
/// </summary>
sealed class SafetensorsFile : IDisposable
{
    /// <summary>Bytes before the header: its length.</summary>
    internal const int PrefixLength = sizeof(long);

    readonly Stream _stream;
    readonly SafetensorsHeader _header;
    readonly long _dataStart;

    /// <summary>Reads the header of a stream, which is the file's from now on.</summary>
    /// <param name="stream">It can seek, and its length is the file's.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <param name="maxHeaderLength">See <see cref="LoadOptions.MaxHeaderLength"/>.</param>
    /// <exception cref="InvalidFileException">It is not a safetensors file, or one of more than is supported.</exception>
    public SafetensorsFile(Stream stream, string name, int maxHeaderLength = SafetensorsHeader.MaxLength)
    {
        _stream = stream;
        Name = name;
        long rest = stream.Length - PrefixLength;
        if (rest < 0)
            throw NotOne($"it has {stream.Length} bytes; a safetensors file begins with the {PrefixLength} bytes of its header's length");

        var prefix = new byte[PrefixLength];
        Fill(prefix);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > (ulong)maxHeaderLength)
            throw NotOne($"its header is said to have {length} bytes; at most {maxHeaderLength} are supported");
        if ((long)length > rest)
            throw NotOne($"its header is said to have {length} bytes; after its length the file has {rest}");

        var header = new byte[length];
        Fill(header);
        if (header is not [(byte)'{', ..])
            throw NotOne("the header does not begin with '{'");
        _dataStart = PrefixLength + header.Length;
        try
        {
            _header = SafetensorsHeader.Parse(header, rest - header.Length);
        }
        catch (FormatException e)
        {
            throw Invalid(e.Message, e);
        }
    }

    /// <summary>The file's name, for messages.</summary>
    public string Name { get; }

    /// <summary>The metadata; empty if there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>The tensors by name, in the order of the header.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Tensors => _header.Tensors;

    /// <summary>Tensors of other types, which are listed and not read.</summary>
    public IReadOnlyDictionary<string, SafetensorsOther> Others => _header.Others;

    /// <inheritdoc cref="SafetensorsFile(Stream, string, int)"/>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static SafetensorsFile Open(string path, int maxHeaderLength = SafetensorsHeader.MaxLength)
    {
        FileStream stream = RegularFile.OpenRead(path);
        try
        {
            return new SafetensorsFile(stream, path, maxHeaderLength);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The file in a stream, from where it stands to its end; the stream stays open.</summary>
    /// <inheritdoc cref="SafetensorsFile(Stream, string, int)"/>
    public static SafetensorsFile Open(Stream stream, int maxHeaderLength = SafetensorsHeader.MaxLength)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return new SafetensorsFile(SeekableStream.Of(stream), "stream", maxHeaderLength);
    }

    /// <summary>Reads a tensor into a variable of its shape and type.</summary>
    /// <exception cref="InvalidFileException">The file became shorter.</exception>
    public void Read(SafetensorsEntry entry, Variable target)
    {
        _stream.Position = _dataStart + entry.Offset;
        target.VisitBytes(Fill, writes: true);
    }

    /// <summary>Reads a part of a tensor.</summary>
    /// <param name="entry">The tensor.</param>
    /// <param name="start">The part's first byte, counted from the tensor's.</param>
    /// <param name="bytes">Where to; the part does not reach beyond the tensor.</param>
    /// <exception cref="InvalidFileException">The file became shorter.</exception>
    public void Read(SafetensorsEntry entry, long start, Span<byte> bytes)
    {
        _stream.Position = _dataStart + entry.Offset + start;
        Fill(bytes);
    }

    /// <summary>Reads a tensor.</summary>
    /// <exception cref="InvalidFileException">The file became shorter.</exception>
    public NdArray Read(SafetensorsEntry entry)
    {
        _stream.Position = _dataStart + entry.Offset;
        NdArray array = NdArray.Zeros(entry.DType, entry.Shape);
        array.Data.Visit(Fill);
        return array;
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    /// <summary>An error of this file.</summary>
    public InvalidFileException Invalid(string problem, Exception? inner = null) => new(Name, problem, inner);

    // Of another kind, it is better called by that.
    InvalidFileException NotOne(string problem) =>
        Invalid(FileSignature.Of(_stream) is { } kind && !kind.StartsWith("a safetensors", StringComparison.Ordinal) ? $"it is {kind}" : problem);

    void Fill(Span<byte> bytes)
    {
        if (_stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
            throw Invalid("it ends too early: it became shorter while it was read");
    }
}
