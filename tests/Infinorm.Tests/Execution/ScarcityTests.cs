using System.Diagnostics;
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

    static string Run(string what, int megabytes)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Infinorm.Scarcity.dll"), what])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (megabytes > 0)
            start.Environment["DOTNET_GCHeapHardLimit"] = $"{megabytes << 20:x}";
        start.Environment["DOTNET_Thread_DefaultStackSize"] = $"{64 << 20:x}";
        start.Environment["DOTNET_TieredCompilation"] = "0"; // nothing is compiled on another thread
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal("", errors.GetAwaiter().GetResult());
        Assert.Equal(0, process.ExitCode);
        return output.Trim();
    }
}
