using System.Collections.Concurrent;
using System.Globalization;
using Infinorm.Execution.Memory;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Tests.Execution;

/// <summary>Runs alone: it measures the time and the memory of the process.</summary>
[Collection(nameof(Properties.Alone))]
public sealed class WorkerTeamTests
{
    const int Large = 300_000; // ten tasks

    [Fact]
    public void HelpersTakePart()
    {
        Assert.SkipUnless(Environment.ProcessorCount > 1, "There are no helpers on one processor.");
        using var job = new TwoAtOnce();
        job.Run(tasks: 2, helpers: 1);
        Assert.Contains(job.Threads, name => name?.StartsWith("Infinorm helper", StringComparison.Ordinal) == true);
    }

    [Fact]
    public void AParkedTeamUsesNoProcessorTime()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only /proc tells the processor time of a thread by its name.");
        Assert.SkipUnless(Environment.ProcessorCount > 1, "There are no helpers on one processor.");
        Step(MakeOptimizer(out float[] gradient), gradient);
        while (Helpers().Any(fields => fields[0] != "S"))
            Thread.Sleep(1); // they spin for a tenth of a millisecond, on a busy machine whenever they get to it; then they sleep
        long before = HelperTicks();
        Thread.Sleep(1000);
        Assert.True(HelperTicks() - before <= 1, "A parked team used more than a hundredth of a processor.");

        // Hundredths of a second in user and kernel mode: fields 14 and 15. The first field here is the third, the state.
        static long HelperTicks() => Helpers()
            .Sum(fields => long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture));

        // The fields after the name in parentheses.
        static IEnumerable<string[]> Helpers() => Directory.GetDirectories("/proc/self/task")
            .Select(StatOf)
            .Where(stat => stat.Contains("(Infinorm helper", StringComparison.Ordinal))
            .Select(stat => stat[(stat.LastIndexOf(')') + 2)..].Split(' '));

        static string StatOf(string task)
        {
            try
            {
                return File.ReadAllText(Path.Combine(task, "stat"));
            }
            catch (IOException)
            {
                return ""; // a thread of the pool that has ended meanwhile; helpers do not end
            }
        }
    }

    [Fact]
    public void ManyOptimizersStepOnManyThreads()
    {
        byte[] expected = Train();
        var results = new byte[8][];
        Thread[] threads = [.. Enumerable.Range(0, 4).Select(t => new Thread(() => results[t] = Train()))];
        foreach (Thread thread in threads)
            thread.Start();
        Parallel.For(4, 8, t => results[t] = Train()); // and on the pool's
        foreach (Thread thread in threads)
            thread.Join();
        Assert.All(results, result => Assert.Equal(expected, result));

        static byte[] Train()
        {
            Optimizer optimizer = MakeOptimizer(out float[] gradient);
            for (int step = 0; step < 60; step++)
                Step(optimizer, gradient);
            return optimizer.TrainableVariables[0].ToNdArray().Bytes.ToArray();
        }
    }

    [Fact]
    public void ASecondThreadGetsAnErrorNeverATornStep()
    {
        Optimizer optimizer = MakeOptimizer(out float[] gradient), alone = MakeOptimizer(out _);
        int refused = 0, stepped = 0;
        Thread[] threads = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < 200; i++)
            {
                try
                {
                    Step(optimizer, gradient);
                    Interlocked.Increment(ref stepped);
                }
                catch (InvalidOperationException e) when (e.Message.Contains("in use", StringComparison.Ordinal))
                {
                    Interlocked.Increment(ref refused);
                }
            }
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();

        Assert.Equal(600, stepped + refused);
        Assert.Equal(stepped, optimizer.Iterations);
        for (int i = 0; i < stepped; i++)
            Step(alone, gradient);
        Assert.Equal(alone.TrainableVariables[0].ToNdArray().Bytes.ToArray(), optimizer.TrainableVariables[0].ToNdArray().Bytes.ToArray());
    }

    [Fact]
    public void OptimizersThatAreDroppedLeaveNothingBehind()
    {
        BuildAndDrop(200);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        BuildAndDrop(10_000);
        long after = GC.GetTotalMemory(forceFullCollection: true);
        // 10,000 optimizers of 80 kB of slots each: a thousandth of them would show.
        Assert.True(after - before < 800_000, $"{after - before} bytes more after 10,000 optimizers");

        static void BuildAndDrop(int count)
        {
            var variable = new Variable<float>("w", new float[Chunk.MaxCount / 2]);
            Gradient gradient = new float[variable.Length];
            for (int i = 0; i < count; i++)
            {
                var optimizer = new Adamax { UseEma = true };
                optimizer.Build(variable);
                optimizer.Apply(gradient);
            }
        }
    }

    static Optimizer MakeOptimizer(out float[] gradient)
    {
        var optimizer = new Adamax { GlobalClipNorm = 1, UseEma = true };
        optimizer.Build(new Variable<float>("w", new float[Large]));
        gradient = [.. Enumerable.Range(0, Large).Select(i => MathF.Sin(i))];
        return optimizer;
    }

    static void Step(Optimizer optimizer, float[] gradient) => optimizer.Apply(gradient);

    /// <summary>Each of two tasks waits for the other, so two threads must do them, however late the second comes.</summary>
    sealed class TwoAtOnce : Job, IDisposable
    {
        readonly Barrier _both = new(2);

        public ConcurrentBag<string?> Threads { get; } = [];

        protected override void Execute(int task)
        {
            Threads.Add(Thread.CurrentThread.Name);
            Assert.True(_both.SignalAndWait(TimeSpan.FromMinutes(10)), "No helper took the second task.");
        }

        public void Dispose() => _both.Dispose();
    }
}
