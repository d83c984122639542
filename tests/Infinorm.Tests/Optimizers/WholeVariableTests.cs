using System.Runtime.CompilerServices;
using Infinorm.Optimizers;
using Infinorm.Rules;
using Infinorm.Schedules;
using Infinorm.Tests.Properties;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Optimizers;

/// <summary>Optimizers whose rules need whole variables.</summary>
[Collection(nameof(Alone))]
public sealed class WholeVariableTests
{
    static readonly Dictionary<string, Func<int, RuleOptimizer>> Optimizers = new()
    {
        ["Lamb"] = threads => new Lamb { UseEma = true, ClipNorm = 0.5, MaxDegreeOfParallelism = threads },
        ["Adafactor"] = threads => new Adafactor { GradientAccumulationSteps = 2, MaxDegreeOfParallelism = threads },
        ["Muon"] = threads => new Muon { MaxDegreeOfParallelism = threads },
        ["Muon with master weights"] = threads => new Muon { UseMasterWeights = true, MaxDegreeOfParallelism = threads },
    };

    public static MatrixTheoryData<string, int> NamesAndThreads => new MatrixTheoryData<string, int>(Optimizers.Keys, [1, 4]);

    public static TheoryData<string> Names => [.. Optimizers.Keys];

    [Theory]
    [MemberData(nameof(NamesAndThreads))]
    public void AStepAllocatesNothing(string name, int threads)
    {
        RuleOptimizer optimizer = Optimizers[name](threads);
        Gradient[] gradients = [new float[40 * 30], new double[20 * 30], new Half[300], Gradient.Rows([3, 1, 3], new float[24]), new double[50]];
        optimizer.Build(Variables());
        Assert.Equal(0, NoGarbage.BytesAllocated(() => optimizer.Apply(gradients)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void TheNumberOfThreadsChangesNothing(string name)
    {
        Assert.Equal(Trained(1), Trained(4));

        float[] Trained(int threads)
        {
            RuleOptimizer optimizer = Optimizers[name](threads);
            Variable[] variables = Variables();
            optimizer.Build(variables);
            var random = new Random(3);
            for (int i = 0; i < 4; i++)
            {
                optimizer.Apply([.. variables.Select(variable =>
                    (Gradient)Enumerable.Range(0, variable.Length).Select(_ => random.NextSingle() - 0.5f).ToArray())]);
            }

            return [.. optimizer.Variables.Concat(variables).SelectMany(variable => variable.ToNdArray().Cast(DType.Float32).AsSpan<float>().ToArray())];
        }
    }

    [Fact]
    public void AGroupsDecayComesBeforeMuonsOwn()
    {
        var matrix = new Variable<float>("matrix", new[] { 1f, 1f }, [1, 2]);
        Variable<float> bias = new("bias", new[] { 1f }), other = new("other", new[] { 1f });
        var optimizer = new Muon(0.5, adamWeightDecay: 0.5) { WeightDecay = 0 };
        optimizer.Build([new VariableGroup(matrix, bias) { WeightDecay = 0.25 }, new VariableGroup(other)]);
        optimizer.Apply([new float[2], new float[1], new float[1]]);
        Assert.Equal([0.875f, 0.875f], matrix.ToNdArray().AsSpan<float>().ToArray());
        Assert.Equal([0.875f], bias.ToNdArray().AsSpan<float>().ToArray());
        Assert.Equal([0.75f], other.ToNdArray().AsSpan<float>().ToArray());
    }

    [Fact]
    public void ARuleHasTheRateTheCountAndTheMemoryItAskedFor()
    {
        var variable = new Variable<float>("w", new float[6], [2, 3]);
        var optimizer = new Asking(new(() => 0.25)) { Length = 2 };
        optimizer.Build(variable);
        optimizer.Apply(new float[6]);
        optimizer.Apply(new float[6]);
        Assert.Equal([0.25f, 0.25f, 1f, 4f, 0f, 0f], variable.ToNdArray().AsSpan<float>().ToArray());
    }

    [Fact]
    public void ARuleThatAsksForLessThanNothingChangesNothing()
    {
        var variable = new Variable<float>("w", new float[6], [2, 3]);
        var optimizer = new Asking(0.25) { Length = -1 };
        optimizer.Build(variable);
        for (int i = 0; i < 2; i++)
        {
            var error = Assert.Throws<InvalidOperationException>(() => optimizer.Apply(new float[6]));
            Assert.Contains("ScratchLength must be >= 0, found -2", error.Message);
        }

        Assert.Equal(new float[6], variable.ToNdArray().AsSpan<float>().ToArray());
    }

    sealed class Asking(LearningRate rate) : RuleOptimizer(rate), IBlockRule
    {
        public int Length { get; init; }

        bool IBlockRule.NeedsWholeVariables => true;

        int IBlockRule.ScratchLength(ReadOnlySpan<nint> shape) => Length * (int)shape[0];

        protected override void DefineSlots(Slots slots)
        {
        }

        protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(this);

        void IBlockRule.Step<T>(Block<T> block)
        {
            block.Scratch.Fill(T.One); // 2 · 2 doubles, room for 8 floats
            block.Weights[0] = block.LearningRate;
            block.Weights[1] = T.CreateTruncating(block.UnroundedLearningRate);
            block.Weights[2] = T.CreateTruncating(block.Iterations);
            block.Weights[3] = T.CreateTruncating(block.Scratch.Length / (sizeof(double) / Unsafe.SizeOf<T>()));
        }
    }

    static Variable[] Variables() =>
    [
        new Variable<float>("kernel", Enumerable.Range(0, 40 * 30).Select(i => i % 7 - 3f).ToArray(), [40, 30]),
        new Variable<double>("deep", Enumerable.Range(0, 20 * 30).Select(i => i % 5 - 2.0).ToArray(), [20, 30]),
        new Variable<Half>("half", Enumerable.Range(0, 300).Select(i => (Half)(i % 3)).ToArray(), [15, 20]),
        new Variable<float>("embedding", new float[40 * 8], [40, 8]),
        new Variable<float>("bias", new float[50]),
    ];
}
