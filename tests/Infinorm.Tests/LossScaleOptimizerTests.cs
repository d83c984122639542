using Infinorm.Constraints;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Tests.Properties;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests;

public class LossScaleOptimizerTests
{
    static readonly float[] Finite = [8, -8];
    static readonly float[] Infinite = [1, float.PositiveInfinity];

    readonly Variable<float> _variable = new("w", new float[2]);
    readonly Adamax _adamax = new(0.1) { Name = "inner", UseEma = true };

    [Fact]
    public void DividesGradientsByTheScale()
    {
        var plain = new Adamax(0.1);
        var twin = new Variable<float>("w", new float[2]);
        plain.Build(twin);
        var scaled = new LossScaleOptimizer(_adamax, initialScale: 4);
        scaled.Build(_variable);
        Assert.Equal(6, scaled.ScaleLoss(1.5));
        scaled.Apply([Finite]);
        plain.Apply([new float[] { 2, -2 }]);
        Assert.Equal(twin.Span, _variable.Span);
    }

    [Fact]
    public void ScalesLossesByTheInitialNumberUntilItIsBuilt()
    {
        var scaled = new LossScaleOptimizer(_adamax, initialScale: 0.1);
        Assert.Equal((3 * 0.1, 3 * 0.1f), (scaled.ScaleLoss(3.0), scaled.ScaleLoss(3f)));
        scaled.Build(_variable);
        Assert.Equal((3 * (double)0.1f, 3 * 0.1f), (scaled.ScaleLoss(3.0), scaled.ScaleLoss(3f)));
    }

    [Fact]
    public void GrowsAfterFiniteSteps()
    {
        var scaled = new LossScaleOptimizer(_adamax, initialScale: 4, dynamicGrowthSteps: 2);
        scaled.Build(_variable);
        Assert.Equal([4, 8, 8, 16], Enumerable.Range(0, 4).Select(_ =>
        {
            scaled.Apply([Finite]);
            return scaled.DynamicScale;
        }));
        Assert.Equal(0, scaled.SkippedSteps);
    }

    [Fact]
    public void SkipsAStepThatIsNotFinite()
    {
        var scaled = new LossScaleOptimizer(_adamax, initialScale: 4, dynamicGrowthSteps: 2);
        scaled.Build(_variable);
        scaled.Apply([Finite]);
        float[] before = _variable.Span.ToArray();
        StepInfo info = scaled.Apply([Infinite]);
        Assert.Equal((StepResult.Skipped, 0), (info.Result, info.MissingGradients));
        Assert.Equal(before, _variable.Span.ToArray());
        Assert.Equal((2.0, 1, 1), (scaled.DynamicScale, scaled.SkippedSteps, scaled.Iterations));
        scaled.Apply([Finite]);
        Assert.Equal(2, scaled.DynamicScale);
    }

    [Fact]
    public void TellsTheRateOfASkippedStep()
    {
        int calls = 0;
        var scaled = new LossScaleOptimizer(new Adamax(new(() => ++calls / 8.0)));
        scaled.Build(_variable);
        StepInfo info = scaled.Apply([Infinite]);
        Assert.Equal((StepResult.Skipped, 0.125), (info.Result, info.LearningRate));
    }

    [Theory]
    [InlineData(Narrow.Nearest)]
    [InlineData(Narrow.MasterWeights)]
    [InlineData(Narrow.StochasticRounding)]
    public void ASkippedStepChangesNothingButItsOwnCounters(Narrow narrow)
    {
        Settings settings = Settings.AllElementwise with { HasDynamicScale = true, Narrow = narrow };
        for (int steps = 1; steps < 5; steps++)
        {
            var scaled = (LossScaleOptimizer)settings.Create();
            Variable[] variables =
            [
                new Variable<float>("f", new float[] { 1, 2 }),
                new Variable<Half>("h", new Half[] { (Half)1, (Half)2 }) { Constraint = new MaxNorm(1) },
                new Variable<BFloat16>("b", new BFloat16[] { (BFloat16)1f, (BFloat16)2f }),
                new Variable<float>("s", new float[] { 1, 2 }) { OverwriteWithGradient = true },
            ];
            scaled.Build(variables);
            for (int step = 0; step < steps; step++)
                scaled.Apply([Finite, Finite, Finite, Finite]);

            var before = Snapshot.Of(scaled.InnerOptimizer, variables);
            for (int infinite = 0; infinite < variables.Length; infinite++)
            {
                double scale = scaled.DynamicScale;
                Gradient[] gradients = [Finite, Finite, Finite, Finite];
                gradients[infinite] = Infinite;
                Assert.Equal(StepResult.Skipped, scaled.Apply(gradients).Result);
                before.AssertUnchanged(scaled.InnerOptimizer, variables);
                Assert.Equal((scale / 2, infinite + 1), (scaled.DynamicScale, scaled.SkippedSteps));
            }
        }
    }

    [Fact]
    public void StaysWithinItsBounds()
    {
        var scaled = new LossScaleOptimizer(_adamax, initialScale: 4, dynamicGrowthSteps: 1, minimumScale: 1.5, maximumScale: 10);
        Assert.Equal((1.5, 10.0), (scaled.MinimumScale, scaled.MaximumScale));
        scaled.Build(_variable);
        float[][] gradients = [Infinite, Infinite, Infinite, Finite, Finite, Finite, Finite, Infinite];
        Assert.Equal([2, 1.5, 1.5, 3, 6, 10, 10, 5], gradients.Select(gradient =>
        {
            scaled.Apply([gradient]);
            return scaled.DynamicScale;
        }));

        // What is loaded from a run without bounds comes back between them.
        scaled.Variables.Single(variable => variable.Name == "dynamic_scale").Assign(0f);
        scaled.Apply([new float[] { float.NaN, 0 }]);
        Assert.Equal(1.5, scaled.DynamicScale);
    }

