using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Infinorm.Tests;

/// <summary>Keras files that are made to cost the most for their size: one structure each, as often as it fits.</summary>
static class HostileFiles
{
    const ushort LinkInfo = 2, Link = 6, Layout = 8, Dataspace = 1, Datatype = 3, Attribute = 12;

    /// <summary>The structures by name; each makes a file of about so many bytes.</summary>
    public static IReadOnlyDictionary<string, Func<int, byte[]>> All { get; } = new Dictionary<string, Func<int, byte[]>>
    {
        ["empty groups"] = length => Hdf5(length, (file, left) => file.Group(Many(left / 60, i => ($"{i:x}", file.Group([]))))),
        ["empty groups, nested"] = length => Hdf5(length, (file, left) => file.Group(Many(left / 2400, i => ($"{i:x}", Nested(file, 40))))),
        ["empty datasets"] = length => Hdf5(length, (file, left) => file.Group(Many(left / 90, i => ($"{i:x}", file.Dataset())))),
        ["tiny messages"] = length => Hdf5(length, (file, left) => file.Object([.. Enumerable.Repeat<(ushort, byte[])>((0, []), left / 4)])),
        ["tiny links"] = length => Hdf5(length, (file, left) => file.Object([.. Enumerable.Repeat((Link, new byte[1]), left / 5)])),
        ["tiny attributes"] = length => Hdf5(length, (file, left) => file.Object(
            [.. Many(left / 32, i => (Attribute, FixedText($"{i:x5}", "x"))), (LinkInfo, NoHeap)])),
        ["links to one object"] = length => Hdf5(length, (file, left) =>
        {
            long one = file.Group([]);
            return file.Group(Many(left / 20, i => ($"{i:x}", one)));
        }),
        ["attributes in one long global heap"] = length => Hdf5(length, (file, left) =>
        {
            byte[] text = new byte[left / 2];
            text.AsSpan().Fill((byte)'t');
            long heap = file.Heap(text);
            return file.Object([.. Many(left / 2 / 60, i => (Attribute, HeapText($"{i:x}", heap, text.Length))), (LinkInfo, NoHeap)]);
        }),
        ["attributes at the end of a global heap"] = length => Hdf5(length, (file, left) =>
        {
            int count = left / 2 / 24;
            long heap = file.Heap([.. Enumerable.Repeat(new byte[1], Math.Min(count, ushort.MaxValue))]);
            return file.Object([.. Many(left / 2 / 60, i => (Attribute, HeapText($"{i:x}", heap, 1, Math.Min(count, ushort.MaxValue)))), (LinkInfo, NoHeap)]);
        }),
        ["long names"] = length => Hdf5(length, (file, left) =>
        {
            string name = new('n', Math.Min(60_000, left / 2));
            return file.Group([(name, file.Group(Many((left - name.Length) / 90, i => ($"{i:x}", file.Dataset()))))]);
        }),
        ["long names, nested"] = length => Hdf5(length, (file, left) =>
        {
            string name = new('n', Math.Min(60_000, left / 60));
            long inner = file.Group(Many(left / 400, i => ($"{i:x}", file.Dataset())));
            for (int depth = 0; depth < 50; depth++)
                inner = file.Group([(name, inner)]);
            return inner;
        }),
        ["json of objects"] = length => Bomb("{},", length),
        ["json of numbers"] = length => Bomb("0,", length),
        ["json of layers"] = length => Bomb("{\"config\":{}},", length),
        ["json of NaN"] = length => Bomb("NaN,", length),
        ["json of names"] = length => Bomb("{\"a\":0,\"b\":0,\"c\":0},", length),
        ["json that is stored"] = length => Zip(("metadata.json", "{}"), ("config.json", Json("{\"config\":{\"name\":\"a\"}},", length)), isStored: true),
        ["json of vocabulary"] = length => Zip(("metadata.json", "{}"), ("config.json", Json("\"wordwordword\",", length)), isStored: true),
        ["zip of many entries"] = length => Entries(length, isShared: false),
        ["zip entries that share a local header"] = length => Entries(length, isShared: true),
    };

    static ReadOnlySpan<byte> End => "PK\x05\x06"u8;

    // Version 0, no flags, no heap, no index.
    static byte[] NoHeap => [0, 0, .. Enumerable.Repeat((byte)255, 16)];

    /// <summary>An HDF5 file whose root a function makes.</summary>
    static byte[] Hdf5(int length, Func<Hdf5Maker, int, long> makeRoot)
    {
        var file = new Hdf5Maker();
        return file.Finish(makeRoot(file, length));
    }

    static long Nested(Hdf5Maker file, int depth)
    {
        long group = file.Group([]);
        for (; depth > 0; depth--)
            group = file.Group([("a", group)]);
        return group;
    }

    static IEnumerable<T> Many<T>(int count, Func<int, T> make) => Enumerable.Range(0, Math.Max(count, 1)).Select(make);

    // A name, the type of a text of fixed length, no axes, the text.
    static byte[] FixedText(string name, string text) =>
    [
        3, 0, (byte)(name.Length + 1), 0, 8, 0, 4, 0, 0, .. Encoding.ASCII.GetBytes(name), 0,
        0x13, 0, 0, 0, (byte)text.Length, 0, 0, 0, 2, 0, 0, 0, .. Encoding.ASCII.GetBytes(text),
    ];

