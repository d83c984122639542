using System.IO.Compression;
using System.Text;
using Infinorm.Checkpoints;
using Infinorm.Tests;
using Infinorm.Tests.Checkpoints;

namespace Infinorm.Keras.Tests;

public class OtherFilesTests
{
    [Fact]
    public void AWholeModelInTheLayoutOfKeras2() =>
        Refuses(TestFile.PathOf("legacy.h5"), "a whole model in the HDF5 layout of Keras 2 (model.save('model.h5')), which an archive does not have. "
            + "KerasModel of Infinorm.Keras.TorchSharp opens it; or in Python: keras.models.load_model('model.h5').save('model.keras')");

    [Theory]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "a pointer of Git LFS")]
    [InlineData("{\"metadata\": {}, \"weight_map\": {}}", "a list of several files (shards)")]
    [InlineData("\u0008\0\0\0\0\0\0\0{}      ", "a safetensors file")]
    [InlineData("text", "neither a .keras archive (a zip file) nor a .weights.h5 file (HDF5)")]
    [InlineData("", "neither a .keras archive (a zip file) nor a .weights.h5 file (HDF5)")]
    public void AFileOfAnotherKind(string content, string problem)
    {
        using var folder = new TemporaryFolder();
        string path = folder / "x.keras";
        File.WriteAllBytes(path, Encoding.Latin1.GetBytes(content));
        Assert.StartsWith($"{path}: {problem}", Assert.Throws<InvalidFileException>(() => KerasArchive.Open(path)).Message);
    }

    [Theory]
    [InlineData("a.npy b.npy", "arrays of NumPy (.npz)")]
    [InlineData("config.json metadata.json model.weights.npz", "its weights are arrays of NumPy (model.weights.npz)")]
    [InlineData("model/data.pkl model/data/0", "a file of PyTorch")]
    [InlineData("m/config.json m/metadata.json m/model.weights.h5", "not a .keras archive: its entries lie in a folder, m/.")]
    [InlineData("readme.txt", "not a .keras archive: it has no model.weights.h5")]
    public void AZipFileOfAnotherKind(string entries, string problem)
    {
        using var folder = new TemporaryFolder();
        string path = folder / "x.keras";
        using (ZipArchive zip = ZipFile.Open(path, ZipArchiveMode.Create))
        {
            foreach (string entry in entries.Split(' '))
                zip.CreateEntry(entry);
        }

        Assert.StartsWith($"{path}: {problem}", Assert.Throws<InvalidFileException>(() => KerasArchive.Open(path)).Message);
    }

    [Theory]
    [InlineData("saved_model.pb", "a folder of TensorFlow's SavedModel")]
    [InlineData("model.weights.h5", "the folder of a .keras archive that was unzipped")]
    [InlineData("x", "a folder, not a .keras archive")]
    public void AFolder(string file, string problem)
    {
        using var folder = new TemporaryFolder();
        string path = Path.GetDirectoryName(folder / file)!;
        File.WriteAllText(Path.Combine(path, file), "");
        Assert.StartsWith($"{path}: {problem}", Assert.Throws<InvalidFileException>(() => KerasArchive.Open(path)).Message);
    }

    [Fact]
    public void OneShardOfSeveral()
    {
        using var folder = new TemporaryFolder();
        string shard = folder / "model_00001.weights.h5";
        File.Copy(TestFile.PathOf("adam.weights.h5"), shard);
        Assert.NotEmpty(KerasArchive.Open(shard).Weights); // the number may be an epoch's
        File.WriteAllText(folder / "model.weights.json", "{}");
        Refuses(shard, "one of several files (shards) that model.weights.json lists, with a part of the weights. "
            + "In Python, load the model and save it without max_shard_size: model.save('model.keras')");
    }

    static void Refuses(string path, string problem) => Refusal.Is<InvalidFileException>($"{path}: {problem}", () => KerasArchive.Open(path));
}
