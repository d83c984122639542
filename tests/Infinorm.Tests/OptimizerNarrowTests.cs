using CsCheck;
using Infinorm.Constraints;
using Infinorm.Kernels;
using Infinorm.Optimizers;
using Infinorm.Tests.Properties;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests;

/// <summary>Master weights and stochastic rounding.</summary>
public class OptimizerNarrowTests
{
    const int Steps = 50;

    readonly BFloat16[] _memory = [(BFloat16)1f, (BFloat16)2f, (BFloat16)3f];
    readonly float[] _gradient = [1, 1, 1];

    // A step of it is a quarter of what 16 bits can tell apart just below 1.
    static Adamax Create(bool useMasterWeights = false, bool useStochasticRounding = false, bool useEma = false) => new(1e-3)
    {
        Name = "a",
        UseMasterWeights = useMasterWeights,
        UseStochasticRounding = useStochasticRounding,
        UseEma = useEma,
    };

    Adamax Built(bool useMasterWeights = false, bool useStochasticRounding = false, bool useEma = false)
    {
        Adamax adamax = Create(useMasterWeights, useStochasticRounding, useEma);
        adamax.Build(new Variable<BFloat16>("w", _memory));
        return adamax;
    }

    static T[] Train<T>(Adamax adamax, T[] memory)
        where T : unmanaged
    {
        var gradient = new float[memory.Length];
        Array.Fill(gradient, 1);
        adamax.Build(new Variable<T>("w", memory));
        for (int step = 0; step < Steps; step++)
            adamax.Apply(gradient);
        return memory;
    }

    static float[] Floats(Variable variable) => variable.ToNdArray().Cast(DType.Float32).AsSpan<float>().ToArray();

    float[] Floats() => Array.ConvertAll(_memory, value => (float)value);

    static BFloat16[] Ones(int count) => [.. Enumerable.Repeat(BFloat16.One, count)];

    [Fact]
    public void SmallStepsAreLostInSixteenBits()
    {
        Assert.Equal([BFloat16.One], Train(Create(), Ones(1)));
        Assert.Equal(0.95f, Train(Create(), new[] { 1f })[0], 1e-4f);
    }

    [Fact]
    public void MasterWeightsFollowTheFloatRun()
    {
        float expected = Train(Create(), new[] { 1f })[0];
        Adamax adamax = Create(useMasterWeights: true);
        Assert.Equal([(BFloat16)expected], Train(adamax, Ones(1)));
        Assert.Equal([expected], Floats(adamax.Variables[^1]));
    }

    [Fact]
    public void StochasticRoundingFollowsTheFloatRunInTheMean()
    {
        const int count = 10_000;
        const double spacing = 1 / 256.0;
        float expected = Train(Create(), new[] { 1f })[0];
        float[] brains = [.. Train(Create(useStochasticRounding: true), Ones(count)).Select(value => (float)value)];
        double deviation = spacing / 2 * Math.Sqrt(Steps / (double)count); // of the mean, at most
        Assert.InRange(brains.Average(), expected - (4 * deviation), expected + (4 * deviation));
        Assert.InRange(brains.Distinct().Count(), 10, 50);
    }

    [Fact]
    public void StochasticRoundingFollowsTheFloatRunForHalf()
    {
        const int count = 10_000;
        var slow = new Adamax(1e-4) { UseStochasticRounding = true, RoundingSeed = 12 };
        double mean = Train(slow, Enumerable.Repeat((Half)1, count).ToArray()).Average(value => (double)value);
        double deviation = 1 / 2048.0 / 2 * Math.Sqrt(Steps / (double)count);
        Assert.InRange(mean, 0.995 - (4 * deviation), 0.995 + (4 * deviation));
    }

    /// <summary>A variable with master weights is trained as a float variable is, bit for bit, and is its rounding.</summary>
    [Fact]
    public void MasterWeightsAreTheFloatRun() =>
        Gen.Select(Settings.OfAll, Model.Narrow, Gen.Bool).Sample((settings, model, isConstrained) =>
        {
            Constraint? constraint = isConstrained ? new MaxNorm(0.5) : null;
            Variable[] narrow = [.. model.MakeVariables().Select(variable => With(constraint, variable))];
            Variable[] single = [.. narrow.Select(variable => Single(variable, constraint))];
            Optimizer mastered = (settings with { Narrow = Narrow.MasterWeights }).Create();
            Optimizer reference = (settings with { Narrow = Narrow.Nearest }).Create();
            mastered.Build(narrow);
            reference.Build(single);
            for (int step = 0; step < 6; step++)
            {
                Gradient[] gradients = model.MakeGradients(step);
                Assert.Equal(reference.Apply(gradients), mastered.Apply(gradients));
                CompareAll();
            }

            if (!settings.UseEma || reference.Iterations == 0)
                return;
            mastered.FinalizeVariableValues();
            reference.FinalizeVariableValues();
            CompareAll();

            void CompareAll()
            {
                Variable[] masters = [.. mastered.Variables.TakeLast(narrow.Length)];
                for (int i = 0; i < narrow.Length; i++)
                {
                    Assert.Equal(single[i].ToNdArray().Bytes, masters[i].ToNdArray().Bytes);
                    Assert.Equal(single[i].ToNdArray().Cast(narrow[i].DType).Bytes, narrow[i].ToNdArray().Bytes);
                }

                Assert.Equal(
                    reference.Variables.Select(variable => Convert.ToHexString(variable.ToNdArray().Bytes)),
                    mastered.Variables.SkipLast(narrow.Length).Select(variable => Convert.ToHexString(variable.ToNdArray().Bytes)));
            }
        });

