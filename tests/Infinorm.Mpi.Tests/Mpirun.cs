using System.Diagnostics;

namespace Infinorm.Mpi.Tests;

/// <summary>Starts jobs with an MPI that is installed on this machine.</summary>
/// <param name="name">Which.</param>
/// <param name="command">Its mpirun.</param>
/// <param name="options">What its mpirun needs here.</param>
sealed class Mpirun(string name, string command, string[] options)
{
    public static Mpirun[] All { get; } =
    [
        new("Open MPI", "mpirun.openmpi", ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]),
        new("MPICH", "mpirun.mpich", []),
    ];

    public string Name => name;

    public bool IsInstalled => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, command)));

    /// <summary>Runs the ranks and gives the exit code, what was printed, and the seconds that it took.</summary>
    public (int ExitCode, string Output, double Seconds) Run(int ranks, string fault = "none", params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(command, [
            .. options, "-np", $"{ranks}", Environment.ProcessPath is { } path && Path.GetFileName(path) == "dotnet" ? path : "dotnet",
            Path.Combine(AppContext.BaseDirectory, "Infinorm.MpiRank.dll"), fault,
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (variable, value) in environment)
            start.Environment[variable] = value;
        long from = Stopwatch.GetTimestamp();
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(3)))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{name}: {ranks} ranks with fault {fault} did not end.");
        }

        return (process.ExitCode, output.Result + errors.Result, Stopwatch.GetElapsedTime(from).TotalSeconds);
    }
}
