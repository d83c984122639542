using Infinorm.Types;

namespace Infinorm.Keras.Hdf5;

sealed partial class Hdf5Reader
{
    const int SharedFlag = 2;

    enum MessageType : ushort
    {
        Dataspace = 0x01,
        LinkInfo = 0x02,
        Datatype = 0x03,
        Link = 0x06,
        ExternalFiles = 0x07,
        Layout = 0x08,
        Filters = 0x0B,
        Attribute = 0x0C,
        Continuation = 0x10,
        SymbolTable = 0x11,
        AttributeInfo = 0x15,
    }

    /// <summary>A message of an object header: where its data lie in the file.</summary>
    readonly record struct Message(MessageType Type, byte Flags, ushort Length, ulong Address);

    /// <summary>What stands in an object's header, as far as it is looked for: all links and attributes, of the rest the first of each type.</summary>
    sealed class ObjectHeader
    {
        readonly List<Message> _messages = [];
        uint _types;

        public void Add(Message message)
        {
            uint type = 1U << (int)message.Type;
            if ((_types & type) == 0 || IsRepeated(message.Type))
                _messages.Add(message);
            _types |= type;
        }

        public static bool IsRepeated(MessageType type) => type is MessageType.Link or MessageType.Attribute;

        public Message? Find(MessageType type) => (_types & (1U << (int)type)) != 0 ? _messages.Find(message => message.Type == type) : null;

        public IEnumerable<Message> All(MessageType type) => _messages.Where(message => message.Type == type);
    }

    Hdf5Cursor Open(Message message, string what)
    {
        if ((message.Flags & SharedFlag) != 0)
            throw Invalid($"a shared {what} is not supported");
        return At(message.Address, (ulong)message.Length, what);
    }

    ObjectHeader ReadObject(ulong address)
    {
        const string what = "object header";
        var header = new ObjectHeader();
        if (Slice(address, 4, what).SequenceEqual("OHDR"u8))
        {
            Hdf5Cursor cursor = At(address + 4, 2, what);
            cursor.Version(2);
            byte flags = cursor.Byte();
            ulong start = address + 6 + ((flags & 0x20) != 0 ? 16UL : 0) + ((flags & 0x10) != 0 ? 4UL : 0);
            ulong width = 1UL << (flags & 3);
            ulong length = At(start, width, what).UIntOf(flags & 3);
            Visit(address, start + width - address, what);
            _blocks.Enqueue((start + width, length));
            while (_blocks.TryDequeue(out var block))
                ReadMessages2(block.Address, block.Length, hasOrder: (flags & 4) != 0, header);
        }
        else
        {
            Hdf5Cursor cursor = At(address, 16, what);
            cursor.Version(1);
            cursor.Skip(7);
            Visit(address, 16, what);
            _blocks.Enqueue((address + 16, cursor.UInt32()));
            while (_blocks.TryDequeue(out var block))
                ReadMessages1(block.Address, block.Length, header);
        }

        return header;
    }

    void ReadMessages1(ulong address, ulong length, ObjectHeader header)
    {
        Visit(address, length, "object header block");
        Hdf5Cursor cursor = At(address, length, "object header");
        while (cursor.Remaining >= 8)
        {
            var type = (MessageType)cursor.UInt16();
            ushort size = cursor.UInt16();
            byte flags = cursor.Byte();
            cursor.Skip(3);
            ulong data = address + length - (ulong)cursor.Remaining;
            Add(new Message(type, flags, size, data), cursor.Take(size), header, isVersion2: false);
        }
    }

    // In version 2 a checksum ends each block; a gap too small for a message may stand before it.
    void ReadMessages2(ulong address, ulong length, bool hasOrder, ObjectHeader header)
    {
        Visit(address, length, "object header block");
        int prefix = hasOrder ? 6 : 4;
        Hdf5Cursor cursor = At(address, length, "object header");
        while (cursor.Remaining >= prefix)
        {
            var type = (MessageType)cursor.Byte();
            ushort size = cursor.UInt16();
            byte flags = cursor.Byte();
            cursor.Skip(prefix - 4);
            ulong data = address + length - (ulong)cursor.Remaining;
            Add(new Message(type, flags, size, data), cursor.Take(size), header, isVersion2: true);
        }
    }

