using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace Infinorm.Tests.Checkpoints;

/// <summary>
/// A reader and writer of safetensors files as short as the format allows, which knows nothing of the library's: what it reads, other
/// languages read.
/// </summary>
sealed class PlainSafetensors
{
    readonly byte[] _file;
    readonly JsonElement _header;
    readonly int _dataStart;

    public PlainSafetensors(byte[] file)
    {
        _file = file;
        int length = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(file));
        _dataStart = 8 + length;
        _header = JsonDocument.Parse(file.AsMemory(8, length)).RootElement;
    }

    public int DataStart => _dataStart;

    public IReadOnlyDictionary<string, string> Metadata =>
        _header.GetProperty("__metadata__").EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.GetString()!);

    public IEnumerable<string> Names => _header.EnumerateObject().Select(entry => entry.Name).Where(name => name != "__metadata__");

    public (string DType, long[] Shape, byte[] Bytes) this[string name]
    {
        get
        {
            (int begin, int end) = Offsets(name);
            JsonElement tensor = _header.GetProperty(name);
            return (tensor.GetProperty("dtype").GetString()!, [.. tensor.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())],
                _file[(_dataStart + begin)..(_dataStart + end)]);
        }
    }

    public (int Begin, int End) Offsets(string name)
    {
        JsonElement offsets = _header.GetProperty(name).GetProperty("data_offsets");
        return (offsets[0].GetInt32(), offsets[1].GetInt32());
    }

    /// <summary>A file with this header and data.</summary>
    public static byte[] Make(string header, int dataLength)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + json.Length + dataLength];
        BinaryPrimitives.WriteInt64LittleEndian(file, json.Length);
        json.CopyTo(file, 8);
        for (int i = 8 + json.Length; i < file.Length; i++)
            file[i] = (byte)i;
        return file;
    }
}
