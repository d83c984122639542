using System.Globalization;

namespace Infinorm.Samples.Tests;

public sealed class KerasResumeTests : IDisposable
{
    readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("infinorm-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void ItHasHelp()
    {
        var (exitCode, output, _) = Run("--help");
        Assert.Equal(0, exitCode);
        Assert.Contains("FILE", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("resumed.png", "must end in .keras; found resumed.png")]
    [InlineData("none/resumed.keras", "no such folder")]
    [InlineData("--nonsense", "nonsense")]
    public void WrongArgumentsAreOneLineBeforeTheTraining(string argument, string message)
    {
        var (exitCode, output, error) = Run(argument.StartsWith('-') ? argument : Path.Combine(_folder.FullName, argument));
        Assert.Equal(2, exitCode);
        Assert.Contains(message, error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd().Split('\n'));
        Assert.Equal("", output);
        Assert.Empty(_folder.GetFileSystemInfos());
    }

    [Fact]
    public void ItHearsMoreUnderNoiseAndSavesTheModel()
    {
        string path = Path.Combine(_folder.FullName, "resumed.keras"), picture = Path.Combine(_folder.FullName, "resume.png");
        var (exitCode, output, error) = Run(path, "--epochs", "2", "--out", picture);
        Assert.True(exitCode == 0, error);
        double[][] noisy = [.. output.Split('\n').Where(line => line.Contains(" 5 dB ", StringComparison.Ordinal)).Select(line => line
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[3..].Select(number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray())];
        Assert.Equal(5, noisy.Length);
        Assert.True(noisy.Average(accuracy => accuracy[1]) > noisy.Average(accuracy => accuracy[0]), output);
        Assert.Equal(736, Keras.KerasArchive.Open(path).LoadOptimizer().Iterations); // 32 epochs of 23 batches
        Assert.True(new FileInfo(picture).Length > 1000);
    }

    static (int ExitCode, string Output, string Error) Run(params string[] arguments)
    {
        var start = new System.Diagnostics.ProcessStartInfo(
            Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet",
            [Path.Combine(AppContext.BaseDirectory, "KerasResume.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = System.Diagnostics.Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.GetAwaiter().GetResult());
    }
}
