using System.Text.Json;
using Infinorm.Types;

namespace Infinorm.Checkpoints;

/// <summary>One tensor as the header of a safetensors file lists it.</summary>
/// <param name="Name">Its key.</param>
/// <param name="Shape">The sizes of its axes, outermost first.</param>
/// <param name="Offset">Where its bytes begin, counted from the end of the header.</param>
abstract record SafetensorsItem(string Name, nint[] Shape, long Offset)
{
    /// <summary>The number of bytes.</summary>
    public abstract long ByteLength { get; }
}

/// <summary>A tensor that is listed but not read, because Infinorm does not have its type.</summary>
/// <param name="Name">Its key.</param>
/// <param name="Type">The type's name in the file, "U8" for instance.</param>
/// <param name="Shape">The sizes of its axes, outermost first.</param>
/// <param name="Offset">Where its bytes begin, counted from the end of the header.</param>
/// <param name="ByteLength">The number of bytes.</param>
sealed record SafetensorsOther(string Name, string Type, nint[] Shape, long Offset, long ByteLength) : SafetensorsItem(Name, Shape, Offset)
{
    /// <inheritdoc/>
    public override long ByteLength { get; } = ByteLength;

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {Type}{Shapes.Format(Shape)}";
}

/// <summary>A tensor of a type that is read.</summary>
/// <param name="Name">Its key.</param>
/// <param name="DType">The type of its elements.</param>
/// <param name="Shape">The sizes of its axes, outermost first.</param>
/// <param name="Offset">Where its bytes begin, counted from the end of the header.</param>
sealed record SafetensorsEntry(string Name, DType DType, nint[] Shape, long Offset) : SafetensorsItem(Name, Shape, Offset)
{
    /// <summary>The number of elements.</summary>
    public int Length { get; } = Shapes.Length(Shape);

    /// <inheritdoc/>
    public override long ByteLength => (long)Length * DType.Size();

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {DType.KerasName()}{Shapes.Format(Shape)}";
}

