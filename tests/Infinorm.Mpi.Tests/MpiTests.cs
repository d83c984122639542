using System.Diagnostics;
using System.Globalization;
using Infinorm.Execution;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Mpi.Tests;

/// <summary>Jobs of real processes, under each MPI that is installed; tests of one that is not are skipped.</summary>
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
        foreach (string fault in (string[])["kill", "throw", "exit", "leave"])
        {
            (int exitCode, string text, DateTimeOffset end) = mpirun.Run(2, fault);
            Assert.True(exitCode != 0, $"{fault}: {text}");
            Assert.DoesNotContain("hash", text, StringComparison.Ordinal);
            if (fault == "kill")
            {
                long killed = long.Parse(text.Split("killed at ")[1].Split('.')[0], CultureInfo.InvariantCulture);
                double seconds = (end - DateTimeOffset.FromUnixTimeMilliseconds(killed)).TotalSeconds;
                output.WriteLine($"{launcher}: the job ended {seconds:0.0} s after a rank was killed");
                Assert.InRange(seconds, 0, 5);
            }

            if (fault == "leave")
                Assert.Contains("rank 1 of 2: it left, and the others did not within 2 s", text, StringComparison.Ordinal);
            if (fault == "exit")
                Assert.Contains("rank 1 of 2: it exits before its world was disposed", text, StringComparison.Ordinal);
        }
    });

    // Long before the others would end the job because nobody comes.
    [Theory]
    [MemberData(nameof(Launchers))]
    public void WhatOneRankRefusesIsSaidByAll(string launcher) => With(launcher, mpirun =>
    {
        (int exitCode, string text, _) = mpirun.Run(4, "refuse");
        Assert.Equal(0, exitCode);
        Assert.Equal(4, text.Split("rank 3 of 4: ArgumentException: large: gradient has 39999 elements, the variable has 40000.").Length - 1);
        (exitCode, text, _) = mpirun.Run(2, "save");
        Assert.Equal(0, exitCode);
        Assert.Equal(2, text.Split("The ranks make different calls: rank 0 is in a call of Apply that updates, rank 1 in Save.").Length - 1);
    });

    [Theory]
    [MemberData(nameof(Launchers))]
    public void ALateRankIsNamedAndWhereItIs(string launcher) => With(launcher, mpirun =>
    {
        (int exitCode, string text, _) = mpirun.Run(4, "late");
        Assert.True(exitCode == 0, text);
        Assert.Matches(
            "rank 0 of 4: waits 1 s in exchange ([0-9]+), all-gather: rank 3: at work for [0-9]+ s since exchange [0-9]+, all-gather; its optimizer was at call [0-9]+", text);
        Assert.DoesNotMatch("rank [12] of 4: waits", text); // one says it for all
        Assert.Contains("hash", text, StringComparison.Ordinal);
    });

    [Theory]
    [MemberData(nameof(Launchers))]
    public void ARankThatHangsEndsTheJobAndIsNamed(string launcher) => With(launcher, mpirun =>
    {
        (int exitCode, string text, _) = mpirun.Run(2, "hang");
        Assert.True(exitCode != 0, text);
        Assert.Matches("rank 0 of 2: waited 4 s in exchange [0-9]+, all-gather; the job ends: rank 1: at work for [0-9]+ s since exchange", text);
        (exitCode, text, _) = mpirun.Run(2, "stop");
        Assert.True(exitCode != 0, text);
        Assert.Matches("rank 0 of 2: waited 4 s in exchange [0-9]+, all-gather; the job ends: rank 1 does not answer", text);
    });

    // mpirun in a loop: whichever rank is killed whenever, and however many there are the next time.
    [Theory]
    [MemberData(nameof(Launchers))]
    public void ARunThatIsKilledAgainAndAgainEndsAsIfNothingHadHappened(string launcher) => With(launcher, mpirun =>
    {
        const int kills = 10;
        string[] run = ["none", "800", "0"], slowly = ["none", "800", "20"];
        using var folders = new TemporaryFolders();
        string expected = Hash(mpirun.Run(1, [.. run, folders.New()], null));
        string folder = folders.New();
        var random = new Random(launcher.Length);
        var moments = new List<string>();
        while (moments.Count < kills)
        {
            int ranks = 1 << random.Next(3), victim = random.Next(ranks), delay = random.Next(700);
            string file = Path.Combine(folder, $"{victim}.pid");
            File.Delete(file);
            (int exitCode, string text, _) = mpirun.Run(ranks, [.. slowly, folder], () => Kill(file, delay));
            Assert.True(exitCode != 0, $"The run was over before it was killed: {text}");
            moments.Add($"{victim} of {ranks} after {delay} ms");
        }

        output.WriteLine($"{launcher}: killed {string.Join(", ", moments)}");
        Assert.Equal(expected, Hash(mpirun.Run(2, [.. run, folder], null)));

        static string Hash((int ExitCode, string Output, DateTimeOffset) job)
        {
            Assert.True(job.ExitCode == 0, job.Output);
            return job.Output.Split("hash ")[1].Split()[0];
        }

        // So long after the rank has said who it is.
        static void Kill(string file, int delay)
        {
            int id;
            while (!File.Exists(file) || !int.TryParse(File.ReadAllText(file), CultureInfo.InvariantCulture, out id))
                Thread.Sleep(5);
            Thread.Sleep(delay);
            using Process rank = Process.GetProcessById(id);
            rank.Kill();
        }
    });

    [Theory]
    [MemberData(nameof(Launchers))]
    public void TheLibraryOfAnotherMpiIsRefused(string launcher) => With(launcher, mpirun =>
    {
        Assert.SkipUnless(Mpirun.All.All(other => other.IsInstalled), "This needs Open MPI and MPICH; eng/setup installs them.");
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

    static void With(string launcher, Action<Mpirun> test)
    {
        Mpirun mpirun = Mpirun.All.Single(other => other.Name == launcher);
        Assert.SkipUnless(mpirun.IsInstalled, $"{launcher} is not installed; eng/setup installs it.");
        test(mpirun);
    }

    sealed class TemporaryFolders : IDisposable
    {
        readonly List<string> _made = [];

        public string New()
        {
            _made.Add(Directory.CreateTempSubdirectory().FullName);
            return _made[^1];
        }

        public void Dispose() => _made.ForEach(folder => Directory.Delete(folder, recursive: true));
    }
}
