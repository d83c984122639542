using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Tests.Optimizers;

public class AdamaxTests
{
    [Fact]
    public void HasTheDefaultsOfKeras()
    {
        var adamax = new Adamax();
        Assert.Equal((0.9, 0.999, 1e-7), (adamax.Beta1, adamax.Beta2, adamax.Epsilon));
        Assert.Equal((double)0.001f, adamax.CurrentLearningRate);
    }

    [Fact]
    public void StepsAgainstTheSignOfTheFirstGradient()
    {
        float[] weights = [1, 2, 3, 4];
        var adamax = new Adamax(0.5);
        adamax.Build(new Variable<float>("w", weights));
        StepInfo info = adamax.Apply([new float[] { 1, 6, 7, 2 }]);
        Assert.Equal([0.5, 1.5, 2.5, 3.5], weights.Select(weight => (double)weight), (x, y) => Math.Abs(x - y) < 1e-4);
        Assert.Equal(new StepInfo { Result = StepResult.Updated, LearningRate = 0.5 }, info);
    }

    [Fact]
    public void DecaysAWeightWithoutGradientDirection()
    {
        float[] weights = [2];
        var adamax = new Adamax(1.0) { WeightDecay = 0.004 };
        adamax.Build(new Variable<float>("w", weights));
        adamax.Apply([new float[1]]);
        Assert.Equal(1.992f, weights[0]);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void RefusesABetaOutsideTheUnitInterval(double beta)
    {
        Refusal.Is<ArgumentOutOfRangeException>("beta1 must be in [0, 1].", () => new Adamax(beta1: beta));
        Refusal.Is<ArgumentOutOfRangeException>("beta2 must be in [0, 1].", () => new Adamax(beta2: beta));
    }

    [Theory]
    [InlineData(-1e-9)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void RefusesAnEpsilonBelowZeroOrNotFinite(double epsilon) =>
        Refusal.Is<ArgumentOutOfRangeException>("epsilon must be a finite number >= 0.", () => new Adamax(epsilon: epsilon));

    [Fact]
    public void TakesAFunctionAsRate()
    {
        double rate = 0.25;
        var adamax = new Adamax(new(() => rate), beta1: 0.5);
        Assert.Equal((0.25, 0.5), (adamax.CurrentLearningRate, adamax.Beta1));
        rate = 0.125;
        Assert.Equal(0.125, adamax.CurrentLearningRate);
        Assert.DoesNotContain(adamax.Variables, variable => variable.Name == "learning_rate");
    }

    [Fact]
    public void AsksAFunctionForTheRateOnceAStep()
    {
        int calls = 0;
        float[] a = [0];
        double[] b = [0];
        var adamax = new Adamax(new(() => ++calls / 4.0), epsilon: 0) { WeightDecay = 0 };
        adamax.Build(new Variable<float>("a", a), new Variable<double>("b", b));
        Assert.Equal(0.25, adamax.Apply(new[] { 1f }, new[] { 1.0 }).LearningRate);
        Assert.Equal(1, calls);
        Assert.Equal(-0.25f, a[0], 1e-6f);
        Assert.Equal(-0.25, b[0], 1e-6);
    }

    [Fact]
    public void ABeta1OfOneGivesNaNAtTheFirstStep()
    {
        float[] weights = [1];
        var adamax = new Adamax(beta1: 1);
        adamax.Build(new Variable<float>("w", weights));
        adamax.Apply(new[] { 1f });
        Assert.True(float.IsNaN(weights[0]));
    }

    [Fact]
    public void ANegativeRateClimbs()
    {
        float[] weights = [1];
        var adamax = new Adamax(-0.5) { WeightDecay = 0.5 };
        adamax.Build(new Variable<float>("w", weights));
        adamax.Apply(new[] { 0f });
        Assert.Equal(1.25f, weights[0]); // decay, too, is multiplied by the rate
        adamax.Apply(new[] { 2f });
        Assert.True(weights[0] > 1.25f * 1.25f);
    }

    [Fact]
    public void ANegativeDecayMakesWeightsGrow()
    {
        float[] weights = [2];
        var adamax = new Adamax(1.0) { WeightDecay = -0.5 };
        adamax.Build(new Variable<float>("w", weights));
        adamax.Apply(new[] { 0f });
        Assert.Equal(3f, weights[0]);
    }
}
