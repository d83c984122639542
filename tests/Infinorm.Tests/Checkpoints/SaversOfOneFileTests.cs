using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Infinorm.Checkpoints;

namespace Infinorm.Tests.Checkpoints;

/// <summary>Several save to one path at the same time: none fails, and nothing but whole files is there at any time.</summary>
public class SaversOfOneFileTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Processes_do_not_harm_each_other(int keep)
    {
        const int times = 150;
        using var folder = new TemporaryFolder();
        string path = folder / "state";
        Process[] savers = [.. Enumerable.Range(0, 2).Select(_ => Start(path, keep, times))];
        Task<string>[] errors = [.. savers.Select(saver => saver.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken))];
        Task[] output = [.. savers.Select(saver => saver.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken))];
        int read = 0;
        while (savers.Any(saver => !saver.HasExited))
        {
            if (File.Exists(path))
            {
                KilledWhileSavingTests.Number(path); // whole, and never missing from now on
                read++;
            }
        }

        for (int i = 0; i < savers.Length; i++)
        {
            Assert.Equal("", await errors[i]);
            await output[i];
            Assert.Equal(0, savers[i].ExitCode);
            savers[i].Dispose();
        }

        Assert.True(read > 0);
        Assert.Equal(["state", .. Enumerable.Range(1, keep).Select(age => $"state.{age}")], folder.Files);
        Assert.All(folder.Files, name => KilledWhileSavingTests.Number(folder / name));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public async Task Threads_do_not_harm_each_other_and_keep_has_the_last_ones(int keep)
    {
        const int savers = 4, times = 400;
        using var folder = new TemporaryFolder();
        string path = folder / "state";
        var texts = new ConcurrentBag<string>();
        await Task.WhenAll(Enumerable.Range(0, savers).Select(saver => Task.Run(() =>
        {
            for (int i = 0; i < times; i++)
            {
                string text = $"{saver} {i}";
                texts.Add(text);
                AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)), keep);
            }
        })));
        Assert.Equal(["state", .. Enumerable.Range(1, keep).Select(age => $"state.{age}")], folder.Files);
        string[] kept = [.. folder.Files.Select(name => File.ReadAllText(folder / name))];
        Assert.Equal(keep + 1, kept.Distinct().Intersect(texts).Count()); // no file twice, none lost
        Assert.EndsWith($" {times - 1}", kept[0]);
    }

    static Process Start(string path, int keep, int times) => Process.Start(
        new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Infinorm.SaveLoop.dll"), path, $"{keep}", $"{times}"])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
}