    [Fact]
    public void RefusesBoundsThatAreNone()
    {
        Refusal.Is<ArgumentOutOfRangeException>(
            "minimumScale must be a finite number > 0.", () => new LossScaleOptimizer(_adamax, minimumScale: 0));
        Refusal.Is<ArgumentOutOfRangeException>(
            "minimumScale must be a finite number > 0.", () => new LossScaleOptimizer(_adamax, minimumScale: 1e-50)); // 0 as a float
        Refusal.Is<ArgumentOutOfRangeException>(
            "maximumScale must be a finite number > 0.", () => new LossScaleOptimizer(_adamax, maximumScale: 1e50));
        Refusal.Is<ArgumentOutOfRangeException>(
            "initialScale must be between minimumScale and maximumScale, in [8, 16].",
            () => new LossScaleOptimizer(_adamax, initialScale: 4, minimumScale: 8, maximumScale: 16));
        Assert.Throws<ArgumentOutOfRangeException>(() => new LossScaleOptimizer(_adamax, minimumScale: 65536, maximumScale: 8192));
        Assert.Throws<ArgumentOutOfRangeException>(() => new LossScaleOptimizer(_adamax, maximumScale: 16384));
    }

    [Fact]
    public void SkipsRowsThatAreNotFinite()
    {
        var table = new Variable<float>("table", new float[6], [3, 2]);
        var scaled = new LossScaleOptimizer(_adamax);
        scaled.Build(table);
        Assert.Equal(StepResult.Skipped, scaled.Apply([Gradient.Rows([2], Infinite)]).Result);
        Assert.Equal(StepResult.Updated, scaled.Apply([Gradient.Rows([2], Finite)]).Result);
    }

    [Fact]
    public void PassesOnToTheInnerOptimizer()
    {
        var scaled = new LossScaleOptimizer(_adamax);
        scaled.Build(_variable);
        scaled.LearningRate = 0.25;
        scaled.Apply([Finite]);
        Assert.Equal((0.25, 1), (_adamax.CurrentLearningRate, _adamax.Iterations));
        Assert.Equal([_variable], _adamax.TrainableVariables);
        scaled.FinalizeVariableValues();
        Assert.Equal(_adamax.Variables[2].ToNdArray().AsSpan<float>(), _variable.Span);
    }

    [Fact]
    public void DoesNotStepWhileTheAveragesAreInTheVariables()
    {
        var scaled = new LossScaleOptimizer(_adamax);
        scaled.Build(_variable);
        scaled.Apply([Finite]);
        using (scaled.UseAverages())
        {
            Refusal.Is<InvalidOperationException>(
                "inner is in use: by another thread, or because its averages are in the variables.", () => scaled.Apply([Finite]));
        }

        scaled.Apply([Finite]);
    }

    [Fact]
    public void SeesWhatHappensToTheInnerOptimizer()
    {
        var scaled = new LossScaleOptimizer(_adamax) { Name = "outer" };
        Assert.Equal(
            ["outer/iteration", "outer/learning_rate", "inner/iteration", "inner/learning_rate"],
            scaled.Variables.Select(variable => variable.Path));
        _adamax.LearningRate = new ExponentialDecay(0.1, 5, 0.5);
        _adamax.Build(_variable);
        Assert.Equal(
            [
                "outer/iteration", "outer/learning_rate", "outer/step_counter", "outer/dynamic_scale", "inner/iteration",
                "inner/w_average", "inner/w_momentum", "inner/w_norm",
            ],
            scaled.Variables.Select(variable => variable.Path));
    }

    [Fact]
    public void ClearsTheInnerFactor()
    {
        var adamax = new Adamax { LossScaleFactor = 8 };
        _ = new LossScaleOptimizer(adamax);
        Assert.Null(adamax.LossScaleFactor);
    }

    [Fact]
    public void RefusesWhatItCannotWrap()
    {
        Assert.Throws<ArgumentNullException>(() => new LossScaleOptimizer(null!));
        Refusal.Is<ArgumentException>(
            "A LossScaleOptimizer cannot wrap another: gradients would be divided twice.",
            () => new LossScaleOptimizer(new LossScaleOptimizer(_adamax)));
        _adamax.Build(_variable);
        Refusal.Is<ArgumentException>("inner is built already; wrap it before.", () => new LossScaleOptimizer(_adamax));
    }

    [Fact]
    public void RefusesNumbersOutOfRange()
    {
        Refusal.Is<ArgumentOutOfRangeException>(
            "initialScale must be a finite number > 0.", () => new LossScaleOptimizer(_adamax, initialScale: 0));
        Refusal.Is<ArgumentOutOfRangeException>(
            "dynamicGrowthSteps must be an integer >= 1.", () => new LossScaleOptimizer(_adamax, dynamicGrowthSteps: 0));
        Refusal.Is<ArgumentOutOfRangeException>("initialScale must be a finite number > 0.", () => new LossScaleOptimizer(_adamax, double.NaN));
    }

    [Fact]
    public void ReachesZeroAndInfinity()
    {
        var small = new LossScaleOptimizer(_adamax, float.Epsilon);
        small.Build(_variable);
        small.Apply([Infinite]);
        Assert.Equal(0, small.DynamicScale);

        var large = new LossScaleOptimizer(new Adamax(), float.MaxValue, dynamicGrowthSteps: 1);
        large.Build(new Variable<float>("v", new float[2]));
        large.Apply([Finite]);
        Assert.Equal(double.PositiveInfinity, large.DynamicScale);
    }
}
