using Infinorm.Checkpoints;
using Infinorm.Optimizers;
using Infinorm.Tests;
using Infinorm.Tests.Checkpoints;
using Infinorm.Variables;

namespace Infinorm.Keras.Tests;

public class KerasArchiveTests
{
    const string Dense = "dense_float_lr.keras", DenseWeights = "dense_float_lr.weights.h5";

    // How HDF5 describes a float32.
    static ReadOnlySpan<byte> FloatType => [0x11, 0x20, 0x1F, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127];

    static KerasArchive Open(string archive) => KerasArchive.Open(GoldenFile.PathOf(archive));

    [Fact]
    public void WeightsAreFoundByPathAndLocation()
    {
        KerasArchive archive = Open(Dense);
        Assert.Same(archive["hidden/kernel"], archive["layers/dense/vars/0"]);
        Assert.Equal("3.16.0", archive.Metadata!["keras_version"]!.GetValue<string>());
        Refusal.Is<KeyNotFoundException>(
            $"{GoldenFile.PathOf(Dense)} has no weight 'hidden'; its weights are hidden/kernel, hidden/bias, out/kernel, out/bias.",
            () => _ = archive["hidden"]);
        Assert.Throws<KeyNotFoundException>(() => archive.Read("optimizer/vars/99"));
    }

    [Fact]
    public void OtherFilesAreRefused()
    {
        using var folder = new TemporaryFolder();
        string path = folder / "model.keras";
        File.WriteAllText(path, "neither");
        Refusal.Is<InvalidFileException>($"{path}: neither a .keras archive (a zip file) nor a .weights.h5 file (HDF5)", () => KerasArchive.Open(path));
        Assert.Throws<FileNotFoundException>(() => KerasArchive.Open(folder / "none.keras"));
        Refusal.Is<ArgumentException>($"{GoldenFile.PathOf(Dense)} has a config of its own.", () => KerasArchive.Open(GoldenFile.PathOf(Dense), []));
    }

    [Theory]
    [InlineData("config.json", "not a .keras archive: it has no config.json")]
    [InlineData("metadata.json", "not a .keras archive: it has no metadata.json")]
    [InlineData("model.weights.h5", "not a .keras archive: it has no model.weights.h5")]
    public void AnArchiveHasThreeEntries(string missing, string problem)
    {
        using FileStream golden = File.OpenRead(GoldenFile.PathOf(Dense));
        List<ZipEntry> entries = ZipEntry.ReadAll(Dense, golden);
        entries.RemoveAll(entry => entry.Name == missing);
        Assert.Equal($"x: {problem}", Assert.Throws<InvalidFileException>(() => OpenZip(entries)).Message);
        if (missing != "model.weights.h5")
            return;
        entries.Add(new ZipEntry("model.weights.json", Array.Empty<byte>(), DateTimeOffset.Now));
        Assert.Equal("x: its weights lie in several files (shards), which is not supported. In Python, load the model and save it without max_shard_size: model.save('model.keras')",
            Assert.Throws<InvalidFileException>(() => OpenZip(entries)).Message);
    }

    [Fact]
    public void OtherEntriesStay()
    {
        using FileStream golden = File.OpenRead(GoldenFile.PathOf(Dense));
        List<ZipEntry> entries =
        [
            new ZipEntry("assets/lookup/vocabulary.txt", "a\nb\n"u8.ToArray(), DateTimeOffset.UnixEpoch.AddYears(50)), .. ZipEntry.ReadAll(Dense, golden),
        ];
        KerasArchive archive = OpenZip(entries);
        archive.LoadOptimizer().Apply([new float[12], new float[4], new float[8], new float[2]]);
        using var written = new MemoryStream();
        archive.Save(written);
        List<ZipEntry> again = ZipEntry.ReadAll(Dense, written);
        Assert.Equal(entries.Select(entry => entry.Name), again.Select(entry => entry.Name));
        Assert.Equal(entries[0].Content, again[0].Content);
        Assert.Equal(entries[0].Written, again[0].Written);
    }

    [Fact]
    public void DataOfOtherTypesAreKept()
    {
        // A dropout's random state, in the golden file's place of a bias: the same size, another type.
        byte[] image = File.ReadAllBytes(GoldenFile.PathOf(DenseWeights));
        int at = image.AsSpan().LastIndexOf(FloatType);
        Assert.True(at > 0);
        ((byte[])[0x10, 0, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0]).CopyTo(image, at);
        KerasArchive archive = KerasArchive.Open("x", new MemoryStream(image));
        string other = Assert.Single(archive.Others);
        Assert.EndsWith("uint32[2]", other);

        using var written = new MemoryStream();
        archive.Save(written, weightsOnly: true);
        Assert.Equal(image, written.ToArray());
    }

