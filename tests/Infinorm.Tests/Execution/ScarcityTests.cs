using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Infinorm.Execution.Memory;

namespace Infinorm.Tests.Execution;

/// <summary>Where memory or threads run out, nothing is half done, and what can go on goes on. Each runs in a process of its own.</summary>
public sealed class ScarcityTests
{
    [Fact]
    public void BuildWithoutMemoryChangesNothing() => Assert.Equal(
        "adamax: the state of 1 variables takes 180,001,728 bytes, for which there is no memory.", Run("build", megabytes: 160));

    [Fact]
    public void ALargeStepGoesOnWithoutHelpers()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere a process cannot be denied threads.");
        Assert.NotEqual("", Run("threads", megabytes: 0));
    }

    [Fact]
    public void StateBeyondWhatAnArrayHoldsIsAsMuchAsMemoryThatThereIsNot() =>
        Assert.Throws<OutOfMemoryException>(() => new Arena((nint)1 << 40));

    [Fact]
    public void AnArenaOfAnySizeEndsInItsMemory()
    {
        for (int bytes = 0; bytes < 300; bytes++)
        {
            var arena = new Arena(bytes);
            Span<byte> memory = MemoryMarshal.AsBytes(LinesOf(arena).AsSpan());
            Assert.True(memory.Overlaps(AsSpan(arena), out int start));
            Assert.True(start + Arena.Padded(bytes) <= memory.Length, $"An arena of {bytes} bytes begins at {start} of {memory.Length}.");
        }

        static unsafe Span<byte> AsSpan(Arena arena) => new(arena.First, 1);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_lines")]
    static extern ref Vector512<byte>[] LinesOf(Arena arena);

    static string Run(string what, int megabytes)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Infinorm.Scarcity.dll"), what])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (megabytes > 0)
            start.Environment["DOTNET_GCHeapHardLimit"] = $"{megabytes << 20:x}";
        start.Environment["DOTNET_Thread_DefaultStackSize"] = $"{1 << 30:x}";
        start.Environment["DOTNET_TieredCompilation"] = "0"; // nothing is compiled on another thread
        start.Environment["DOTNET_gcConcurrent"] = "0"; // nor collected
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal("", errors.GetAwaiter().GetResult());
        Assert.Equal(0, process.ExitCode);
        return output.Trim();
    }
}
