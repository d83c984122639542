using System.Diagnostics;
using System.Runtime.InteropServices;
using Infinorm.Keras;
using Infinorm.Tests.Checkpoints;
using Infinorm.Variables;

namespace Infinorm.Tool.Tests;

/// <summary>The real command, stopped while it writes: the file is the former one or the new one, and nothing else is left.</summary>
public sealed partial class InterruptedTests : IDisposable
{
    const int Interrupt = 2, Terminate = 15, Attempts = 5, Elements = 20_000_000;

    readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Terminate)]
    public void NothingIsHalfWritten(int signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such signals.");
        string from = _folder / "large.weights.h5", to = _folder / "large.safetensors";
        KerasArchive.Create([new("layers/dense/vars/0", NdArray.Create(new float[Elements], 20_000, 1000))]).Save(from);
        int stopped = 0;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            File.WriteAllText(to, "former");
            var (code, error) = StopWhileItWrites(from, to, signal);
            Assert.Equal(["large.safetensors", "large.weights.h5"], _folder.Files);
            if (code == 130)
            {
                stopped++;
                Assert.EndsWith("infinorm: stopped\n", error);
                Assert.Equal("former", File.ReadAllText(to));
            }
            else
            {
                Assert.Equal(0, code); // it was quicker
                Assert.Equal("", Command.Succeed("diff", from, to).Output);
            }
        }

        Assert.True(stopped > 0, "It was never stopped while it wrote.");
    }

    (int Code, string Error) StopWhileItWrites(string from, string to, int signal)
    {
        // A shell that runs tests in the background has them ignore interrupts, and so the processes that they start.
        string[] listening = OperatingSystem.IsLinux() ? ["env", "--default-signal=INT"] : [];
        string[] command = [.. listening, "dotnet", Path.Combine(AppContext.BaseDirectory, "Infinorm.Tool.dll"), "convert", from, to];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        while (!process.HasExited && !_folder.Files.Any(name => name.EndsWith(".tmp")))
            Thread.Yield();
        Kill(process.Id, signal);
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error);
    }

    [DllImport("libc", EntryPoint = "kill")]
    static extern int Kill(int process, int signal);
}
