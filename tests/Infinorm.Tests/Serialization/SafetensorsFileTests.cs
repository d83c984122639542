namespace Infinorm.Tests.Serialization;

public class SafetensorsFileTests
{
    const string Header = """{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"I32","shape":[1],"data_offsets":[8,12]}}""";

    [Fact]
    public void ReadsHeaderAndTensors()
    {
        byte[] bytes = PlainSafetensors.Make(Header, 12);
        using SafetensorsFile file = Open(bytes);
        Assert.Equal(["a", "b"], file.Tensors.Keys);
        Assert.Equal("v", file.Metadata["k"]);
        NdArray b = file.Read(file.Tensors["b"]);
        Assert.Equal(bytes[^4..], b.Bytes);
        Assert.Equal(DType.Int32, b.DType);
        var variable = new Variable<float>("a", new float[2], [2, 1]);
        file.Read(file.Tensors["a"], variable);
        Assert.Equal(bytes[^12..^4], variable.ToNdArray().Bytes);
    }

    [Fact]
    public void OpeningReadsNoData()
    {
        byte[] bytes = PlainSafetensors.Make(Header, 12);
        using var file = new SafetensorsFile(new FailingStream(new MemoryStream(bytes), bytes.Length - 12), "x");
        Assert.Throws<IOException>(() => file.Read(file.Tensors["b"]));
    }

    [Fact]
    public void ReadsAVariableOfSeveralPieces()
    {
        int length = (2 * Variable.PieceLength) + 1;
        var variable = new Variable<int>("a", Enumerable.Range(0, length).ToArray());
        var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, [], [SafetensorsTensor.Of("a", variable)]);
        using SafetensorsFile file = Open(stream.ToArray());
        var copy = new Variable<int>("a", new int[length]);
        file.Read(file.Tensors["a"], copy);
        Assert.True(variable.Span.SequenceEqual(copy.Span));
    }

    [Fact]
    public void RefusesAFileCutOffAnywhere()
    {
        byte[] bytes = PlainSafetensors.Make(Header, 12);
        for (int length = 0; length < bytes.Length; length++)
            Assert.StartsWith("x: ", Assert.Throws<InvalidFileException>(() => Open(bytes[..length])).Message);
    }

    [Theory]
    [InlineData(3, "x: it has 3 bytes; a safetensors file begins with the 8 bytes of its header's length", 1, 2, 3)]
    [InlineData(9, "x: its header is said to have 2 bytes; after its length the file has 1", 2, 0, 0, 0, 0, 0, 0, 0, 0x7B)]
    [InlineData(10, "x: its header is said to have 144115188075855872 bytes; at most 3145728 are supported", 0, 0, 0, 0, 0, 0, 0, 2, 0x7B, 0x7D)]
    [InlineData(8, "x: its header is said to have 18446744073709551615 bytes; at most 3145728 are supported",
        255, 255, 255, 255, 255, 255, 255, 255)]
    [InlineData(8, "x: the header does not begin with '{'", 0, 0, 0, 0, 0, 0, 0, 0)]
    public void RefusesALengthThatCannotBe(int length, string message, params int[] bytes) =>
        Assert.Equal(message, Assert.Throws<InvalidFileException>(() => Open(Array.ConvertAll(bytes, x => (byte)x)[..length])).Message);

    [Fact]
    public void AFileThatBecomesShorterIsInvalid()
    {
        byte[] bytes = PlainSafetensors.Make(Header, 12);
        var stream = new MemoryStream();
        stream.Write(bytes);
        stream.Position = 0;
        using var file = new SafetensorsFile(stream, "x");
        stream.SetLength(bytes.Length - 1);
        Assert.Equal("x: it ends too early: it became shorter while it was read",
            Assert.Throws<InvalidFileException>(() => file.Read(file.Tensors["b"])).Message);
    }

    [Fact]
    public void OpensByPath()
    {
        using var folder = new TemporaryFolder();
        string path = folder / "x.safetensors";
        File.WriteAllBytes(path, PlainSafetensors.Make(Header, 12));
        using (SafetensorsFile file = SafetensorsFile.Open(path))
            Assert.Equal(2, file.Tensors.Count);
        File.WriteAllText(path, "no");
        var invalid = Assert.Throws<InvalidFileException>(() => SafetensorsFile.Open(path));
        Assert.Equal(path, invalid.File);
        Assert.StartsWith(path, invalid.Message);
        Assert.Throws<FileNotFoundException>(() => SafetensorsFile.Open(folder / "missing"));
        if (OperatingSystem.IsLinux())
            Assert.Throws<InvalidFileException>(() => SafetensorsFile.Open("/dev/zero"));
    }

    static SafetensorsFile Open(byte[] bytes) => new(new MemoryStream(bytes), "x");
}
