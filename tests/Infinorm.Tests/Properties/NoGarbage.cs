using Infinorm.Constraints;
using Infinorm.Execution;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Tests.Execution.Sharded;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Properties;

/// <summary>Runs while no other test does: collections and the runtime's own caches, which others fill, allocate on any thread.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>After the first steps a step allocates nothing, whatever is on.</summary>
[Collection(nameof(Alone))]
public sealed class NoGarbage
{
    static readonly Dictionary<string, Func<Optimizer>> Optimizers = new()
    {
        ["bare"] = () => new Adamax(),
        ["weight decay"] = () => new Adamax { WeightDecay = 0.1 },
        ["clip norm"] = () => new Adamax { ClipNorm = 0.5 },
        ["clip value"] = () => new Adamax { ClipValue = 0.5 },
        ["global clip norm"] = () => new Adamax { GlobalClipNorm = 0.5 },
        ["averages"] = () => new Adamax { UseEma = true, EmaOverwriteFrequency = 2 },
        ["loss scale"] = () => new Adamax { LossScaleFactor = 8 },
        ["accumulation"] = () => new Adamax { GradientAccumulationSteps = 3 },
        ["double rate"] = () => new Adamax { FloatX = DType.Float64 },
        ["function"] = () => new Adamax(new(() => 0.1)),
        ["exponential decay"] = () => new Adamax(new ExponentialDecay(0.1, 5, 0.5)),
        ["piecewise constant decay"] = () => new Adamax(new PiecewiseConstantDecay([2, 5], [0.1, 0.01, 0.001])),
        ["polynomial decay"] = () => new Adamax(new PolynomialDecay(0.1, 5)),
        ["inverse time decay"] = () => new Adamax(new InverseTimeDecay(0.1, 5, 0.5)),
        ["cosine decay"] = () => new Adamax(new CosineDecay(0.1, 5)),
        ["cosine decay with restarts"] = () => new Adamax(new CosineDecayRestarts(0.1, 5)),
        ["all"] = () => Settings.AllElementwise.Create(),
        ["master weights"] = () => new Adamax { UseMasterWeights = true },
        ["stochastic rounding"] = () => new Adamax { UseStochasticRounding = true },
        ["dynamic loss scale"] = () => new LossScaleOptimizer(Settings.AllElementwise.Create(), dynamicGrowthSteps: 2),
    };

    public static TheoryData<string> Names => [.. Optimizers.Keys];

    public static TheoryData<string> Variants => [.. Registered.Variants];

    [Theory]
    [MemberData(nameof(Names))]
    public void AStepAllocatesNothing(string name) => Check(Optimizers[name]());

    [Theory]
    [MemberData(nameof(Variants))]
    public void NorDoesOneOfAnyOptimizer(string variant)
    {
        Check(new Settings(Variant: variant).Create());
        Settings all = Settings.AllElementwise with { Clip = Clip.GlobalNorm, Narrow = Narrow.MasterWeights };
        Check((all with { HasDynamicScale = true, Variant = variant }).Create());
    }

    // On every rank, with a variable that no rank has a gradient for.
    [Theory]
    [MemberData(nameof(Variants))]
    public void NorDoesOneOverRanks(string variant)
    {
        Settings bare = new(Variant: variant, GradientAccumulationSteps: 4);
        Settings all = Settings.AllElementwise with { Clip = Clip.GlobalNorm, HasDynamicScale = true, Variant = variant, GradientAccumulationSteps = 4 };
        foreach (int ranks in (int[])[1, 2, 4])
        {
            Assert.All(Ranks.Run(ranks, world => Allocated(world, bare)), bytes => Assert.Equal(0, bytes));
            Assert.All(Ranks.Run(ranks, world => Allocated(world, all)), bytes => Assert.Equal(0, bytes));
        }

        static long Allocated(World world, Settings settings)
        {
            Optimizer optimizer = settings.Create();
            optimizer.Over(world);
            optimizer.Build(
                new Variable<float>("kernel", new float[17_000], [170, 100]) { Constraint = new MaxNorm() }, new Variable<double>("bias", new double[300]),
                new Variable<Half>("half", new Half[300]), new Variable<float>("absent", new float[5]), new Variable<float>("table", new float[320], [40, 8]));
            float[] kernel = new float[17_000], bias = new float[300];
            var half = new Half[300];
            Gradient rows = Gradient.Rows([3, 1, 3], new float[24]);
            return BytesAllocated(() => optimizer.Apply(kernel, bias, half, default, rows));
        }
    }

    static void Check(Optimizer optimizer)
    {
        Variable[] variables =
        [
            new Variable<float>("table", new float[40 * 8], [40, 8]),
            new Variable<float>("kernel", new float[700], [7, 100]) { Constraint = new MaxNorm() },
            new Variable<double>("bias", new double[300]),
            new Variable<Half>("half", new Half[300]) { Constraint = new NonNeg() },
            new Variable<BFloat16>("brain", new BFloat16[300]),
            new Variable<float>("scale", new float[3]) { OverwriteWithGradient = true },
        ];
        Gradient rows = Gradient.Rows([3, 1, 3], new float[24]);
        float[] kernel = new float[700], brain = new float[300], scale = new float[3];
        var half = new Half[300];
        Variable[] some = [variables[2], variables[0]];
        optimizer.Build(variables);

        Assert.Equal(0, BytesAllocated(() => optimizer.Apply([rows, kernel, default, half, brain, scale])));
        Assert.Equal(0, BytesAllocated(() => optimizer.Apply([kernel.AsMemory(0, 300), rows], some)));
        Assert.Equal(0, BytesAllocated(() => optimizer.ApplyGradients((rows, variables[0]), (kernel, variables[1]))));
    }

    internal static long BytesAllocated(Action step)
    {
        // Two updates of every kind: with and without accumulation, skipped or not.
        for (int i = 0; i < 6; i++)
            step();

        // What a step allocates, it allocates in every round; what the runtime allocates for its own tables, once.
        long least = long.MaxValue;
        for (int round = 0; round < 3; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 12; i++)
                step();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
