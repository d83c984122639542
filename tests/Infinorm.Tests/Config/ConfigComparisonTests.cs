using Infinorm.Config;
using Infinorm.Optimizers;
using Infinorm.Schedules;

namespace Infinorm.Tests.Config;

public class ConfigComparisonTests
{
    [Fact]
    public void EqualConfigsHaveNoDifferences()
    {
        static Optimizer Make() => new LossScaleOptimizer(new Adamax(new CosineDecay(0.1, 10)) { ClipNorm = 1 });
        Assert.Empty(ConfigComparison.Compare(Make().GetConfig(), Make().GetConfig()));
    }

    [Fact]
    public void NamesAndNumbersAsRatesDoNotCount()
    {
        Assert.Empty(ConfigComparison.Compare(
            new LossScaleOptimizer(new Adamax(0.1) { Name = "a" }) { Name = "b" }.GetConfig(),
            new LossScaleOptimizer(new Adamax(0.2) { Name = "c" }) { Name = "d" }.GetConfig()));
    }

    [Fact]
    public void ListsEverySettingThatDiffers()
    {
        var first = new Adamax(new CosineDecay(0.1, 10), beta1: 0.5) { WeightDecay = 0.1 };
        var second = new Adamax(new CosineDecay(0.1, 20)) { GradientAccumulationSteps = 2 };
        Assert.Equal(
            [
                new("learning_rate/decay_steps", "10", "20"), new("weight_decay", "0.1", "null"),
                new("gradient_accumulation_steps", "null", "2"), new("beta_1", "0.5", "0.9"),
            ],
            ConfigComparison.Compare(first.GetConfig(), second.GetConfig()));
    }

    [Fact]
    public void WhatIsOfAnotherKindIsShownAsAWhole()
    {
        List<SettingDifference> differences = ConfigComparison.Compare(
            new LossScaleOptimizer(new Adamax(0.1)).GetConfig(), new Adamax(new CosineDecay(0.1, 10)).GetConfig());
        Assert.Equal(new("class_name", "\"LossScaleOptimizer\"", "\"Adamax\""), differences[0]);
        Assert.Contains(differences, difference => difference is { Name: "inner_optimizer", Second: "nothing" });
        Assert.Contains(differences, difference => difference is { Name: "learning_rate", First: "nothing" } && difference.Second.StartsWith('{'));
    }
}
