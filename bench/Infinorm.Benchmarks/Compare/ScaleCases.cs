using System.Globalization;
using Infinorm.Execution;
using Infinorm.Mpi.Tests;
using Infinorm.Optimizers;
using Infinorm.Variables;
using static Infinorm.Benchmarks.Workbench;

namespace Infinorm.Benchmarks;

/// <summary>
/// What an update over ranks takes and sends: ranks as threads of this process, and processes of this machine under each MPI that is installed.
/// The network of a real job is not in it; docs/scale.md says what that adds by calculation.
/// </summary>
static class ScaleCases
{
    const int Length = 25 * M;

    public static IEnumerable<Case> All()
    {
        // Two batches an update in both. How fast a large array is depends on the pages that it was given, so each gets others several times.
        const int Makes = 5;
        yield return new("scale/alone/25M", budget => Measurement.Of(
            Rounds.Join(Enumerable.Range(0, Makes).Select(_ => Rounds.Measure(
                [TwoBatches(World.Alone), TwoBatches(null)], budget.Part(1.0 / Makes), Settle(AllThreads)))),
            times => times[0] / times[1]));

        // Against summing the gradients of both on both, from each other's memory, and the whole step on both.
        yield return new("scale/update/25M/2R", budget =>
        {
            using var sharded = new TwoRanks(world => Step(world, gradient => gradient));
            using var whole = new TwoRanks(world =>
            {
                float[] sum = new float[Length];
                return Step(null, gradient =>
                {
                    AllReduce(world, gradient, sum);
                    return sum;
                });
            });
            return Measurement.Of(Rounds.Measure([new(sharded.Step), new(whole.Step)], budget, Settle(AllThreads)), times => times[0] / times[1]);
        });

        foreach (Case measured in MpiCases())
            yield return measured;
        yield return State(2);
        yield return State(8);

        // What a rank sends in an update, against a ring all-reduce of the gradients.
        foreach (int ranks in (int[])[2, 8])
        {
            yield return new($"scale/bytes/{ranks}R", _ =>
            {
                CountingWorld[] worlds = [.. World.Threads(ranks).Select(world => new CountingWorld(world))];
                Parallel(worlds, world =>
                {
                    var optimizer = new Adamax { GradientAccumulationSteps = ranks };
                    optimizer.Over(world);
                    optimizer.Build(new Variable<float>("weights", new float[M]));
                    world.Sent = 0;
                    optimizer.Apply(new float[M]);
                });
                return new(worlds.Max(world => world.Sent) / (2.0 * (ranks - 1) / ranks * M * sizeof(float)));
            });
        }
    }

    // Bytes of the slots that a rank allocates, against those of one process.
    static Case State(int ranks) => new($"scale/state/{ranks}R", _ =>
    {
        long[] allocated = new long[ranks];
        Parallel([.. World.Threads(ranks)], world => allocated[world.Rank] = SlotBytes(world));
        return new((double)allocated.Max() / SlotBytes(null));

        static long SlotBytes(World? world) =>
            BuildBytes(new Adamax { GradientAccumulationSteps = world?.Size }, world) - BuildBytes(new Sgd { GradientAccumulationSteps = world?.Size }, world);

        static long BuildBytes(RuleOptimizer optimizer, World? world)
        {
            if (world is not null)
                optimizer.Over(world);
            Variable[] variables = [new Variable<float>("kernel", new float[8 * M]), .. Enumerable.Range(0, 100).Select(i => new Variable<float>($"bias{i}", new float[K]))];
            long before = GC.GetAllocatedBytesForCurrentThread();
            optimizer.Build(variables);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    });

    // In a job of two processes, as rank 0 reports it.
    static IEnumerable<Case> MpiCases() =>
        from mpirun in Mpirun.For("Infinorm.Benchmarks.dll")
        from kind in RankCommand.Kinds
        select new Case($"scale/{kind}/2R/{mpirun.Name.Replace(" ", "", StringComparison.Ordinal).ToLowerInvariant()}", budget =>
        {
            if (!mpirun.IsInstalled)
                return new(double.NaN, Remark: $"{mpirun.Name} is not installed");
            string seconds = budget.Time.TotalSeconds.ToString(CultureInfo.InvariantCulture);
            (int exitCode, string output, DateTimeOffset end) = mpirun.Run(2, ["rank", kind, seconds], null);
            if (kind == RankCommand.Killed)
                return new((end - DateTimeOffset.FromUnixTimeMilliseconds((long)Numbers(output)[0])).TotalSeconds);
            if (exitCode != 0)
                throw new InvalidOperationException($"{mpirun.Name}: {output}");
            double[] numbers = Numbers(output);
            return numbers.Length == 1 ? new(numbers[0]) : new(numbers[0], (numbers[1], numbers[2]), numbers[3], numbers[4]);
        });

    static double[] Numbers(string output) => Array.ConvertAll(
        output.Split(RankCommand.Mark)[1].Split('\n')[0].Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
        number => double.Parse(number, CultureInfo.InvariantCulture));

    static Contender TwoBatches(World? world)
    {
        Action step = Step(world, gradient => gradient, batches: 2);
        return new(() =>
        {
            step();
            step();
        });
    }

    static Action Step(World? world, Func<float[], float[]> exchange, int? batches = null)
    {
        var optimizer = new Adamax { MaxDegreeOfParallelism = world is { Size: > 1 } ? 1 : AllThreads, GradientAccumulationSteps = batches ?? world?.Size };
        if (world is not null)
            optimizer.Over(world);
        optimizer.Build(new Variable<float>("weights", new float[Length]));
        float[] gradient = new float[Length];
        new Random(world?.Rank ?? 0).NextBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(gradient.AsSpan(0, K)));
        return () => optimizer.Apply(exchange(gradient));
    }

