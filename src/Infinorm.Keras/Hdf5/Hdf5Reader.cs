using System.Text;
using Infinorm.Checkpoints;

namespace Infinorm.Keras.Hdf5;

/// <summary>
/// Reads the part of HDF5 that Keras (h5py) and PureHDF write: superblocks 0 to 3, groups with symbol tables or with links in their
/// headers, contiguous datasets, text attributes. Everything else is refused by name.
/// </summary>
/// <remarks>
/// A library is not asked, because a file may be made to do harm: here nothing is allocated or repeated for what a file merely claims.
/// Each structure is read once and shares no byte with another; what is kept of it, names above all, has a budget that follows from the
/// file's size. So time and memory are bounded by that. Where each dataset's bytes lie is known in the end, and that nothing else lies
/// there: they can be overwritten in place.
/// </remarks>
sealed partial class Hdf5Reader
{
    /// <summary>How deep groups are nested at most, the root not counted.</summary>
    public const int MaxDepth = 64;

    const int MaxRank = 32, BudgetFactor = 16;

    // An object or attribute takes up to 400 bytes of memory. Those that Keras writes take hundreds of bytes in the file, and have paths
    // of some forty characters.
    const int FreeItems = 1 << 16, BytesPerItem = 128, FreePathLength = 1 << 21, BytesPerPathLength = 8;
    const ulong Undefined = ulong.MaxValue;

    static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    readonly string _file;
    readonly FileImage _image;
    readonly ByteMarks _structures, _visited;
    readonly List<(long Start, long End, Place Place)> _data = [];
    readonly Queue<(ulong Address, ulong Length)> _blocks = []; // of the object header that is being read
    long _budget, _textBudget, _itemBudget, _pathBudget;

    Hdf5Reader(string file, FileImage image)
    {
        _file = file;
        _image = image;
        _structures = new ByteMarks(image.Length);
        _visited = new ByteMarks(image.Length);
        _budget = (image.Length * BudgetFactor) + 4096;
        _textBudget = image.Length;
        _itemBudget = FreeItems + (image.Length / BytesPerItem);
        _pathBudget = FreePathLength + (image.Length / BytesPerPathLength);
    }

