using Infinorm.Keras.Hdf5;
using Infinorm.Variables;
using PureHDF;

namespace Infinorm.Keras.Tests.Hdf5;

public class Hdf5WriterTests
{
    [Theory]
    [InlineData("float16", 2)]
    [InlineData("bfloat16", 2)]
    [InlineData("float32", 4)]
    [InlineData("float64", 8)]
    [InlineData("bool", 1)]
    [InlineData("int8", 1)]
    [InlineData("uint8", 1)]
    [InlineData("int16", 2)]
    [InlineData("uint16", 2)]
    [InlineData("int32", 4)]
    [InlineData("uint32", 4)]
    [InlineData("int64", 8)]
    [InlineData("uint64", 8)]
    public void EveryTypeIsReadAsItWasWritten(string name, int size)
    {
        var root = new Hdf5Group();
        Hdf5Group vars = root.Make("layers/mine/vars");
        vars.Attributes["name"] = "mine ä";
        root.Make("layers/flatten/vars");
        var random = new Random(1);
        foreach (nint[] shape in (nint[][])[[], [3], [2, 1, 3], [0, 4], [9], [3, 5, 2], [2, 2, 7, 1]])
        {
            var data = new byte[size * (int)shape.Aggregate((nint)1, (product, length) => product * length)];
            random.NextBytes(data);
            vars.Datasets.Add(vars.Datasets.Count.ToString(), new Hdf5Dataset(new Hdf5Type(name, size), shape, ByteRange.Of(data)));
        }

        Hdf5Writer.Check(root);
        foreach (int pieceLength in (int[])[int.MaxValue, 8, 24, 100]) // beyond it a dataset is written in pieces
            AssertSame(root, Hdf5Reader.Read("x", Write(root, pieceLength)), name, size);
    }

    static void AssertSame(Hdf5Group root, Hdf5Group again, string name, int size)
    {
        Assert.Equal(root.All().Select(g => g.Path).Order(), again.All().Select(g => g.Path).Order());
        Assert.Equal("mine ä", again.Find("layers/mine/vars")!.Attributes["name"]);
        foreach (var (key, expected) in root.Find("layers/mine/vars")!.Datasets)
        {
            Hdf5Dataset actual = again.Find("layers/mine/vars")!.Datasets[key];
            Assert.Equal((name, size), (actual.Type.Name, actual.Type.Size));
            Assert.Equal(expected.Shape, actual.Shape);
            Assert.Equal(expected.Data.ToArray<byte>(), actual.Data.ToArray<byte>());
        }
    }

    [Fact]
    public void PureHdfReadsIt()
    {
        var root = new Hdf5Group();
        root.Make("a/b").Datasets["0"] = Hdf5Dataset.Of(NdArray.Create([1f, 2, 3, 4], 2, 2));
        using var file = H5File.Open(new MemoryStream(Write(root)));
        Assert.Equal([1f, 2, 3, 4], file.Dataset("a/b/0").Read<float[]>());
    }

    [Fact]
    public void WhatCannotBeWrittenIsNamed()
    {
        var root = new Hdf5Group();
        root.Make("a").Datasets["b"] = new Hdf5Dataset(new Hdf5Type("opaque", 3), [1], ByteRange.Of(new byte[3]));
        Assert.Equal("a/b: data of type opaque cannot be written to a new file.", Assert.Throws<NotSupportedException>(() => Hdf5Writer.Check(root)).Message);
        root.Groups["a"].Datasets.Clear();
        root.Groups["a"].Attributes["shape"] = null;
        Assert.Equal("a: the attribute 'shape' is not a text and cannot be written.",
            Assert.Throws<NotSupportedException>(() => Hdf5Writer.Check(root)).Message);
    }

    static byte[] Write(Hdf5Group root, int pieceLength = int.MaxValue)
    {
        using var stream = new MemoryStream();
        Hdf5Writer.Write(stream, root, pieceLength);
        return stream.ToArray();
    }
}