    static Variable With(Constraint? constraint, Variable variable) => variable is Variable<Half> half
        ? new Variable<Half>(half.Path, half.Memory) { Constraint = constraint }
        : new Variable<BFloat16>(variable.Path, ((Variable<BFloat16>)variable).Memory) { Constraint = constraint };

    static Variable<float> Single(Variable variable, Constraint? constraint) =>
        new(variable.Path, Floats(variable)) { Constraint = constraint };

    [Fact]
    public void MasterWeightsComeAfterKerassVariables()
    {
        Adamax adamax = Create(useMasterWeights: true, useEma: true);
        adamax.Build(
            new Variable<BFloat16>("b", _memory),
            new Variable<float>("f", new float[1]),
            new Variable<Half>("s", new Half[1]) { OverwriteWithGradient = true },
            new Variable<Half>("layer/h", new Half[] { (Half)5 }));
        Assert.Equal(
            [
                "a/iteration", "a/learning_rate",
                "a/b_average", "a/f_average", "a/layer_h_average",
                "a/b_momentum", "a/b_norm", "a/f_momentum", "a/f_norm", "a/layer_h_momentum", "a/layer_h_norm",
                "a/b_master", "a/layer_h_master",
            ],
            adamax.Variables.Select(variable => variable.Path));
        Assert.Equal([1f, 2, 3], Floats(adamax.Variables[^2]));
        Assert.Equal([5f], Floats(adamax.Variables[^1]));
        Assert.Equal(DType.Float32, adamax.Variables[^1].DType);
    }

    [Fact]
    public void TheNextStepStartsFromWhatIsAssignedToTheVariable()
    {
        Adamax adamax = Built(useMasterWeights: true);
        adamax.Apply(_gradient);
        Assert.Equal([1f, 2, 3], Floats());
        _memory[1] = (BFloat16)7f;
        adamax.Apply(_gradient);
        float[] masters = Floats(adamax.Variables[^1]);
        Assert.Equal(0.998f, masters[0], 1e-6f); // two steps
        Assert.Equal(6.999f, masters[1], 1e-6f); // one, from 7
        Assert.Equal(2.998f, masters[2], 1e-6f);
    }

    [Fact]
    public void MasterWeightsCanBeAssignedWithTheirVariable()
    {
        Adamax adamax = Built(useMasterWeights: true);
        _memory[0] = (BFloat16)1.5f;
        adamax.Variables[^1].Assign(1.501f, 2.001f, 100f);
        adamax.Apply(_gradient);
        float[] masters = Floats(adamax.Variables[^1]);
        Assert.Equal(1.5f, masters[0], 1e-6f);
        Assert.Equal(2f, masters[1], 1e-6f);
        Assert.Equal(2.999f, masters[2], 1e-6f); // the variable was 3
    }

    [Fact]
    public void SwappingAveragesInAndBackLeavesTheMasterWeights()
    {
        Adamax adamax = Built(useMasterWeights: true, useEma: true);
        for (int step = 0; step < 5; step++)
            adamax.Apply(_gradient);
        BFloat16[] own = [.. _memory];
        float[] masters = Floats(adamax.Variables[^1]);
        adamax.Variables[2].Assign(4f, 5f, 6f);
        using (adamax.UseAverages())
            Assert.Equal([4f, 5, 6], Floats());
        Assert.Equal(own, _memory);
        Assert.Equal(masters, Floats(adamax.Variables[^1]));
        adamax.Apply(_gradient);
        Assert.Equal(masters.Select(value => value - 0.001f), Floats(adamax.Variables[^1]), (x, y) => Math.Abs(x - y) < 1e-6f);
    }