    [Fact]
    public void AnArchiveSavesAsWeightsAndBack()
    {
        using var folder = new TemporaryFolder();
        KerasArchive archive = Open(Dense);
        archive.Save(folder / "a.weights.h5");
        KerasArchive weights = KerasArchive.Open(folder / "a.weights.h5");
        Refusal.Is<InvalidOperationException>(
            $"{folder / "a.weights.h5"} has no model config, which a .keras archive needs; save it as .weights.h5.",
            () => weights.Save(folder / "b.keras"));

        KerasArchive.Open(folder / "a.weights.h5", archive.ModelConfig).Save(folder / "b.keras");
        KerasArchive again = KerasArchive.Open(folder / "b.keras");
        Assert.Equal(archive.ModelConfig!.ToJsonString(), again.ModelConfig!.ToJsonString());
        Assert.Equal(4, again.LoadOptimizer().Iterations);
        Assert.Equal(["a.weights.h5", "b.keras"], folder.Files);
    }

    [Fact]
    public void SavingThatFailsLeavesTheFileAsItWas()
    {
        using var folder = new TemporaryFolder();
        string path = folder / "a.keras";
        File.Copy(GoldenFile.PathOf("conv_ema.keras"), path);
        byte[] before = File.ReadAllBytes(path);
        KerasArchive archive = Open(Dense);
        Refusal.Is<ArgumentException>($"Keras reads .keras and .weights.h5 files: found \"{path}.h5\".", () => archive.Save(path + ".h5"));
        Assert.Throws<ArgumentOutOfRangeException>(() => archive.Save(path, keep: -1));
        Assert.Equal(before, File.ReadAllBytes(path));
        Assert.Equal(["a.keras"], folder.Files);

        archive.Save(path, keep: 1);
        Assert.Equal(["a.keras", "a.keras.1"], folder.Files);
        Assert.Equal(before, File.ReadAllBytes(path + ".1"));
    }

    [Fact]
    public void WhatCannotBeWrittenAnewIsRefusedBeforeAnythingIs()
    {
        byte[] image = File.ReadAllBytes(GoldenFile.PathOf(DenseWeights));
        int at = image.AsSpan().IndexOf(FloatType);
        image[at + 1] |= 1; // big-endian
        KerasArchive archive = KerasArchive.Open("x", new MemoryStream(image), Open(Dense).ModelConfig);
        var optimizer = new Adamax();
        optimizer.Build(archive.TrainableVariables);
        archive.Optimizer = optimizer;
        using var folder = new TemporaryFolder();
        string message = Assert.Throws<NotSupportedException>(() => archive.Save(folder / "a.weights.h5")).Message;
        Assert.EndsWith("data of type big-endian float32 cannot be written to a new file.", message);
        Assert.Empty(folder.Files);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("/a/b")]
    [InlineData("a/")]
    [InlineData("a//b")]
    public void ALocationIsAPath(string location) =>
        Refusal.Is<ArgumentException>($"'{location}' is not a location such as layers/dense/vars/0.",
            () => KerasArchive.Create([KeyValuePair.Create(location, NdArray.Create([1f]))]));

    [Fact]
    public void GroupsAreNestedNoDeeperThanTheyAreRead()
    {
        static string Deep(int groups) => string.Join('/', Enumerable.Repeat("a", groups));
        KeyValuePair<string, NdArray>[] arrays = [KeyValuePair.Create(Deep(64) + "/b", NdArray.Create([1f]))];
        var written = new MemoryStream();
        KerasArchive.Create(arrays, new Dictionary<string, string> { [Deep(64)] = "n" }).Save(written, weightsOnly: true);
        Assert.Equal([1f], KerasArchive.Open("x", written).Read(arrays[0].Key).AsSpan<float>());

        const string start = "'a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/…' is nested deeper than 64 groups.";
        Refusal.Is<ArgumentException>(start, () => KerasArchive.Create([KeyValuePair.Create(Deep(65) + "/b", NdArray.Create([1f]))]));
        Refusal.Is<ArgumentException>(start, () => KerasArchive.Create(arrays, new Dictionary<string, string> { [Deep(20_000)] = "n" }));
    }

    [Fact]
    public void AnArrayIsNoGroup()
    {
        NdArray value = NdArray.Create([1f]);
        Refusal.Is<ArgumentException>("'a/b' is an array and a group.",
            () => KerasArchive.Create([KeyValuePair.Create("a/b", value), KeyValuePair.Create("a/b/c", value)]));
        Refusal.Is<ArgumentException>("'a/b' is there twice.",
            () => KerasArchive.Create([KeyValuePair.Create("a/b", value), KeyValuePair.Create("a/b", value)]));
    }

    static KerasArchive OpenZip(List<ZipEntry> entries)
    {
        using var stream = new MemoryStream();
        ZipEntry.WriteAll(stream, entries);
        return KerasArchive.Open("x", stream);
    }
}
