using Infinorm.Keras.Hdf5;

namespace Infinorm.Keras.Tests.Hdf5;

public class FileImageTests
{
    static byte[] Bytes { get; } = [.. Enumerable.Range(0, 3_000_003).Select(i => (byte)(i * 7 / 3))];

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // as a file beyond 2 GiB is held
    public void PiecesAreTheFiles(bool asWords)
    {
        FileImage image = FileImage.Read(new MemoryStream(Bytes), Bytes.Length, asWords);
        Assert.Equal(Bytes.Length, image.Length);
        foreach (var (start, length) in ((int, int)[])[(0, 0), (0, 9), (5, 3), (13, 1_000_001), (Bytes.Length - 3, 3), (Bytes.Length, 0)])
        {
            Assert.Equal(Bytes[start..(start + length)], image.Span(start, length).ToArray());
            Assert.Equal(Bytes[start..(start + length)], image.Range(start, length).ToArray<byte>());
        }

        Assert.ThrowsAny<ArgumentException>(() => image.Span(Bytes.Length - 2, 3).Length);
        Assert.ThrowsAny<ArgumentException>(() => image.Span(-1, 3).Length);
        image.Range(9, 4).Span(0, 4).Fill(1);
        using var written = new MemoryStream();
        image.WriteTo(written);
        Assert.Equal([.. Bytes[..9], 1, 1, 1, 1, .. Bytes[13..]], written.ToArray());
        Assert.Equal(written.ToArray(), image.ToArray());
    }

    [Fact]
    public void AFileThatIsCutOffIsFound() =>
        Assert.Throws<EndOfStreamException>(() => FileImage.Read(new MemoryStream(Bytes), Bytes.Length + 1));

    [Fact]
    public void AnHdf5FileIsReadFromEitherForm()
    {
        byte[] file = File.ReadAllBytes(GoldenFile.PathOf("dense_float_lr.weights.h5"));
        Hdf5Group expected = Hdf5Reader.Read("x", file);
        Hdf5Group read = Hdf5Reader.Read("x", FileImage.Read(new MemoryStream(file), file.Length, asWords: true));
        Assert.Equal(
            expected.AllDatasets().Select(d => (d.Path, Convert.ToHexString(d.Dataset.Data.ToArray<byte>()))),
            read.AllDatasets().Select(d => (d.Path, Convert.ToHexString(d.Dataset.Data.ToArray<byte>()))));
    }
}
