using System.IO.Compression;
using Infinorm.Checkpoints;

namespace Infinorm.Keras.Tests;

public class ZipEntryTests
{
    const string Name = "x.keras";

    static List<ZipEntry> Entries => ZipEntry.ReadAll(Name, File.OpenRead(GoldenFile.PathOf("dense_float_lr.keras")));

    [Fact]
    public void WhatIsWrittenIsRead()
    {
        List<ZipEntry> entries =
        [
            .. Entries, new ZipEntry("assets/", Array.Empty<byte>(), DateTimeOffset.UnixEpoch.AddYears(30)),
            new ZipEntry("assets/words.txt", new byte[5000], DateTimeOffset.UnixEpoch.AddYears(40), IsStored: false),
        ];
        List<ZipEntry> read = ZipEntry.ReadAll(Name, Zip(entries));
        Assert.Equal(entries.Select(e => (e.Name, e.Content.Length, e.IsStored, e.Attributes)), read.Select(e => (e.Name, e.Content.Length, e.IsStored, e.Attributes)));
        Assert.Equal(entries.SelectMany(e => e.Content), read.SelectMany(e => e.Content));
    }

    [Fact]
    public void ABombIsRefusedBeforeItIsDecompressed()
    {
        Stream bomb = Zip([new ZipEntry("model.weights.h5", new byte[200 << 20], DateTimeOffset.Now, IsStored: false)]);
        Assert.True(bomb.Length < 1 << 20);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Refuses($"its entries take more than {(2 * bomb.Length) + (8 << 20)} bytes, the file has {bomb.Length}", bomb);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Fact]
    public void AnEntryLongerThanItSaysIsRefused()
    {
        byte[] zip = ((MemoryStream)Zip([new ZipEntry("a", new byte[3_000_000], DateTimeOffset.Now, IsStored: false)])).ToArray();
        // The length stands in the entry's header and in the directory.
        for (int at = 0; at <= zip.Length - 4; at++)
        {
            if (BitConverter.ToInt32(zip, at) == 3_000_000)
                BitConverter.TryWriteBytes(zip.AsSpan(at), 3);
        }

        Assert.Throws<InvalidFileException>(() => ZipEntry.ReadAll(Name, new MemoryStream(zip)));
    }

    [Fact]
    public void DamageIsFound()
    {
        byte[] zip = File.ReadAllBytes(GoldenFile.PathOf("dense_float_lr.keras"));
        zip[10_000] ^= 1;
        Refuses("model.weights.h5 is damaged: its checksum is another one", new MemoryStream(zip));
    }

    [Fact]
    public void EveryTruncationIsRefused()
    {
        byte[] zip = File.ReadAllBytes(GoldenFile.PathOf("dense_float_lr.keras"));
        for (int length = 0; length < zip.Length; length += 97)
            Assert.Throws<InvalidFileException>(() => ZipEntry.ReadAll(Name, new MemoryStream(zip, 0, length)));
    }

    [Fact]
    public void TheSameNameTwiceIsRefused()
    {
        var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            zip.CreateEntry("a");
            zip.CreateEntry("a");
        }

        Refuses("the entry a is there twice", stream);
    }

    static void Refuses(string problem, Stream stream) =>
        Assert.Equal($"{Name}: {problem}", Assert.Throws<InvalidFileException>(() => ZipEntry.ReadAll(Name, stream)).Message);

    static MemoryStream Zip(IEnumerable<ZipEntry> entries)
    {
        var stream = new MemoryStream();
        ZipEntry.WriteAll(stream, entries);
        return stream;
    }
}
