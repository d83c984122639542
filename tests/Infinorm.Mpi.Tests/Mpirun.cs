using System.Diagnostics;

namespace Infinorm.Mpi.Tests;

/// <summary>Starts jobs with an MPI that is installed on this machine.</summary>
/// <param name="name">Which.</param>
/// <param name="command">Its mpirun.</param>
/// <param name="options">What its mpirun needs here.</param>
/// <param name="program">What each rank runs, beside this program.</param>
sealed class Mpirun(string name, string command, string[] options, string program)
{
    public static Mpirun[] All { get; } = For("Infinorm.MpiRank.dll");

    public static Mpirun[] For(string program) =>
    [
        new("Open MPI", "mpirun.openmpi", ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"], program),
        new("MPICH", "mpirun.mpich", [], program),
    ];

    public string Name => name;

    public bool IsInstalled => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, command)));

    /// <summary>Runs the ranks and gives the exit code, what was printed, and when the job ended.</summary>
    public (int ExitCode, string Output, DateTimeOffset End) Run(int ranks, string fault = "none", params (string Name, string Value)[] environment) =>
        Run(ranks, [fault], null, environment);

    /// <inheritdoc cref="Run(int, string, ValueTuple{string, string}[])"/>
    /// <param name="ranks">How many.</param>
    /// <param name="arguments">Of each rank.</param>
    /// <param name="whileItRuns">What is done once the job has started, before its end is waited for.</param>
    /// <param name="environment">What is set beside this process's.</param>
    public (int ExitCode, string Output, DateTimeOffset End) Run(
        int ranks, string[] arguments, Action? whileItRuns, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(command, [
            .. options, "-np", $"{ranks}", Environment.ProcessPath is { } path && Path.GetFileName(path) == "dotnet" ? path : "dotnet",
            Path.Combine(AppContext.BaseDirectory, program), .. arguments,
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (variable, value) in environment)
            start.Environment[variable] = value;
        using Process process = Process.Start(start)!;
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
            whileItRuns?.Invoke();
            if (!process.WaitForExit(TimeSpan.FromMinutes(3)))
                throw new TimeoutException($"{name}: {ranks} ranks with {string.Join(' ', arguments)} did not end.");
            DateTimeOffset end = DateTimeOffset.UtcNow;
            return (process.ExitCode, output.Result + errors.Result, end);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }
}
