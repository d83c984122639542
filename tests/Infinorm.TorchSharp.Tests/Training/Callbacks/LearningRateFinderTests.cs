using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;

namespace Infinorm.Torch.Tests.Training;

[Collection(nameof(Alone))]
public sealed class LearningRateFinderTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void SuggestsARateAndLeavesAllAsItWas(bool scheduled)
    {
        using var problem = new Problem(optimizer: () => scheduled ? Problem.Default() : new Adamax(0.001));
        problem.Trainer.Fit(problem.Data, 1, new() { Seed = 1 });
        Optimizer optimizer = problem.Optimizer.Optimizer;
        byte[] weights = problem.Weights(), state = State(optimizer);
        double rate = optimizer.CurrentLearningRate;

        var finder = new LearningRateFinder(1e-5, 10, steps: 80);
        History history = problem.Trainer.Fit(problem.Data, epochs: 20, new() { Seed = 2, Callbacks = [finder] });

        Assert.Equal("learning rates tried", history.StopReason);
        Assert.InRange(finder.Points.Count, 20, 80);
        Assert.Equal(1e-5, finder.Points[0].Rate, 1e-10);
        Assert.True(finder.Points.Zip(finder.Points.Skip(1)).All(pair => pair.First.Rate < pair.Second.Rate));
        Assert.InRange(finder.Suggestion!.Value, 1e-3, 1);
        Assert.Equal(weights, problem.Weights());
        Assert.Equal(state, State(optimizer));
        Assert.Equal(rate, optimizer.CurrentLearningRate);

        optimizer = new Adamax(finder.Suggestion.Value);
        using var better = new Problem(optimizer: () => optimizer);
        using var slow = new Problem(optimizer: () => new Adamax(1e-5));
        Assert.True(better.Trainer.Fit(better.Data, 5)["loss"][^1] < slow.Trainer.Fit(slow.Data, 5)["loss"][^1]);
    }

    [Fact]
    public void SaysBeforeTheFirstStepThatTheDataAreTooFew()
    {
        using var problem = new Problem();
        var finder = new LearningRateFinder();
        Assert.StartsWith(
            "100 learning rates are to be tried, a step each, and there are only 9 steps: 9 batches × 1 epochs. Give Fit more epochs, at least 12.",
            Assert.Throws<ArgumentException>(() => problem.Trainer.Fit(problem.Data, 1, new() { Callbacks = [finder] })).Message);
        Assert.Equal(0, problem.Optimizer.Optimizer.Iterations);
        problem.Trainer.Fit(problem.Data.Select(batch => batch), 1, new() { Callbacks = [finder] }); // their number is not known
        Assert.Equal((9, null), (finder.Points.Count, finder.Suggestion));
    }

    [Fact]
    public void RefusesRatesThatDoNotGrow() => Assert.StartsWith(
        "The rates must grow from above 0, in at least 10 steps: found 1 to 0.1 in 100 steps.",
        Assert.Throws<ArgumentException>(() => new LearningRateFinder(1, 0.1)).Message);

    static byte[] State(Optimizer optimizer) => [.. optimizer.Variables.SelectMany(variable => variable.ToNdArray().Bytes.ToArray())];
}