    // All-to-all of pieces, sums, and an all-gather: what libraries do for large arrays.
    static void AllReduce(World world, float[] gradient, float[] sum)
    {
        int half = gradient.Length / 2, bytes = half * sizeof(float);
        float[] parts = new float[gradient.Length];
        world.AllToAll(Bytes(gradient), [bytes, bytes], Bytes(parts), [bytes, bytes]);
        System.Numerics.Tensors.TensorPrimitives.Add(parts.AsSpan(0, half), parts.AsSpan(half), parts.AsSpan(0, half));
        world.AllGather(Bytes(parts)[..bytes], Bytes(sum), [bytes, bytes]);

        static Span<byte> Bytes(float[] values) => System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan());
    }

    static void Parallel<T>(T[] worlds, Action<T> body)
    {
        Thread[] threads = [.. worlds.Select(world => new Thread(() => body(world)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
    }

    // Two threads that make their steps together.
    sealed class TwoRanks : IDisposable
    {
        readonly Barrier _barrier = new(3);
        readonly Thread[] _threads;
        volatile bool _isOver;

        public TwoRanks(Func<World, Action> make)
        {
            _threads = [.. World.Threads(2).Select(world => new Thread(() =>
            {
                Action step = make(world);
                while (true)
                {
                    _barrier.SignalAndWait();
                    if (_isOver)
                        return;
                    step();
                    _barrier.SignalAndWait();
                }
            }))];
            Array.ForEach(_threads, thread => thread.Start());
        }

        public void Step()
        {
            _barrier.SignalAndWait();
            _barrier.SignalAndWait();
        }

        public void Dispose()
        {
            _isOver = true;
            _barrier.SignalAndWait();
            Array.ForEach(_threads, thread => thread.Join());
            _barrier.Dispose();
        }
    }

    sealed class CountingWorld(World inner) : World
    {
        public long Sent { get; set; }

        public override int Rank => inner.Rank;

        public override int Size => inner.Size;

        public override void AllToAll(ReadOnlySpan<byte> send, ReadOnlySpan<int> sendCounts, Span<byte> receive, ReadOnlySpan<int> receiveCounts)
        {
            Sent += send.Length - sendCounts[Rank];
            inner.AllToAll(send, sendCounts, receive, receiveCounts);
        }

        public override void AllGather(ReadOnlySpan<byte> own, Span<byte> all, ReadOnlySpan<int> counts)
        {
            Sent += (long)own.Length * (Size - 1);
            inner.AllGather(own, all, counts);
        }

        public override void Broadcast(Span<byte> data, int root) => inner.Broadcast(data, root);

        public override void Barrier() => inner.Barrier();

        public override void Abort(string reason) => inner.Abort(reason);
    }
}
