using System.Globalization;

namespace Infinorm.Mpi;

/// <summary>The program that started this process, as told by the environment variables that it set.</summary>
/// <param name="Name">Its name, for messages; null for none.</param>
/// <param name="Libraries">The names that its MPI library may have.</param>
/// <param name="Size">The number of ranks that it started; null if it does not say.</param>
/// <param name="LocalSize">The number of them on this machine; null if it does not say.</param>
sealed record Launcher(string? Name, string[] Libraries, int? Size, int? LocalSize)
{
    static readonly string[] OpenMpi = ["libmpi.so.40", "libmpi.40.dylib"], Mpich = ["libmpich.so.12", "libmpi.so.12", "libmpi.12.dylib"];

    public static Launcher Find(Func<string, string?> variable)
    {
        if (variable("OMPI_COMM_WORLD_RANK") is not null)
            return new("Open MPI's mpirun", OpenMpi, Number("OMPI_COMM_WORLD_SIZE"), Number("OMPI_COMM_WORLD_LOCAL_SIZE"));
        if (variable("PMI_RANK") is not null)
            return new("MPICH's mpirun or another one with PMI", Mpich, Number("PMI_SIZE"), Number("MPI_LOCALNRANKS"));
        return variable("PMIX_RANK") is not null
            ? new("a launcher with PMIx", [.. OpenMpi, .. Mpich], Number("SLURM_NTASKS"), null)
            : new(null, [.. OpenMpi, .. Mpich], null, null);

        int? Number(string name) => int.TryParse(variable(name), CultureInfo.InvariantCulture, out int number) ? number : null;
    }
}
