using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Variables;

namespace Infinorm.Tests;

/// <summary>What debuggers and logs show.</summary>
public sealed class TextTests
{
    [Fact]
    public void RatesAreShownAsTheyWereWritten()
    {
        Assert.Equal("0.002", new Adamax(0.002).LearningRate.ToString());
        Assert.Equal("0.1", new LearningRate(0.1).ToString());
        Assert.Equal(
            "CosineDecay(initial_learning_rate: 0.001, decay_steps: 100, alpha: 0.0, warmup_target: null, warmup_steps: 0)",
            new LearningRate(new CosineDecay(0.001, 100)).ToString());
        Assert.Equal("function <lambda>", new LearningRate(() => 1).ToString());
    }

    [Fact]
    public void AnOptimizerSaysHowFarItIs()
    {
        var adamax = new Adamax(0.002) { Name = "a" };
        Assert.Equal("Adamax \"a\", learning rate 0.002, not built", adamax.ToString());
        adamax.Build(new Variable<float>("w", new float[1]), new Variable<float>("v", new float[1]));
        adamax.Apply(new float[1], default);
        Assert.Equal("Adamax \"a\", learning rate 0.002, 2 variables, 1 updates", adamax.ToString());
    }

    [Fact]
    public void AStepSaysWhatItDid()
    {
        var adamax = new Adamax(0.002) { GlobalClipNorm = 1 };
        adamax.Build(new Variable<float>("w", new float[1]), new Variable<float>("v", new float[1]));
        Assert.Equal(
            "Updated at rate 0.002, norm 4, clipped by 0.25, 1 variables without gradient", adamax.Apply(new[] { 4f }, default).ToString());
    }
}