/// <summary>
/// The JSON at the beginning of a safetensors file, read token by token: a header made to do harm costs no more than its own length
/// a few times over, and every number in it is checked before it is used.
/// </summary>
/// <param name="Metadata">Strings by key; empty if there is none.</param>
/// <param name="Tensors">By name, in the order of the header.</param>
/// <param name="Others">Those of other types, likewise.</param>
sealed record SafetensorsHeader(
    Dictionary<string, string> Metadata, OrderedDictionary<string, SafetensorsEntry> Tensors, OrderedDictionary<string, SafetensorsOther> Others)
{
    /// <summary>The key of the metadata among the names of the tensors.</summary>
    public const string MetadataKey = "__metadata__";

    /// <summary>The longest header that is written, and read unless another limit is asked for; that of the format's own library.</summary>
    public const int MaxLength = 100_000_000;

    /// <summary>The longest name that is written, in characters; read it may have more, as each may be an escape.</summary>
    public const int MaxNameLength = 1 << 15;

    const int MaxRank = 32, MaxMetadata = 1000, EscapeLength = 6;

    // No tensor takes less of the header, so that this is how many there are at most.
    const int LeastTensorLength = 50;

    /// <summary>Reads a header and makes sure that the tensors fill the data without overlap and without holes.</summary>
    /// <param name="utf8">The header.</param>
    /// <param name="dataLength">How many bytes follow it.</param>
    /// <exception cref="FormatException">Anything is not as the format says. The message lacks the file's name.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> utf8, long dataLength)
    {
        if (utf8.IsEmpty || utf8[0] != '{')
            throw new FormatException("the header does not begin with '{'");
        try
        {
            var json = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = 3 });
            json.Read();
            SafetensorsHeader header = ReadEntries(ref json, utf8.Length);
            json.Read(); // there must be nothing more
            CheckOffsets([.. header.Tensors.Values, .. header.Others.Values], dataLength);
            return header;
        }
        catch (JsonException e)
        {
            throw new FormatException($"the header is not valid JSON: {e.Message}", e);
        }
    }

    static SafetensorsHeader ReadEntries(ref Utf8JsonReader json, int length)
    {
        Dictionary<string, string>? metadata = null;
        var tensors = new OrderedDictionary<string, SafetensorsEntry>(length / LeastTensorLength); // growing would take three times as much
        var others = new OrderedDictionary<string, SafetensorsOther>();
        while (ReadName(ref json) is { } name)
        {
            bool isNew = name == MetadataKey ? metadata is null : !tensors.ContainsKey(name) && !others.ContainsKey(name);
            if (!isNew)
                throw new FormatException($"the name \"{name}\" occurs twice");
            if (name == MetadataKey)
                metadata = ReadMetadata(ref json);
            else if (ReadTensor(ref json, name) is var tensor && tensor is SafetensorsEntry entry)
                tensors.Add(name, entry);
            else
                AddOther((SafetensorsOther)tensor, others, length - (int)json.BytesConsumed);
        }

        return new(metadata ?? [], tensors, others);
    }

    static void AddOther(SafetensorsOther tensor, OrderedDictionary<string, SafetensorsOther> others, int lengthLeft)
    {
        if (others.Count == 0)
            others.EnsureCapacity((lengthLeft / LeastTensorLength) + 1);
        others.Add(tensor.Name, tensor);
    }

    static Dictionary<string, string> ReadMetadata(ref Utf8JsonReader json)
    {
        Expect(ref json, JsonTokenType.StartObject, MetadataKey, "an object");
        var metadata = new Dictionary<string, string>();
        while (ReadName(ref json) is { } key)
        {
            Expect(ref json, JsonTokenType.String, MetadataKey, "an object of strings");
            if (!metadata.TryAdd(key, Text(ref json)))
                throw new FormatException($"the key \"{key}\" of the metadata occurs twice");
            if (metadata.Count > MaxMetadata)
                throw new FormatException($"the metadata have more than {MaxMetadata} keys");
        }

        return metadata;
    }

    static SafetensorsItem ReadTensor(ref Utf8JsonReader json, string name)
    {
        Expect(ref json, JsonTokenType.StartObject, name, "an object");
        string? dtype = null;
        long[]? shape = null, offsets = null;
        while (ReadName(ref json) is { } key)
        {
            switch (key)
            {
                case "dtype" when dtype is null:
                    Expect(ref json, JsonTokenType.String, name, "a string as dtype");
                    dtype = TypeName(Text(ref json), name);
                    break;
                case "shape" when shape is null:
                    shape = ReadNumbers(ref json, name, MaxRank);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadNumbers(ref json, name, 2);
                    break;
                default:
                    throw new FormatException($"{name}: the key \"{key}\" is unknown or occurs twice");
            }
        }

        if (dtype is null || shape is null || offsets is not [long begin, long end])
            throw new FormatException($"{name}: a tensor has a dtype, a shape and two data_offsets");
        return MakeEntry(name, dtype, shape, begin, end);
    }

    // One text for each type, however many tensors have it.
    static string TypeName(string text, string name) => SafetensorsTypes.Known(text)
        ?? throw new FormatException($"{name}: the dtype \"{text}\" is not supported; {SafetensorsTypes.Supported} are");

    static SafetensorsItem MakeEntry(string name, string type, long[] shape, long begin, long end)
    {
        try
        {
            nint[] sizes = shape.Length == 0 ? [] : Array.ConvertAll(shape, size => checked((nint)size));
            SafetensorsItem entry = SafetensorsTypes.Parse(type) is { } dtype
                ? new SafetensorsEntry(name, dtype, sizes, begin)
                : new SafetensorsOther(name, type, sizes, begin, SafetensorsTypes.OtherByteLength(type, Shapes.Length(sizes)));
            return entry.ByteLength == end - begin
                ? entry
                : throw new FormatException($"{entry} has {entry.ByteLength} bytes, its data_offsets [{begin}, {end}] say {end - begin}");
        }
        catch (ArgumentException e)
        {
            throw new FormatException($"{name}: {e.Message}", e); // more elements than an array can have
        }
    }

    static void CheckOffsets(SafetensorsItem[] byOffset, long dataLength)
    {
        Array.Sort(byOffset, (a, b) => (a.Offset, a.ByteLength).CompareTo((b.Offset, b.ByteLength)));
        long end = 0;
        foreach (SafetensorsItem entry in byOffset)
        {
            if (entry.Offset != end)
            {
                throw new FormatException($"{entry.Name}: its data begin at {entry.Offset}, those before end at {end}; "
                    + "tensors lie one after the other, without overlap and without holes");
            }

            if (entry.ByteLength > dataLength - end)
            {
                throw new FormatException(
                    $"{entry.Name}: its data end at {end + entry.ByteLength}, the file has {dataLength} bytes of data");
            }

            end += entry.ByteLength;
        }

        if (end != dataLength)
            throw new FormatException($"the tensors have {end} bytes, the file has {dataLength} bytes of data");
    }

    /// <summary>The next name of the object, or null at its end.</summary>
    static string? ReadName(ref Utf8JsonReader json)
    {
        json.Read();
        if (json.TokenType == JsonTokenType.EndObject)
            return null;
        return json.ValueSpan.Length <= EscapeLength * MaxNameLength
            ? Text(ref json)
            : throw new FormatException($"a name has {json.ValueSpan.Length} bytes; at most {EscapeLength * MaxNameLength} are supported");
    }

    static long[] ReadNumbers(ref Utf8JsonReader json, string name, int most)
    {
        Expect(ref json, JsonTokenType.StartArray, name, "a list");
        var numbers = new List<long>();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            if (json.TokenType != JsonTokenType.Number || !json.TryGetInt64(out long number) || number < 0)
                throw new FormatException($"{name}: sizes and offsets are whole numbers from 0 to {long.MaxValue}");
            if (numbers.Count == most)
                throw new FormatException($"{name}: a list has more than {most} numbers");
            numbers.Add(number);
        }

        return [.. numbers];
    }

    static void Expect(ref Utf8JsonReader json, JsonTokenType type, string name, string expected)
    {
        json.Read();
        if (json.TokenType != type)
            throw new FormatException($"{name}: expected {expected}, found {json.TokenType}");
    }

    /// <summary>The string or name that the reader is at.</summary>
    /// <exception cref="FormatException">It is not Unicode.</exception>
    internal static string Text(ref Utf8JsonReader json)
    {
        try
        {
            return json.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new FormatException("a string is not Unicode", e);
        }
    }
}
