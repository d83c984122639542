using System.Diagnostics;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Checkpoints;

/// <summary>A process that saves over and over is killed at random moments: the file is a whole state each time.</summary>
public sealed class KilledWhileSavingTests(ITestOutputHelper output)
{
    const int Kills = 200, Lanes = 4;

    [Fact]
    public void TheFileIsAWholeOlderOrNewerStateEachTime()
    {
        int caughtWriting = 0;
        Parallel.For(0, Lanes, new ParallelOptions { MaxDegreeOfParallelism = Lanes }, lane =>
        {
            using var folder = new TemporaryFolder();
            string path = folder / "state";
            var random = new Random(lane);
            for (int kill = 0; kill < Kills / Lanes; kill++)
            {
                Action anyTime = () => Thread.Sleep(random.Next(20)), whileWriting = () => SpinWait.SpinUntil(() => Unfinished(folder).Any());
                long saved = SaveUntilKilled(path, kill % 2 == 0 ? anyTime : whileWriting);
                long found = Number(path);
                Assert.InRange(found, saved, saved + 1);
                if (File.Exists(path + ".1"))
                    Assert.InRange(Number(path + ".1"), found - 1, found);
                string[] left = [.. Unfinished(folder)];
                Assert.InRange(left.Length, 0, 1); // those of former kills were removed by the next process
                Interlocked.Add(ref caughtWriting, left.Length);
            }
        });
        output.WriteLine($"{caughtWriting} of {Kills} were killed while they wrote the file.");
        Assert.InRange(caughtWriting, 1, Kills);

        static IEnumerable<string> Unfinished(TemporaryFolder folder) => folder.Files.Where(name => name.EndsWith(".tmp"));
    }

    /// <returns>The number of the last state that the process reported as saved.</returns>
    static long SaveUntilKilled(string path, Action wait)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Infinorm.SaveLoop.dll"), path])
        {
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        string? last = process.StandardOutput.ReadLine();
        wait();
        process.Kill(); // SIGKILL
        while (process.StandardOutput.ReadLine() is { } line)
            last = line;
        process.WaitForExit();
        return long.Parse(last!);
    }

    /// <summary>The number of the state in a file, all of whose elements must be it.</summary>
    internal static long Number(string path)
    {
        var weights = new Variable<float>("weights", new float[100_000]);
        var bias = new Variable<double>("bias", new double[100]);
        Optimizer optimizer = Optimizer.Load(path, [weights, bias]);
        foreach (Variable variable in optimizer.Variables.Append(weights).Append(bias))
        {
            ReadOnlySpan<double> values = variable.ToNdArray().Cast(DType.Float64).AsSpan<double>();
            Assert.Equal(-1, values.IndexOfAnyExcept((double)optimizer.Iterations));
        }

        return optimizer.Iterations;
    }
}