    /// <summary>How an HDF5 file begins.</summary>
    public static ReadOnlySpan<byte> Signature => [0x89, (byte)'H', (byte)'D', (byte)'F', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>The root group of a file.</summary>
    /// <param name="file">Its name, for messages.</param>
    /// <param name="image">All of its bytes; the datasets view them.</param>
    /// <exception cref="InvalidFileException">It is malformed, cut off, or uses something that is not supported.</exception>
    public static Hdf5Group Read(string file, FileImage image)
    {
        var reader = new Hdf5Reader(file, image);
        var place = new Place(null, "");
        Hdf5Group root = reader.ReadGroup(reader.ReadObject(reader.RootAddress()), place, depth: 0);
        reader.RequireDisjointData();
        reader.RequireShortPaths(root, location: 0, path: 0);
        return root;
    }

    InvalidFileException Invalid(string problem) => new(_file, $"HDF5: {problem}");

    InvalidFileException Unsupported(Place place, string feature) => Invalid($"{place} {feature}, which is not supported");

    ReadOnlySpan<byte> Slice(ulong address, ulong length, string what)
    {
        var size = (ulong)_image.Length;
        if (address > size || length > size - address)
            throw Invalid($"the {what} of {length} bytes at {address} reaches beyond the file's end at {size}");
        _budget -= (long)length;
        if (_budget < 0)
            throw Invalid("its structures overlap");
        if (length > int.MaxValue)
            throw Invalid($"the {what} of {length} bytes is not supported");
        _structures.Set((long)address, (long)(address + length));
        return _image.Span((long)address, (long)length);
    }

    Hdf5Cursor At(ulong address, ulong length, string what) => new(Slice(address, length, what), _file, what);

    // Structures have one parent and share no byte: who meets one a second time goes round in a circle, or is made to read it again and
    // again.
    void Visit(ulong address, ulong length, string what)
    {
        Slice(address, length, what);
        long start = (long)address, end = (long)(address + length);
        if (_visited.AnyIn(start, end))
            throw Invalid($"the {what} at {address} {(_visited.AnyIn(start, start + 1) ? "is reached twice" : "overlaps another structure")}");
        _visited.Set(start, end);
    }

    void CountItem()
    {
        if (--_itemBudget < 0)
            throw Invalid($"{_image.Length} bytes hold more links and attributes than fit into them");
    }

    void RequireDisjointData()
    {
        _data.Sort((a, b) => a.Start.CompareTo(b.Start));
        for (int i = 1; i < _data.Count; i++)
        {
            if (_data[i].Start < _data[i - 1].End)
                throw Invalid($"the data of {_data[i - 1].Place} and {_data[i].Place} overlap");
        }

        foreach (var (start, end, place) in _data)
        {
            if (_structures.AnyIn(start, end))
                throw Invalid($"the data of {place} lie where the file's structure is");
        }
    }

    // Nested in one another, names make paths that are much longer than the file: counted before anybody makes one.
    void RequireShortPaths(Hdf5Group group, int location, int path)
    {
        if (group.IsEmpty)
            return;
        foreach (var (key, child) in group.Groups)
        {
            int name = child.IsEmpty ? key.Length : child.Groups.GetValueOrDefault("vars")?.Attributes.GetValueOrDefault("name")?.Length ?? key.Length;
            CountPath(location + key.Length + 1, path + name + 1);
            RequireShortPaths(child, location + key.Length + 1, path + name + 1);
        }

        foreach (string key in group.Datasets.Keys)
            CountPath(location + key.Length + 1, path + key.Length + 1);

        void CountPath(int location, int path)
        {
            _pathBudget -= location + path;
            if (_pathBudget < 0)
                throw Invalid("the names of its groups and datasets make paths that are much longer than the file");
        }
    }

    ulong RootAddress()
    {
        const string what = "superblock";
        Hdf5Cursor cursor = At(0, 9, what);
        cursor.Signature(Signature);
        byte version = cursor.Byte();
        byte offsets, lengths;
        ulong root;
        switch (version)
        {
            case 0 or 1:
                cursor = At(9, version == 0 ? 87UL : 91, what);
                cursor.Skip(4);
                offsets = cursor.Byte();
                lengths = cursor.Byte();
                cursor.Skip(version == 0 ? 9 : 13);
                RequireBaseAndEnd(cursor.UInt64(), cursor.UInt64(), cursor.UInt64());
                cursor.Skip(16); // driver information, and the root's name, which it has none of
                root = cursor.UInt64();
                break;
            case 2 or 3:
                cursor = At(9, 39, what);
                offsets = cursor.Byte();
                lengths = cursor.Byte();
                cursor.Skip(1);
                RequireBaseAndEnd(cursor.UInt64(), cursor.UInt64(), cursor.UInt64());
                root = cursor.UInt64();
                break;
            default:
                throw Invalid($"a superblock of version {version} is not supported, only 0 to 3");
        }

        if (offsets != 8 || lengths != 8)
            throw Invalid($"offsets of {offsets} and lengths of {lengths} bytes are not supported, only 8");
        return root;
    }

    void RequireBaseAndEnd(ulong baseAddress, ulong _, ulong end)
    {
        if (baseAddress != 0)
            throw Invalid($"a base address ({baseAddress}) is not supported");
        if (end > (ulong)_image.Length)
            throw Invalid($"the file has {_image.Length} bytes, it should have {end}: it is cut off");
    }

    Hdf5Group ReadGroup(ObjectHeader header, Place place, int depth)
    {
        if (depth > MaxDepth)
            throw Invalid($"groups are nested deeper than {MaxDepth}");
        var group = new Hdf5Group();
        if (header.Find(MessageType.Attribute) is not null)
            ReadAttributes(header, place, group.Attributes);
        RefuseDense(header, MessageType.AttributeInfo, place, "attribute", largestIndexSize: 2);
        ReadLinks(header, place, (name, address) =>
        {
            var at = new Place(place, name);
            if (name.Length == 0 || name.Contains('/'))
                throw Invalid($"{place} has a link without a name, or with '/' in it");
            if (group.Groups.ContainsKey(name) || group.Datasets.ContainsKey(name))
                throw Invalid($"{at} is there twice");

            ObjectHeader child = ReadObject(address);
            if (child.Find(MessageType.Layout) is not null)
                group.Datasets.Add(name, ReadDataset(child, at));
            else
                group.Groups.Add(name, ReadGroup(child, at, depth + 1));
        });
        return group;
    }

    // Calls back for each link with its name and where it leads; so no more is held than what is made of them.
    void ReadLinks(ObjectHeader header, Place place, Action<string, ulong> add)
    {
        if (header.Find(MessageType.SymbolTable) is { } table)
        {
            Hdf5Cursor cursor = Open(table, "symbol table message");
            ulong tree = cursor.UInt64(), heap = cursor.UInt64();
            Hdf5Cursor heapHeader = At(heap, 32, "local heap");
            heapHeader.Signature("HEAP"u8);
            heapHeader.Version(0);
            heapHeader.Skip(3);
            ulong size = heapHeader.UInt64();
            heapHeader.Skip(8); // where its free space begins
            ulong start = heapHeader.UInt64();
            Slice(start, size, "local heap");
            ReadTree(tree, ((long)start, (long)size), add, place, level: null);
        }
        else if (header.Find(MessageType.LinkInfo) is null && header.Find(MessageType.Link) is null)
        {
            throw Invalid($"{place} is neither a group nor a dataset");
        }

        RefuseDense(header, MessageType.LinkInfo, place, "link", largestIndexSize: 8);
        foreach (Message link in header.All(MessageType.Link))
        {
            var (name, address) = ReadLink(Open(link, "link message"), place);
            add(name, address);
        }
    }

    (string Name, ulong Address) ReadLink(Hdf5Cursor cursor, Place place)
    {
        cursor.Version(1);
        byte flags = cursor.Byte();
        if ((flags & 8) != 0 && cursor.Byte() != 0)
            throw Unsupported(place, "has a soft or external link");
        cursor.Skip((flags & 4) != 0 ? 8 : 0);
        cursor.Skip((flags & 16) != 0 ? 1 : 0);
        ulong length = cursor.UIntOf(flags & 3);
        return (Text(cursor.Take((int)Math.Min(length, int.MaxValue))), cursor.UInt64());
    }

    // A B-tree of version 1 over the nodes that hold a group's symbols.
    void ReadTree(ulong address, (long Start, long Length) names, Action<string, ulong> add, Place place, int? level)
    {
        Visit(address, 24, "B-tree node");
        Hdf5Cursor cursor = At(address, 24, "B-tree node");
        cursor.Signature("TREE"u8);
        if (cursor.Byte() != 0)
            throw Invalid($"the B-tree of {place} is not one of a group");
        int found = cursor.Byte();
        if (level is { } expected && found != expected)
            throw Invalid($"a B-tree node of level {found} stands where one of level {expected} should");
        int count = cursor.UInt16();
        Visit(address + 24, (ulong)count * 16, "B-tree node");
        Hdf5Cursor entries = At(address + 24, (ulong)count * 16, "B-tree node");
        for (int i = 0; i < count; i++)
        {
            entries.Skip(8); // the key
            ulong child = entries.UInt64();
            if (found > 0)
                ReadTree(child, names, add, place, found - 1);
            else
                ReadSymbols(child, names, add, place);
        }
    }

    void ReadSymbols(ulong address, (long Start, long Length) names, Action<string, ulong> add, Place place)
    {
        Visit(address, 8, "symbol table node");
        Hdf5Cursor cursor = At(address, 8, "symbol table node");
        cursor.Signature("SNOD"u8);
        cursor.Version(1);
        cursor.Skip(1);
        int count = cursor.UInt16();
        Visit(address + 8, (ulong)count * 40, "symbol table node");
        Hdf5Cursor symbols = At(address + 8, (ulong)count * 40, "symbol table node");
        for (int i = 0; i < count; i++)
        {
            CountItem();
            ulong name = symbols.UInt64(), target = symbols.UInt64();
            if (symbols.UInt32() == 2)
                throw Unsupported(place, "has a soft link");
            symbols.Skip(20);
            add(NameAt(names, name), target);
        }
    }

    string NameAt((long Start, long Length) names, ulong offset)
    {
        ReadOnlySpan<byte> heap = _image.Span(names.Start, names.Length);
        int length = offset < (ulong)heap.Length ? heap[(int)offset..].IndexOf((byte)0) : -1;
        if (length < 0)
            throw Invalid($"the name at {offset} of a local heap of {heap.Length} bytes has no end in it");
        return Text(Slice((ulong)names.Start + offset, (ulong)length, "name"));
    }

    string Text(ReadOnlySpan<byte> bytes)
    {
        _textBudget -= bytes.Length;
        if (_textBudget < 0)
            throw Invalid("its names and texts are longer than the file");
        try
        {
            return Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Invalid("a name is not UTF-8");
        }
    }

    /// <summary>An object's place in the tree. Its path is made only for a message.</summary>
    sealed record Place(Place? Parent, string Name)
    {
        public override string ToString() =>
            Name.Length == 0 ? "the root group" : Parent is not { Name.Length: > 0 } ? Name : Hdf5Group.Join(Parent.ToString(), Name);
    }
}