    // A name, the type of a text of any length, no axes, and where in which heap the text is.
    static byte[] HeapText(string name, long heap, int length, int index = 1) =>
    [
        3, 0, (byte)(name.Length + 1), 0, 8, 0, 4, 0, 0, .. Encoding.ASCII.GetBytes(name), 0,
        0x19, 1, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0, .. BitConverter.GetBytes(length), .. BitConverter.GetBytes(heap), .. BitConverter.GetBytes(index),
    ];

    // Deflated, a megabyte of it takes a kilobyte or two.
    static byte[] Bomb(string item, int length) =>
        Zip(("metadata.json", "{}"), ("config.json", Json(item, (2 * length) + (7 << 20))), isStored: false, padding: length);

    static string Json(string item, int length) =>
        new StringBuilder("{\"class_name\": \"Sequential\", \"config\": {\"layers\": [").Insert(51, item, length / item.Length).Append("0]}}").ToString();

    static byte[] Zip((string Name, string Text) first, (string Name, string Text) second, bool isStored, int padding = 0)
    {
        var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, text) in new[] { first, second })
            {
                using Stream entry = zip.CreateEntry(name, isStored ? CompressionLevel.NoCompression : CompressionLevel.SmallestSize).Open();
                entry.Write(Encoding.ASCII.GetBytes(text));
            }

            using Stream weights = zip.CreateEntry("model.weights.h5", CompressionLevel.NoCompression).Open();
            var file = new Hdf5Maker();
            weights.Write(file.Finish(file.Group([])));
            if (padding > stream.Length)
                weights.Write(new byte[padding - stream.Length]);
        }

        return stream.ToArray();
    }

    // A directory of as many entries as there is place for, each of no bytes: with a header of its own, or all with one.
    static byte[] Entries(int length, bool isShared)
    {
        const int localLength = 30, entryLength = 46;
        int count = length / (isShared ? entryLength + 6 : entryLength + localLength + 12);
        var stream = new MemoryStream();
        var directory = new MemoryStream();
        for (int i = 0; i < count; i++)
        {
            byte[] name = Encoding.ASCII.GetBytes($"{i:x6}");
            long at = isShared ? 0 : stream.Length;
            if (at == stream.Length)
            {
                byte[] local = [.. "PK\x03\x04"u8, .. new byte[22], 6, 0, 0, 0];
                stream.Write(local);
                stream.Write(name);
            }

            byte[] entry = [.. "PK\x01\x02"u8, .. new byte[24], 6, 0, .. new byte[12], .. BitConverter.GetBytes((uint)at)];
            directory.Write(entry);
            directory.Write(name);
        }

        // The counts do not matter to who reads the entries one by one.
        byte[] end = [.. End, 0, 0, 0, 0, .. BitConverter.GetBytes((ushort)count), .. BitConverter.GetBytes((ushort)count),
            .. BitConverter.GetBytes((uint)directory.Length), .. BitConverter.GetBytes((uint)stream.Length), 0, 0];
        directory.WriteTo(stream);
        stream.Write(end);
        return stream.ToArray();
    }

    /// <summary>Makes an HDF5 file bottom up, with a superblock and object headers of version 2. Checksums are left out.</summary>
    sealed class Hdf5Maker
    {
        const int SuperblockLength = 48;

        readonly MemoryStream _file = new();

        public Hdf5Maker() => _file.Write(new byte[SuperblockLength]);

        public long Group(IEnumerable<(string Name, long Address)> links)
        {
            (ushort, byte[])[] messages = [(LinkInfo, NoHeap), .. links.Select(link => (Link, LinkTo(link.Name, link.Address)))];
            return Object(messages);
        }

        // No elements, of int8.
        public long Dataset() => Object(
        [
            (Dataspace, [2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            (Datatype, [0x10, 8, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0]),
            (Layout, [3, 1, .. new byte[16]]),
        ]);

        public long Object((ushort Type, byte[] Data)[] messages)
        {
            long address = _file.Length;
            byte[] header = [.. "OHDR"u8, 2, 2, .. BitConverter.GetBytes(messages.Sum(message => 4 + message.Data.Length))];
            _file.Write(header);
            foreach (var (type, data) in messages)
            {
                byte[] prefix = [(byte)type, .. BitConverter.GetBytes((ushort)data.Length), 0];
                _file.Write(prefix);
                _file.Write(data);
            }

            _file.Write(new byte[4]);
            return address;
        }

        public long Heap(params byte[][] items)
        {
            long address = _file.Length;
            byte[] header = [.. "GCOL"u8, 1, 0, 0, 0, .. BitConverter.GetBytes(16L + items.Sum(item => 16 + ((item.Length + 7L) & ~7L)))];
            _file.Write(header);
            for (int i = 0; i < items.Length; i++)
            {
                byte[] prefix = [.. BitConverter.GetBytes((ushort)(i + 1)), 0, 0, 0, 0, 0, 0, .. BitConverter.GetBytes(items[i].LongLength)];
                _file.Write(prefix);
                _file.Write(items[i]);
                _file.Write(new byte[-items[i].Length & 7]);
            }

            return address;
        }

        public byte[] Finish(long root)
        {
            byte[] file = _file.ToArray();
            byte[] start = [0x89, .. "HDF\r\n"u8, 0x1A, (byte)'\n', 2, 8, 8, 0];
            start.CopyTo(file, 0);
            BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(20), -1);
            BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(28), file.Length);
            BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(36), root);
            return file;
        }

        static byte[] LinkTo(string name, long address) =>
            [1, 1, .. BitConverter.GetBytes((ushort)name.Length), .. Encoding.ASCII.GetBytes(name), .. BitConverter.GetBytes(address)];
    }
}
