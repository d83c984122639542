using Infinorm.Execution;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Mpi.Tests;

/// <summary>Jobs of real processes, under each MPI that is installed; a test says which is not.</summary>
public sealed class MpiTests(ITestOutputHelper output)
{
    public static TheoryData<string> Launchers => [.. Mpirun.All.Select(mpirun => mpirun.Name)];

    [Theory]
    [MemberData(nameof(Launchers))]
    public void AnyNumberOfProcessesGivesTheSameBits(string launcher) => With(launcher, mpirun =>
    {
        string[] hashes = [.. ((int[])[1, 2, 4]).Select(ranks =>
        {
            (int exitCode, string text, _) = mpirun.Run(ranks);
            Assert.True(exitCode == 0, text);
            Assert.Contains($"{ranks} ranks, hash ", text, StringComparison.Ordinal);
            return text.Split("hash ")[1].Split()[0];
        })];
        Assert.All(hashes, hash => Assert.Equal(hashes[0], hash));
    });

    [Theory]
    [MemberData(nameof(Launchers))]
    public void ARankThatEndsInAnyWayEndsTheJob(string launcher) => With(launcher, mpirun =>
    {
        foreach (string fault in (string[])["kill", "throw", "exit", "leave", "hang"])
        {
            (int exitCode, string text, double seconds) = mpirun.Run(2, fault);
            output.WriteLine($"{launcher}, {fault}: exit code {exitCode} after {seconds:0.0} s");
            Assert.True(exitCode != 0, $"{fault}: {text}");
            Assert.DoesNotContain("hash", text, StringComparison.Ordinal);
            if (fault == "hang")
                Assert.Matches("rank 0 of 2: waited 2 s in exchange [0-9]+, all-to-all", text);
            if (fault == "leave")
                Assert.Contains("rank 1 of 2: it left, and the others did not within 2 s", text, StringComparison.Ordinal);
            if (fault == "exit")
                Assert.Contains("rank 1 of 2: it exits before its world was disposed", text, StringComparison.Ordinal);
        }
    });

    [Theory]
    [MemberData(nameof(Launchers))]
    public void TheLibraryOfAnotherMpiIsRefused(string launcher) => With(launcher, mpirun =>
    {
        if (!Mpirun.All.All(other => other.IsInstalled))
        {
            output.WriteLine("Left out: this needs Open MPI and MPICH.");
            return;
        }

        (int exitCode, string text, _) = mpirun.Run(
            2, "none", ("INFINORM_MPI", launcher == "Open MPI" ? "libmpich.so.12" : "libmpi.so.40"));
        Assert.True(exitCode != 0, text);
        Assert.Matches("started 2 ranks, but libmpi.* sees 1: the launcher and the library are not of one MPI", text);
    });

    [Fact]
    public void WithoutALauncherAProcessIsAlone()
    {
        Variable[] variables = [new Variable<float>("w", new float[3])];
        IEnumerable<float[]> batches = Enumerable.Range(0, 16).Select(batch => new[] { batch, 1f, 2f });

        // snippet
        using World world = MpiWorld.Start(); // the job that mpirun started; alone without it
        var optimizer = new Adamax(1e-3) { GradientAccumulationSteps = 8 };
        optimizer.Over(world); // 8 batches an update, whatever the number of ranks
        optimizer.Build(variables);
        foreach (float[] batch in world.Share(batches)) // this rank's part of each 8
            optimizer.Apply(GradientOf(batch));
        // end
        Assert.Equal((0, 1), (world.Rank, world.Size));
        Assert.Equal(2, optimizer.Iterations);

        static float[] GradientOf(float[] batch) => batch;
    }

    [Fact]
    public void TheLauncherIsKnownByItsEnvironment()
    {
        var openMpi = Launcher.Find(name => name switch { "OMPI_COMM_WORLD_RANK" => "1", "OMPI_COMM_WORLD_SIZE" => "4", "PMIX_RANK" => "1", _ => null });
        Assert.Equal(("libmpi.so.40", 4), (openMpi.Libraries[0], openMpi.Size));
        var mpich = Launcher.Find(name => name switch { "PMI_RANK" => "0", "PMI_SIZE" => "2", "MPI_LOCALNRANKS" => "2", _ => null });
        Assert.Equal(("libmpich.so.12", 2, 2), (mpich.Libraries[0], mpich.Size, mpich.LocalSize));
        Assert.Null(Launcher.Find(_ => null).Name);
    }

    [Fact]
    public void AMissingLibraryIsNamed() => Assert.Contains(
        "looked for libnone.so.1", Assert.Throws<WorldException>(() => MpiLibrary.Load(["libnone.so.1"])).Message, StringComparison.Ordinal);

    void With(string launcher, Action<Mpirun> test)
    {
        Mpirun mpirun = Mpirun.All.Single(other => other.Name == launcher);
        if (mpirun.IsInstalled)
            test(mpirun);
        else
            output.WriteLine($"Left out: {launcher} is not installed.");
    }
}
