using Infinorm.Optimizers;
using Infinorm.Samples.NoisySpeech;

namespace Infinorm.Samples.Tests;

public class ChoiceTests
{
    [Theory]
    [InlineData("adamax", null, "Adamax", 4e-3f)]
    [InlineData("SGD", 0.5f, "SGD", 0.5f)]
    [InlineData("ScheduleFreeAdamW", null, "ScheduleFreeAdamW", 0.0025f)]
    public void AnyRegisteredOptimizerCanBeChosen(string name, float? rate, string expectedName, float expectedRate) =>
        Assert.Equal(new Choice(expectedName, expectedRate), Choice.Of(name, rate));

    [Fact]
    public void AllHaveTheSameScheduleClippingAndAverages()
    {
        RuleOptimizer[] optimizers = [.. Choice.Compared.Select(choice => choice.Make(1000))];
        Assert.Equal([typeof(Adamax), typeof(Adam), typeof(Sgd)], optimizers.Select(optimizer => optimizer.GetType()));
        Assert.All(optimizers, optimizer => Assert.Equal((1, true, 0.99), (optimizer.GlobalClipNorm, optimizer.UseEma, optimizer.EmaMomentum)));
        Assert.Equal(0.9, ((Sgd)optimizers[2]).Momentum);
    }

    [Theory]
    [InlineData("Adamix", null, "no class 'Adamix'; known are")]
    [InlineData("MultiOptimizer", null, "optimizer_map")]
    [InlineData("Adam", 0f, "--learning-rate must be a number above 0, found 0")]
    [InlineData("Adam", float.NaN, "--learning-rate must be a number above 0, found NaN")]
    public void WhatCannotTrainIsRefused(string name, float? rate, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Choice.Of(name, rate)).Message, StringComparison.Ordinal);
}
