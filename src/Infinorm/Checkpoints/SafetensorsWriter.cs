using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Checkpoints;

/// <summary>A tensor to be written.</summary>
/// <param name="Name">Its key, not that of another.</param>
/// <param name="DType">The type of its elements.</param>
/// <param name="Shape">The sizes of its axes, outermost first.</param>
/// <param name="WriteTo">Writes its bytes, as many as type and shape say.</param>
readonly record struct SafetensorsTensor(string Name, DType DType, nint[] Shape, Action<Stream> WriteTo)
{
    /// <summary>A tensor with an array's elements.</summary>
    public static SafetensorsTensor Of(string name, NdArray array) =>
        new(name, array.DType, array.Shape.ToArray(), array.Data.WriteTo);

    /// <summary>A tensor with the elements that a variable has when it is written.</summary>
    public static SafetensorsTensor Of(string name, Variable variable) =>
        new(name, variable.DType, variable.Shape.ToArray(), stream => variable.VisitBytes(bytes => stream.Write(bytes), writes: false));
}

/// <summary>Writes safetensors files.</summary>
static class SafetensorsWriter
{
    // The header is padded so that the data begin at a multiple of the largest element; larger elements come first.
    const int Alignment = sizeof(double);

    static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Writes a whole file, front to back. The same input gives the same bytes.</summary>
    /// <param name="stream">Where to; it need not seek.</param>
    /// <param name="metadata">Strings by key, in that order.</param>
    /// <param name="tensors">The tensors; those of larger elements are written first, else they keep their order.</param>
    /// <exception cref="ArgumentException">
    /// A name occurs twice, is that of the metadata or not Unicode, or the header would be longer than a reader accepts. Nothing was
    /// written.
    /// </exception>
    public static void Write(Stream stream, IEnumerable<KeyValuePair<string, string>> metadata, IEnumerable<SafetensorsTensor> tensors)
    {
        SafetensorsTensor[] ordered = [.. tensors.OrderByDescending(tensor => tensor.DType.Size())];
        byte[] header = MakeHeader(metadata, ordered);
        stream.Write(header);
        foreach (SafetensorsTensor tensor in ordered)
            tensor.WriteTo(stream);
    }

    static byte[] MakeHeader(IEnumerable<KeyValuePair<string, string>> metadata, SafetensorsTensor[] tensors)
    {
        var names = new HashSet<string> { SafetensorsHeader.MetadataKey };
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject(SafetensorsHeader.MetadataKey);
            foreach (var (key, value) in metadata)
                json.WriteString(RequireUnicode(key), RequireUnicode(value));
            json.WriteEndObject();

            long offset = 0;
            foreach (SafetensorsTensor tensor in tensors)
            {
                if (tensor.Name.Length > SafetensorsHeader.MaxNameLength)
                {
                    throw new ArgumentException($"The name of a tensor has {tensor.Name.Length} characters; "
                        + $"at most {SafetensorsHeader.MaxNameLength} are supported.");
                }

                if (!names.Add(RequireUnicode(tensor.Name)))
                    throw new ArgumentException($"Two tensors are named \"{tensor.Name}\", or it is the name of the metadata.");
                long end = offset + ((long)Shapes.Length(tensor.Shape) * tensor.DType.Size());
                WriteTensor(json, tensor, offset, end);
                offset = end;
            }

            json.WriteEndObject();
        }

        return Finish(buffer.WrittenSpan);
    }

    static void WriteTensor(Utf8JsonWriter json, SafetensorsTensor tensor, long begin, long end)
    {
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", SafetensorsTypes.Format(tensor.DType));
        json.WriteStartArray("shape");
        foreach (nint size in tensor.Shape)
            json.WriteNumberValue((long)size);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(begin);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    // The header's length, then the header, padded with spaces.
    static byte[] Finish(ReadOnlySpan<byte> json)
    {
        int end = SafetensorsFile.PrefixLength + json.Length;
        var header = new byte[(end + Alignment - 1) / Alignment * Alignment];
        int length = header.Length - SafetensorsFile.PrefixLength;
        if (length > SafetensorsHeader.MaxLength)
            throw new ArgumentException($"The header would have {length} bytes; at most {SafetensorsHeader.MaxLength} are supported.");
        BinaryPrimitives.WriteInt64LittleEndian(header, length);
        json.CopyTo(header.AsSpan(SafetensorsFile.PrefixLength));
        header.AsSpan(end).Fill((byte)' ');
        return header;
    }

    // The JSON writer would replace a lone surrogate, and two names could become one.
    static string RequireUnicode(string text)
    {
        try
        {
            StrictUtf8.GetByteCount(text);
            return text;
        }
        catch (EncoderFallbackException e)
        {
            throw new ArgumentException($"\"{text}\" is not Unicode: it has a lone surrogate.", e);
        }
    }
}
