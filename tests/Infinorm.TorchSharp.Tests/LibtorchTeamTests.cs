using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Infinorm.Execution.Memory;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

[Collection(nameof(Alone))]
public class LibtorchTeamTests
{
    const int Large = 300_000; // ten tasks

    [Fact]
    public void LinuxHasIt() => Assert.Equal(OperatingSystem.IsLinux(), LibtorchTeam.Instance is not null);

    [Fact]
    public void LibtorchsThreadsTakePart()
    {
        OnAThread(libtorchThreads: 2, () =>
        {
            var job = new Recorded();
            // The caller may have done both tasks before the other thread begins.
            for (var time = Stopwatch.StartNew(); time.Elapsed < TimeSpan.FromMinutes(1) && job.Threads.Count < 2;)
                Assert.True(Team.TryRunAll(job, tasks: 2, helpers: 1));
            Assert.Equal(2, job.Threads.Count);
            Assert.DoesNotContain(job.Threads.Keys, thread => thread.Name?.StartsWith("Infinorm helper", StringComparison.Ordinal) == true);
        });
    }

    [Fact]
    public void ATaskThatThrowsThrowsAtTheCallerAfterAllTasks()
    {
        OnAThread(libtorchThreads: 2, () =>
        {
            var job = new Recorded { Failing = 7 };
            for (int i = 0; i < 20; i++)
            {
                job.Done = 0;
                Assert.Equal("task 7", Assert.Throws<InvalidDataException>(() => Team.TryRunAll(job, tasks: 10, helpers: 1)).Message);
                Assert.Equal(9, job.Done);
            }
        });
    }

    [Theory]
    [InlineData(1, 1)] // libtorch has no other thread
    [InlineData(3, 1)] // it has more than the step may have
    public void OtherNumbersOfThreadsAreLeftAlone(int libtorchThreads, int helpers)
    {
        OnAThread(libtorchThreads, () =>
        {
            var job = new Recorded();
            Assert.False(Team.TryRunAll(job, tasks: 10, helpers));
            Assert.Equal(10, job.Done); // on our own threads
        });
    }

    [Fact]
    public void AStepHasTheSameBitsOnAnyThreads()
    {
        OnAThread(libtorchThreads: 2, () =>
        {
            float[] expected = Train(new Adamax(0.1) { MaxDegreeOfParallelism = 1 }, usesLibtorchThreads: false);
            Assert.Equal(expected, Train(new Adamax(0.1) { MaxDegreeOfParallelism = 2 }, usesLibtorchThreads: false));
            Assert.Equal(expected, Train(new Adamax(0.1) { MaxDegreeOfParallelism = 2 }, usesLibtorchThreads: true));
        });
    }

    [Fact]
    public void StepsOfManyThreadsDoNotDisturbEachOther()
    {
        float[][] results = new float[3][];
        Parallel.For(0, results.Length, t => OnAThread(libtorchThreads: 2, () => results[t] = Train(Clipping(), usesLibtorchThreads: true)));
        Assert.All(results, result => Assert.Equal(Train(Clipping(), usesLibtorchThreads: false), result));

        static Adamax Clipping() => new(0.1) { MaxDegreeOfParallelism = 2, GlobalClipNorm = 1 };
    }

    // Operations of libtorch's and collections between the steps.
    static float[] Train(Adamax adamax, bool usesLibtorchThreads)
    {
        using Parameter parameter = Parameter(1, Large);
        using TorchOptimizer optimizer = adamax.For([("p", parameter)]);
        optimizer.UsesLibtorchThreads = usesLibtorchThreads;
        for (int i = 0; i < 6; i++)
        {
            using (Tensor loss = parameter.square().sum())
                loss.backward();
            if (i % 3 == 0)
                GC.Collect();
            optimizer.step();
        }

        Assert.Null(Job.Borrowed);
        return Floats(parameter);
    }

    // The number of libtorch's threads is each thread's own, but threads that have none take the one that was set last: afterwards one again.
    static void OnAThread(int libtorchThreads, Action action)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            set_num_threads(libtorchThreads);
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }
            finally
            {
                OneThread.Set();
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
            ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>The team, and whether it ran the job.</summary>
    sealed class Team : ITeam
    {
        bool _ran;

        public static bool TryRunAll(Job job, int tasks, int helpers)
        {
            var team = new Team();
            Job.Borrowed = team;
            try
            {
                job.Run(tasks, helpers);
            }
            finally
            {
                Job.Borrowed = null;
            }

            return team._ran;
        }

        public bool TryRun(Job job, int helpers) => _ran = LibtorchTeam.Instance!.TryRun(job, helpers);
    }

    sealed class Recorded : Job
    {
        public int Done;

        public int? Failing { get; init; }

        public ConcurrentDictionary<Thread, int> Threads { get; } = new();

        protected override void Execute(int task)
        {
            if (task == Failing)
                throw new InvalidDataException($"task {task}");
            Threads[Thread.CurrentThread] = task;
            Interlocked.Increment(ref Done);
        }
    }
}