    // Keeps a message that is looked for. A continuation leads to another block; in version 2 with a signature before and a checksum
    // behind it.
    void Add(Message message, ReadOnlySpan<byte> data, ObjectHeader header, bool isVersion2)
    {
        if (message.Type != MessageType.Continuation)
        {
            if (Enum.IsDefined(message.Type) && data.Length == 0)
                throw Invalid($"a message of type {(int)message.Type} at {message.Address} is empty");
            if (ObjectHeader.IsRepeated(message.Type))
                CountItem();
            if (Enum.IsDefined(message.Type))
                header.Add(message);
            return;
        }

        var cursor = new Hdf5Cursor(data, _file, "continuation message");
        ulong address = cursor.UInt64(), length = cursor.UInt64();
        if (!isVersion2)
        {
            _blocks.Enqueue((address, length));
            return;
        }

        At(address, 4, "object header block").Signature("OCHK"u8);
        if (length < 8)
            throw Invalid($"an object header block of {length} bytes at {address} is too short");
        _blocks.Enqueue((address + 4, length - 8));
    }

    // An info message says whether links or attributes lie in a heap of their own, after the largest index where their order is kept.
    void RefuseDense(ObjectHeader header, MessageType infoType, Place place, string what, int largestIndexSize)
    {
        if (header.Find(infoType) is not { } info)
            return;
        Hdf5Cursor cursor = Open(info, $"{what} info message");
        cursor.Version(0);
        cursor.Skip((cursor.Byte() & 1) != 0 ? largestIndexSize : 0);
        if (cursor.UInt64() != Undefined)
            throw Unsupported(place, $"has its {what}s outside its header (dense storage)");
    }

    void ReadAttributes(ObjectHeader header, Place place, Dictionary<string, string?> attributes)
    {
        foreach (Message message in header.All(MessageType.Attribute))
        {
            var (name, value) = ReadAttribute(Open(message, "attribute message"));
            if (!attributes.TryAdd(name, value))
                throw Invalid($"{place} has the attribute '{name}' twice");
        }
    }

    (string Name, string? Value) ReadAttribute(Hdf5Cursor cursor)
    {
        byte version = cursor.Byte();
        if (version is not (>= 1 and <= 3))
            throw Invalid($"an attribute message of version {version} is not supported, only 1 to 3");
        byte flags = cursor.Byte();
        if (version > 1 && flags != 0)
            throw Invalid("a shared attribute type is not supported");
        int nameLength = cursor.UInt16(), typeLength = cursor.UInt16(), spaceLength = cursor.UInt16();
        cursor.Skip(version == 3 ? 1 : 0); // the name's encoding
        string name = Text(Field(ref cursor, nameLength).TrimEnd((byte)0));
        ReadOnlySpan<byte> type = Field(ref cursor, typeLength);
        ReadOnlySpan<byte> space = Field(ref cursor, spaceLength);
        return (name, ReadText(type, space, cursor));

        ReadOnlySpan<byte> Field(ref Hdf5Cursor cursor, int length)
        {
            ReadOnlySpan<byte> field = cursor.Take(length);
            cursor.Skip(version == 1 ? -length & 7 : 0);
            return field;
        }
    }

    // One text, of fixed length here or of any length in the global heap; null for anything else.
    string? ReadText(ReadOnlySpan<byte> type, ReadOnlySpan<byte> space, Hdf5Cursor value)
    {
        const int fixedText = 3, variable = 9, variableIsText = 1;
        nint[]? shape = ReadShape(new Hdf5Cursor(space, _file, "dataspace message"), new Place(null, "an attribute"));
        if (shape is null || Shapes.Length(shape) != 1)
            return null;
        var cursor = new Hdf5Cursor(type, _file, "datatype message");
        int kind = cursor.Byte() & 15, bits = cursor.Byte() & 15;
        cursor.Skip(2);
        uint size = cursor.UInt32();
        if (kind == fixedText)
            return Text(value.Take((int)Math.Min(size, int.MaxValue)).TrimEnd((byte)0));
        if (kind != variable || bits != variableIsText)
            return null;

        int length = (int)Math.Min(value.UInt32(), int.MaxValue);
        ulong heap = value.UInt64();
        uint index = value.UInt32();
        return length == 0 ? "" : Text(HeapObject(heap, index, length).TrimEnd((byte)0));
    }

    ReadOnlySpan<byte> HeapObject(ulong address, uint index, int length)
    {
        const string what = "global heap";
        Hdf5Cursor header = At(address, 16, what);
        header.Signature("GCOL"u8);
        header.Version(1);
        header.Skip(3);
        ulong end = header.UInt64();
        for (ulong at = 16; at <= end && end - at >= 16;)
        {
            Hdf5Cursor item = At(address + at, 16, what);
            uint number = item.UInt16();
            item.Skip(6);
            ulong size = item.UInt64();
            if (number == 0)
                break; // what is left is free
            if (number == index)
            {
                return (ulong)length <= size
                    ? Slice(address + at + 16, (ulong)length, what)
                    : throw Invalid($"a text of {length} bytes is longer than its place of {size}");
            }

            if (size > end)
                break;
            at += 16 + ((size + 7) & ~7UL);
        }

        throw Invalid($"object {index} of the global heap at {address} does not exist");
    }
}
