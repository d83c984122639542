using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Keras.Hdf5;

sealed partial class Hdf5Reader
{
    const string BFloat16Name = "bfloat16";

    // How h5py keeps what NumPy calls bool: an enumeration of two.
    static ReadOnlySpan<byte> False => "FALSE\0"u8;

    static ReadOnlySpan<byte> True => "TRUE\0"u8;

    Hdf5Dataset ReadDataset(ObjectHeader header, Place place)
    {
        if (header.Find(MessageType.Filters) is not null)
            throw Unsupported(place, "is compressed or otherwise filtered");
        if (header.Find(MessageType.ExternalFiles) is not null)
            throw Unsupported(place, "has its data in another file");
        if (header.Find(MessageType.Dataspace) is not { } space || header.Find(MessageType.Datatype) is not { } datatype)
            throw Invalid($"{place} has no dataspace or no datatype");

        var attributes = new Dictionary<string, string?>();
        RefuseDense(header, MessageType.AttributeInfo, place, "attribute", largestIndexSize: 2);
        ReadAttributes(header, place, attributes);
        nint[] shape = ReadShape(Open(space, "dataspace message"), place) ?? throw Unsupported(place, "is empty (a null dataspace)");
        Hdf5Type type = ReadType(Open(datatype, "datatype message"), attributes.GetValueOrDefault("dtype"), place);
        ByteRange data = ReadLayout(Open(header.Find(MessageType.Layout)!.Value, "layout message"), place);

        long expected = (long)Shapes.Length(shape) * type.Size;
        if (expected != data.Length)
            throw Invalid($"{place} has {data.Length} bytes; {type.Name}{Shapes.Format(shape)} takes {expected}");
        return new Hdf5Dataset(type, shape, data);
    }

    // Null for a dataspace without any element, not even of a shape such as [0].
    nint[]? ReadShape(Hdf5Cursor cursor, Place place)
    {
        byte version = cursor.Byte();
        int rank = cursor.Byte();
        cursor.Skip(1);
        const int scalar = 0, simple = 1, none = 2;
        int kind = rank == 0 ? scalar : simple;
        switch (version)
        {
            case 1:
                cursor.Skip(5);
                break;
            case 2:
                kind = cursor.Byte();
                break;
            default:
                throw Invalid($"a dataspace message of version {version} is not supported, only 1 and 2");
        }

        if (kind == none)
            return null;
        if (kind is not (scalar or simple))
            throw Invalid($"{place} has a dataspace of kind {kind}, which does not exist");
        if (rank > MaxRank)
            throw Invalid($"{place} has {rank} axes; HDF5 allows {MaxRank}");
        var shape = new nint[rank];
        foreach (ref nint size in shape.AsSpan())
            size = (nint)Math.Min(cursor.UInt64(), (ulong)nint.MaxValue);
        try
        {
            Shapes.Length(shape);
        }
        catch (ArgumentException e)
        {
            throw Invalid($"{place}: {e.Message}");
        }

        return shape;
    }

    ByteRange ReadLayout(Hdf5Cursor cursor, Place place)
    {
        byte version = cursor.Byte();
        if (version is not (3 or 4))
            throw Invalid($"a layout message of version {version} is not supported, only 3 and 4");
        string? storage = cursor.Byte() switch { 0 => "compact", 1 => null, 2 => "chunked", 3 => "virtual", _ => "unknown" };
        if (storage is not null)
            throw Unsupported(place, $"has {storage} storage");
        ulong address = cursor.UInt64(), length = cursor.UInt64();
        if (length == 0)
            return _image.Range(0, 0);
        if (address == Undefined)
            throw Unsupported(place, "has no data (they were never written)");
        if (address > (ulong)_image.Length || length > (ulong)_image.Length - address)
            throw Invalid($"{place}: {length} bytes at {address} reach beyond the file's end at {_image.Length}");
        _data.Add(((long)address, (long)(address + length), place));
        return _image.Range((long)address, (long)length);
    }

