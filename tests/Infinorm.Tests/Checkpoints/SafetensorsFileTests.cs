using System.Text;
using Infinorm.Checkpoints;
using Infinorm.Optimizers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Checkpoints;

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
        var part = new byte[2];
        file.Read(file.Tensors["b"], start: 1, part);
        Assert.Equal(bytes[^3..^1], part);
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

    [Theory]
    [InlineData(true)]
    [InlineData(false)] // as a download
    public void AStreamIsReadFromWhereItStands(bool seeks)
    {
        byte[] bytes = PlainSafetensors.Make(Header, 12);
        using var stream = seeks ? new MemoryStream([1, 2, 3, .. bytes]) : new ForwardStream([1, 2, 3, .. bytes]);
        stream.ReadExactly(new byte[3]);
        using SafetensorsFile file = SafetensorsFile.Open(stream);
        Assert.Equal(bytes[^4..], file.Read(file.Tensors["b"]).Bytes);
        Assert.Equal(bytes[^12..^4], file.Read(file.Tensors["a"]).Bytes);
        file.Dispose();
        Assert.True(stream.CanRead); // it is its owner who closes it
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
    [InlineData(10, "x: its header is said to have 144115188075855872 bytes; at most 100000000 are supported", 0, 0, 0, 0, 0, 0, 0, 2, 0x7B, 0x7D)]
    [InlineData(8, "x: its header is said to have 18446744073709551615 bytes; at most 100000000 are supported",
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

    [Fact]
    public void AHeaderMayBeAsLongAsTheOptionsSay()
    {
        using var folder = new TemporaryFolder();
        string path = folder / "x.safetensors";
        var optimizer = new Adamax();
        optimizer.Build(new Variable<float>("w", new float[1]));
        optimizer.Save(path);
        int length = (int)BitConverter.ToInt64(File.ReadAllBytes(path));
        optimizer.Restore(path, new LoadOptions { MaxHeaderLength = length });
        foreach (Action load in new Action[]
        {
            () => optimizer.Restore(path, new LoadOptions { MaxHeaderLength = length - 1 }),
            () => Optimizer.Load(path, optimizer.TrainableVariables, new LoadOptions { MaxHeaderLength = length - 1 }),
        })
        {
            Refusal.Is<InvalidFileException>($"{path}: its header is said to have {length} bytes; at most {length - 1} are supported", load);
        }

        Assert.Throws<ArgumentOutOfRangeException>("MaxHeaderLength", () => new LoadOptions { MaxHeaderLength = -1 });
    }

    [Theory]
    [InlineData("\u0089PNG\r\n\u001a\n\0\0\0\rIHDR", "a PNG picture")]
    [InlineData("\u0089HDF\r\n\u001a\n\0\0\0\0\0\b\b\0", "an HDF5 file; KerasArchive.Open reads Keras's .weights.h5 files")]
    [InlineData("PK\u0003\u0004\u0014\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\u000d\0\0\0metadata.json{", "a zip file; KerasArchive.Open reads Keras's .keras archives")]
    [InlineData("PK\u0003\u0004\u0014\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\u0005\0\0\0a.npyx", "a NumPy archive (.npz)")]
    [InlineData("PK\u0003\u0004\0\0\u0008\u0008\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\u0010\0\0\0archive/data.pkl", "a PyTorch file (.pt, .pth)")]
    [InlineData("PK\u0003\u0004", "a zip file; KerasArchive.Open reads Keras's .keras archives")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:", "a Git LFS pointer, not the file it stands for; git lfs pull fetches that")]
    [InlineData("{\"class_name\": \"Adamax\"}", "JSON text; Optimizer.Get reads an optimizer's config")]
    [InlineData("# Notes\nof any length", "text")]
    [InlineData(" \n[1]", "JSON text; Optimizer.Get reads an optimizer's config")]
    [InlineData("\u0093NUMPY\u0001\0v\0{", "a NumPy array (.npy)")]
    [InlineData("\u001f\u008b\u0008\0\0\0\0\0\0", "a gzip file; unpack it first")]
    [InlineData("", "empty")]
    public void AFileOfAnotherKindIsCalledByIt(string bytes, string kind) =>
        Refusal.Is<InvalidFileException>($"x: it is {kind}", () => Open(Encoding.Latin1.GetBytes(bytes)));

    [Fact]
    public void AFolderIsCalledByThat()
    {
        using var folder = new TemporaryFolder();
        Refusal.Is<InvalidFileException>($"{folder / ""}: it is a folder, not a file", () => SafetensorsFile.Open(folder / ""));
    }

    sealed class ForwardStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override long Seek(long offset, SeekOrigin loc) => throw new NotSupportedException();
    }

    static SafetensorsFile Open(byte[] bytes) => new(new MemoryStream(bytes), "x");
}
