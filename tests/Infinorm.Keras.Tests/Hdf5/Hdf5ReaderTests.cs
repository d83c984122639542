using System.Buffers.Binary;
using Infinorm.Checkpoints;
using Infinorm.Keras.Hdf5;
using Infinorm.Types;
using Infinorm.Variables;
using PureHDF;
using PureHDF.Filters;

namespace Infinorm.Keras.Tests.Hdf5;

public class Hdf5ReaderTests
{
    const string Name = "x.h5";

    static byte[] Golden => File.ReadAllBytes(GoldenFile.PathOf("dense_float_lr.weights.h5"));

    // The dataspace of layers/dense/vars/0, [3, 4]: version 1, two axes, with their largest sizes.
    static ReadOnlySpan<byte> Dataspace => [1, 2, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0];

    [Theory]
    [MemberData(nameof(GoldenFile.Archives), MemberType = typeof(GoldenFile))]
    public void ReadsWhatPureHdfReads(string _, string archive)
    {
        if (!archive.EndsWith(".h5", StringComparison.Ordinal))
            return;
        Hdf5Group root = Hdf5Reader.Read(archive, File.ReadAllBytes(GoldenFile.PathOf(archive)));
        using var file = H5File.OpenRead(GoldenFile.PathOf(archive));
        foreach (var (path, dataset) in root.AllDatasets().Where(d => d.Dataset.Type.DType == DType.Float32))
        {
            var theirs = file.Dataset(path);
            Assert.Equal(theirs.Space.Dimensions, dataset.Shape.Select(size => (ulong)size));
            float[] values = dataset.Shape.Length == 0 ? [theirs.Read<float>()] : theirs.Read<float[]>();
            Assert.Equal(values, dataset.ToNdArray().AsSpan<float>().ToArray());
        }
    }

    [Fact]
    public void TypesWithoutADTypeAreNamed()
    {
        Hdf5Group root = Hdf5Reader.Read(Name, Write(new Dictionary<string, object>
        {
            ["a"] = new byte[] { 1, 2 },
            ["b"] = new uint[] { 1, 2, 3 },
            ["c"] = new sbyte[] { 1 },
            ["d"] = new H5Dataset(new byte[] { 1, 2, 3, 4, 5, 6 }, fileDims: [2], opaqueInfo: new H5OpaqueInfo(3, "tag")),
            ["e"] = new[] { "text" },
        }));
        Assert.Equal(["uint8", "uint32", "int8", "opaque", "variable-length"], root.Datasets.Values.Select(d => d.Type.Name));
        Assert.All(root.Datasets.Values, dataset => Assert.Null(dataset.Type.DType));
    }

    [Fact]
    public void AnAttributeWithoutAnyElementIsIgnored()
    {
        var root = new Hdf5Group();
        root.Attributes["none"] = "text";
        root.Attributes["name"] = "mlp";
        using var stream = new MemoryStream();
        Hdf5Writer.Write(stream, root);
        byte[] image = stream.ToArray();
        Assert.Equal("text", Hdf5Reader.Read(Name, image).Attributes["none"]);

        // After the name and a type of as many bytes as the message says the dataspace follows: version 2, no axes, no flags, its kind.
        int at = image.AsSpan().IndexOf("none\0"u8), space = at + 5 + BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(at - 5));
        Assert.Equal([2, 0, 0, 0], image[space..(space + 4)]);
        image[space + 3] = 2;
        Hdf5Group read = Hdf5Reader.Read(Name, image);
        Assert.Null(read.Attributes["none"]);
        Assert.Equal("mlp", read.Attributes["name"]);
        image[space + 3] = 3;
        Refuses("an attribute has a dataspace of kind 3, which does not exist", image);
    }

    [Fact]
    public void CompactChunkedAndCompressedStorageIsRefusedByName()
    {
        var values = new Dictionary<string, object> { ["a"] = new float[] { 1, 2 } };
        Refuses("a has compact storage, which is not supported", Write(values, new H5WriteOptions(PreferCompactDatasetLayout: true)));
        values["a"] = new H5Dataset(new float[] { 1, 2 }, chunks: [1]);
        Refuses("a has chunked storage, which is not supported", Write(values));
        Refuses("a is compressed or otherwise filtered, which is not supported",
            Write(values, new H5WriteOptions(Filters: [DeflateFilter.Id])));
    }

    [Fact]
    public void EveryTruncationIsRefused()
    {
        byte[] image = Golden;
        for (int length = 0; length < image.Length; length += length < 3000 ? 1 : 61)
            Assert.Throws<InvalidFileException>(() => Hdf5Reader.Read(Name, image[..length]));
    }

    [Fact]
    public void AbsurdDimensionsAreRefused()
    {
        foreach (ulong size in (ulong[])[5, 1UL << 40, ulong.MaxValue, 1UL << 63])
            Assert.Throws<InvalidFileException>(() => Hdf5Reader.Read(Name, Change(Dataspace, 8, size)));
        Refuses("layers/dense/vars/0 has 48 bytes; float32[5, 4] takes 80", Change(Dataspace, 8, 5UL));
    }

    [Fact]
    public void CirclesAreRefused()
    {
        byte[] image = Golden;
        image.AsSpan(0x610, 8).Clear(); // the root's link to its first group
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(0x5F0), 0x60); // leads to the root itself
        Refuses("the object header at 96 is reached twice", image);

        image = Golden;
        image[0x8D] = 1; // the root's B-tree has a level more
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(0xA8), 0x88); // and is its own child
        Refuses("the B-tree node at 136 is reached twice", image);
    }

    [Fact]
    public void DatasetsThatOverlapAreRefused()
    {
        var root = new Hdf5Group();
        foreach (string name in (string[])["a", "b"])
            root.Datasets[name] = Hdf5Dataset.Of(NdArray.Create(new float[10_000]));
        using var stream = new MemoryStream();
        Hdf5Writer.Write(stream, root);
        byte[] image = stream.ToArray();
        Hdf5Reader.Read(Name, image);

        // The second begins where the first does, or at the file's start.
        int[] layouts = [.. Enumerable.Range(8, image.Length - 16).Where(at => NumberAt(at) == 40_000 && NumberAt(at - 8) < (ulong)image.Length)];
        Assert.Equal(2, layouts.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(layouts[1] - 8), NumberAt(layouts[0] - 8));
        Refuses("the data of a and b overlap", image);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(layouts[1] - 8), 0);
        Refuses("the data of b and a overlap", image);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(layouts[0] - 8), 40_000);
        Refuses("the data of b lie where the file's structure is", image);

        ulong NumberAt(int at) => BinaryPrimitives.ReadUInt64LittleEndian(image.AsSpan(at));
    }

    static void Refuses(string problem, byte[] image)
    {
        var thrown = Assert.Throws<InvalidFileException>(() => Hdf5Reader.Read(Name, image));
        Assert.Equal($"{Name}: HDF5: {problem}", thrown.Message);
    }

    // The golden file with a number behind some bytes that occur in it changed.
    static byte[] Change(ReadOnlySpan<byte> bytes, int offset, ulong value)
    {
        byte[] image = Golden;
        int at = image.AsSpan().IndexOf(bytes);
        Assert.True(at > 0);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(at + offset), value);
        return image;
    }

    static byte[] Write(Dictionary<string, object> datasets, H5WriteOptions? options = null)
    {
        var file = new H5File();
        foreach (var (name, value) in datasets)
            file[name] = value;
        using var stream = new MemoryStream();
        file.Write(stream, options ?? new H5WriteOptions(PreferCompactDatasetLayout: false));
        return stream.ToArray();
    }
}
