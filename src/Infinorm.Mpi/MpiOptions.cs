namespace Infinorm.Mpi;

/// <summary>How a process takes part in an MPI job.</summary>
public sealed record MpiOptions
{
    /// <summary>
    /// The MPI library, a name or a path. The default is null: the library that the environment variable <c>INFINORM_MPI</c> names, or else that
    /// of the launcher.
    /// </summary>
    public string? Library { get; init; }

    /// <summary>How long a rank waits for the others before it ends the job. The default is ten minutes.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// How long a rank waits for the others before it asks them where they are and names, on standard error, those that are late. The default
    /// is 30 seconds.
    /// </summary>
    public TimeSpan RollCallAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a rank that leaves waits for the others to leave before it ends the job. The default is ten seconds.</summary>
    public TimeSpan GoodbyeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The number of threads of a rank that work on a step. The default is null: the number of processors that the process may use, divided by
    /// the number of ranks on the machine.
    /// </summary>
    public int? ThreadsPerRank { get; init; }
}
