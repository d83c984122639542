using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Infinorm.Execution;
using Infinorm.Mpi;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Benchmarks;

/// <summary>
/// <c>rank</c>: what each of two processes does that <c>compare</c> starts with mpirun. Both do the same in turn, and rank 0 prints what it
/// measured.
/// </summary>
static class RankCommand
{
    /// <summary>What stands before the numbers.</summary>
    public const string Mark = "measured:";

    /// <summary>A rank that is killed while the other waits for it.</summary>
    public const string Killed = "killed";

    const string Exchange = "exchange/25M", Update = "update/25M", Waiting = "waiting";
    const int Length = 25 * Workbench.M, Ranks = 2;

    /// <summary>What can be measured.</summary>
    public static readonly string[] Kinds = [Exchange, Update, Waiting, Killed];

    public static Command Create()
    {
        var kind = new Argument<string>("kind");
        var seconds = new Argument<double>("seconds");
        var command = new Command("rank", "One of the processes that compare starts with mpirun.") { kind, seconds };
        command.Hidden = true;
        command.SetAction(arguments => Run(arguments.GetRequiredValue(kind), TimeSpan.FromSeconds(arguments.GetRequiredValue(seconds))));
        return command;
    }

    static void Run(string kind, TimeSpan time)
    {
        using World world = MpiWorld.Start(new MpiOptions { ThreadsPerRank = 1 });
        var mpi = new MpiReductions((MpiWorld)world);
        float[] gradient = new float[Length], sum = new float[Length];
        switch (kind)
        {
            case Exchange:
                var exchange = new Buckets(world);
                Compare(world, time, () => exchange.Sum(gradient, sum), () => mpi.ReduceScatter(gradient, sum));
                break;
            case Update:
                Action<float[]> sharded = Stepper(world), whole = Stepper(null);
                Compare(world, time, () => sharded(gradient), () =>
                {
                    mpi.AllReduce(gradient, sum);
                    whole(sum);
                });
                break;
            case Waiting:
                Print(world, Wait(world));
                break;
            default:
                Kill(world);
                break;
        }
    }

    static Action<float[]> Stepper(World? world)
    {
        var optimizer = new Adamax { MaxDegreeOfParallelism = 1, GradientAccumulationSteps = world?.Size };
        if (world is not null)
            optimizer.Over(world);
        optimizer.Build(new Variable<float>("weights", new float[Length]));
        return gradient => optimizer.Apply(gradient);
    }

    // The ranks begin each step together; rank 0 says whether there is another round.
    static void Compare(World world, TimeSpan time, params Action[] steps)
    {
        var rounds = new List<double[]>();
        long start = Stopwatch.GetTimestamp();
        Array.ForEach(steps, step => step());
        for (byte goes = 1; goes != 0; world.Broadcast(new Span<byte>(ref goes), root: 0))
        {
            rounds.Add(Array.ConvertAll(steps, step =>
            {
                world.Barrier();
                long begin = Stopwatch.GetTimestamp();
                step();
                return Stopwatch.GetElapsedTime(begin).TotalSeconds;
            }));
            goes = (byte)(rounds.Count < 5 || Stopwatch.GetElapsedTime(start) < time ? 1 : 0);
        }

        double[] ratios = [.. rounds.Select(round => round[0] / round[1])];
        Print(
            world, Statistics.Quantile(ratios, 0.5), Statistics.Quantile(ratios, 0.25), Statistics.Quantile(ratios, 0.75),
            Statistics.Quantile(rounds.Select(round => round[0]), 0.5), Statistics.Quantile(rounds.Select(round => round[1]), 0.5));
    }

    // Processor time of rank 0 while rank 1 is late, as a part of one processor.
    static double Wait(World world)
    {
        world.Barrier();
        TimeSpan before = Process.GetCurrentProcess().TotalProcessorTime;
        long start = Stopwatch.GetTimestamp();
        if (!world.IsFirst)
            Thread.Sleep(1500);
        world.Barrier();
        return (Process.GetCurrentProcess().TotalProcessorTime - before) / Stopwatch.GetElapsedTime(start);
    }

    static void Kill(World world)
    {
        world.Barrier();
        if (world.Rank == 1)
        {
            Console.WriteLine($"{Mark} {DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + 300}");
            Console.Out.Flush();
            Thread.Sleep(300); // until the launcher has passed it on
            Process.GetCurrentProcess().Kill();
        }

        world.Barrier();
    }

    static void Print(World world, params double[] numbers)
    {
        if (world.IsFirst)
            Console.WriteLine($"{Mark} {string.Join(' ', numbers.Select(number => number.ToString("R", CultureInfo.InvariantCulture)))}");
    }

    // This rank's half of the sums, as an update makes it: all-to-all of buckets, then the sum of what came.
    sealed class Buckets(World world)
    {
        const int Each = Length / 4;

        readonly byte[] _received = GC.AllocateUninitializedArray<byte>(Each * sizeof(float), pinned: true);
        readonly int[] _counts = [.. Enumerable.Repeat(Each / Ranks * sizeof(float), Ranks)];

        public void Sum(float[] gradient, float[] sum)
        {
            const int half = Each / Ranks, block = 2048;
            Span<float> parts = MemoryMarshal.Cast<byte, float>(_received.AsSpan());
            for (int bucket = 0; bucket < Length / Each; bucket++)
            {
                world.AllToAll(MemoryMarshal.AsBytes(gradient.AsSpan(bucket * Each, Each)), _counts, _received, _counts);
                for (int start = 0; start < half; start += block)
                {
                    int count = Math.Min(block, half - start);
                    TensorPrimitives.Add(parts.Slice(start, count), parts.Slice(half + start, count), sum.AsSpan((bucket * half) + start, count));
                }
            }
        }
    }

    // MPI's own reductions, which Infinorm does not use.
    sealed unsafe class MpiReductions
    {
        readonly MpiWorld _world;
        readonly delegate* unmanaged<void*, void*, int, nint, nint, nint, int> _allReduce, _reduceScatter;
        readonly nint _float, _add;

        public MpiReductions(MpiWorld world)
        {
            _world = world;
            nint allReduce = 0, reduceScatter = 0, type = 0x4c00040a, add = 0x58000003; // of MPICH
            world.Call((library, _) =>
            {
                allReduce = library.Address("MPI_Allreduce");
                reduceScatter = library.Address("MPI_Reduce_scatter_block");
                if (library.Version.StartsWith("Open MPI", StringComparison.Ordinal))
                    (type, add) = (library.Address("ompi_mpi_float"), library.Address("ompi_mpi_op_sum"));
            });
            _allReduce = (delegate* unmanaged<void*, void*, int, nint, nint, nint, int>)allReduce;
            _reduceScatter = (delegate* unmanaged<void*, void*, int, nint, nint, nint, int>)reduceScatter;
            (_float, _add) = (type, add);
        }

        public void AllReduce(float[] gradient, float[] sum) => _world.Call((library, communicator) =>
        {
            fixed (float* from = gradient, to = sum)
                library.Check(_allReduce(from, to, gradient.Length, _float, _add, communicator));
        });

        public void ReduceScatter(float[] gradient, float[] sum) => _world.Call((library, communicator) =>
        {
            fixed (float* from = gradient, to = sum)
                library.Check(_reduceScatter(from, to, gradient.Length / Ranks, _float, _add, communicator));
        });
    }
}