    Hdf5Type ReadType(Hdf5Cursor cursor, string? dtypeAttribute, Place place)
    {
        int versionAndKind = cursor.Byte(), kind = versionAndKind & 15;
        uint bits = cursor.Byte();
        cursor.Skip(2);
        uint size = cursor.UInt32();
        if (size is 0 or > int.MaxValue)
            throw Invalid($"{place} has elements of {size} bytes");
        switch (kind)
        {
            case 0:
                return ReadInteger(cursor, (int)size, bits);
            case 1:
                return ReadFloat(cursor, (int)size, bits);
            case 5 when size == 2 && dtypeAttribute == BFloat16Name:
                return Hdf5Type.Of(DType.BFloat16);
            case 8 when size == 1 && bits == 2 && IsBool(cursor, isPadded: versionAndKind >> 4 < 3):
                return new Hdf5Type(Hdf5Type.Bool, 1);
            default:
                string name = kind switch
                {
                    2 => "time",
                    3 => "string",
                    4 => "bits",
                    5 => dtypeAttribute is null ? "opaque" : $"opaque {dtypeAttribute}", // as h5py keeps what NumPy does not know
                    6 => "compound",
                    7 => "reference",
                    8 => "enum",
                    9 => "variable-length",
                    10 => "array",
                    _ => throw Invalid($"{place} has a type of class {kind}, which does not exist"),
                };
                return new Hdf5Type(name, (int)size);
        }
    }

    // The type of the values, an int8; then the names, in older versions padded to a multiple of eight bytes; then the values.
    static bool IsBool(Hdf5Cursor cursor, bool isPadded)
    {
        const int int8Length = 12;
        int falseLength = isPadded ? 8 : False.Length, trueLength = isPadded ? 8 : True.Length;
        if (cursor.Remaining < int8Length + falseLength + trueLength + 2)
            return false;
        ReadOnlySpan<byte> type = cursor.Take(int8Length);
        bool isInt8 = (type[0] & 15) == 0 && type[4] == 1;
        return isInt8 && cursor.Take(falseLength).StartsWith(False) && cursor.Take(trueLength).StartsWith(True)
            && cursor.Byte() == 0 && cursor.Byte() == 1;
    }

    static Hdf5Type ReadInteger(Hdf5Cursor cursor, int size, uint bits)
    {
        bool bigEndian = (bits & 1) != 0, signed = (bits & 8) != 0;
        string name = $"{(bigEndian ? "big-endian " : "")}{(signed ? "" : "u")}int{size * 8L}";
        bool whole = cursor.UInt16() == 0 && cursor.UInt16() == size * 8L;
        return (whole && !bigEndian, name) switch
        {
            (true, "int32") => Hdf5Type.Of(DType.Int32),
            (true, "int64") => Hdf5Type.Of(DType.Int64),
            (true, _) => new Hdf5Type(name, size),
            (false, _) => new Hdf5Type(bigEndian ? name : $"partial {name}", size),
        };
    }

    // Precision, places and sizes of exponent and mantissa, and bias, as they stand in the message.
    static Hdf5Type ReadFloat(Hdf5Cursor cursor, int size, uint bits)
    {
        bool bigEndian = (bits & 0x41) != 0;
        int offset = cursor.UInt16(), precision = cursor.UInt16();
        int exponentAt = cursor.Byte(), exponentSize = cursor.Byte(), mantissaAt = cursor.Byte(), mantissaSize = cursor.Byte();
        uint bias = cursor.UInt32();
        DType? type = bigEndian || offset != 0 || mantissaAt != 0
            ? null
            : (size, precision, exponentAt, exponentSize, mantissaSize, bias) switch
            {
                (2, 16, 10, 5, 10, 15) => DType.Float16,
                (2, 16, 7, 8, 7, 127) => DType.BFloat16,
                (4, 32, 23, 8, 23, 127) => DType.Float32,
                (8, 64, 52, 11, 52, 1023) => DType.Float64,
                _ => null,
            };
        return type is { } known ? Hdf5Type.Of(known) : new Hdf5Type($"{(bigEndian ? "big-endian " : "other ")}float{size * 8L}", size);
    }
}