    [Fact]
    public void FinalisingPutsTheUnroundedAveragesIntoTheMasterWeights()
    {
        Adamax adamax = Built(useMasterWeights: true, useEma: true);
        adamax.Apply(_gradient);
        adamax.Variables[2].Assign(4.0001f, 5.0001f, 6.0001f);
        adamax.FinalizeVariableValues();
        Assert.Equal([4f, 5, 6], Floats());
        Assert.Equal([4.0001f, 5.0001f, 6.0001f], Floats(adamax.Variables[^1]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ACallThatAccumulatesConstrainsWhatIsInTheVariable(bool useMasterWeights)
    {
        var adamax = new Adamax(1e-3) { UseMasterWeights = useMasterWeights, GradientAccumulationSteps = 3 };
        adamax.Build(new Variable<BFloat16>("w", _memory) { Constraint = new NonNeg() });
        adamax.Apply(_gradient);
        Assert.Equal([1f, 2, 3], Floats());
        _memory[1] = (BFloat16)(-4f);
        adamax.Apply(_gradient);
        Assert.Equal([1f, 0, 3], Floats());
    }

    [Fact]
    public void AConstraintIsRoundedAtRandomFromUnroundedValues()
    {
        const int count = 10_000;
        float limit = (float)(0.7123 * Math.Sqrt(count));
        var variable = new Variable<BFloat16>("w", Ones(count)) { Constraint = new MaxNorm(limit) };
        Adamax adamax = Create(useStochasticRounding: true);
        adamax.Build(variable);
        adamax.Apply(new float[count]);
        float[] values = Array.ConvertAll(variable.Span.ToArray(), value => (float)value);
        Assert.Equal(2, values.Distinct().Count());
        Assert.Equal(0.7123, values.Average(), 4 / 256.0 / 2 / Math.Sqrt(count));
    }

    [Fact]
    public void OtherVariablesAreRoundedAsEver()
    {
        var single = new Variable<float>("f", new[] { 1f, 2f });
        var scale = new Variable<BFloat16>("s", new BFloat16[100]) { OverwriteWithGradient = true };
        Adamax adamax = Create(useStochasticRounding: true);
        adamax.Build(single, scale);
        adamax.Apply(new float[] { 1, 1 }, Enumerable.Repeat(1.001f, 100).ToArray());
        Assert.Equal([1 - 0.001f, 2 - 0.001f], single.Span);
        Assert.All(scale.Span.ToArray(), value => Assert.Equal(BFloat16.One, value)); // what replaces a variable does not add up
    }

    /// <summary>In a training whose averages overwrite in every call, the averages are what is rounded, so it can be done again.</summary>
    [Fact]
    public unsafe void TheBitsAreThoseOfSeedCallVariableAndElement()
    {
        const int seed = -9;
        Variable<BFloat16>[] variables = [new("short", Ones(3)), new("long", Ones(40_000))];
        float[][] gradients = [.. variables.Select(v => Enumerable.Range(0, v.Length).Select(i => MathF.Sin(i)).ToArray())];
        var adamax = new Adamax(1e-3)
        {
            UseStochasticRounding = true,
            RoundingSeed = seed,
            GradientAccumulationSteps = 2,
            UseEma = true,
            EmaMomentum = 0.7,
            EmaOverwriteFrequency = 1,
        };
        adamax.Build(variables);
        for (int call = 0; call < 6; call++)
        {
            adamax.Apply(gradients[0], gradients[1]);
            for (int i = 0; i < variables.Length; i++)
            {
                float[] averages = Floats(adamax.Variables[2 + i]);
                var expected = new BFloat16[averages.Length];
                fixed (float* source = averages)
                fixed (BFloat16* target = expected)
                    new StochasticRounding(seed, call).Round(source, (ushort*)target, DType.BFloat16, StochasticRounding.StreamOf(variables[i].Path), 0, averages.Length);
                Assert.Equal(expected, variables[i].Span);
            }
        }
    }

    [Fact]
    public void TheSeedChoosesTheBits()
    {
        BFloat16[] Run(int seed) => Train(new Adamax(1e-3) { UseStochasticRounding = true, RoundingSeed = seed }, Ones(64));
        Assert.Equal(Run(5), Run(5));
        Assert.NotEqual(Run(5), Run(6));
        Assert.Equal(Run(0), Train(Create(useStochasticRounding: true), Ones(64)));
    }

    [Fact]
    public void MasterWeightsAndStochasticRoundingExcludeEachOther()
    {
        var adamax = Create(useMasterWeights: true, useStochasticRounding: true);
        const string message = "a: UseMasterWeights and UseStochasticRounding exclude each other, as a variable with master weights loses "
            + "nothing when it is rounded to nearest. Set one of them.";
        var variable = new Variable<BFloat16>("w", _memory);
        Refusal.Is<InvalidOperationException>(message, () => adamax.Build(variable));
        Refusal.Is<InvalidOperationException>(message, () => adamax.Apply([_gradient], [variable]));
        Assert.False(adamax.IsBuilt);
    }
}
