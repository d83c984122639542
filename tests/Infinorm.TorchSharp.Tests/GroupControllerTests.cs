using Infinorm.Optimizers;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace Infinorm.Torch.Tests;

/// <summary>TorchSharp's schedulers do to Infinorm's optimizer what they do to TorchSharp's own.</summary>
public class GroupControllerTests
{
    public static TheoryData<string> Schedulers => [.. Makers.Keys];

    static readonly Dictionary<string, Func<TorchSharp.torch.optim.Optimizer, lr_scheduler.LRScheduler>> Makers = new()
    {
        ["step"] = optimizer => lr_scheduler.StepLR(optimizer, 2, 0.5),
        ["exponential"] = optimizer => lr_scheduler.ExponentialLR(optimizer, 0.9),
        ["cosine"] = optimizer => lr_scheduler.CosineAnnealingLR(optimizer, 10),
        ["lambda"] = optimizer => lr_scheduler.LambdaLR(optimizer, epoch => 1.0 / (epoch + 1)),
        ["cyclic"] = optimizer => lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, step_size_up: 3, cycle_momentum: false),
    };

    [Theory]
    [MemberData(nameof(Schedulers))]
    public void SchedulersMoveRatesAndBetasAsTheyMoveTorchSharps(string name)
    {
        using Parameter a = Parameter(1, 30), b = Parameter(2, 20), a2 = Parameter(1, 30), b2 = Parameter(2, 20);
        using TorchOptimizer ours = new TorchAdamax(0.05).For(
            new ParameterGroup([("a", a)]), new ParameterGroup([("b", b)]) { LearningRate = 0.2 });
        using var theirs = new TorchSharp.Modules.Adamax(
            [new TorchSharp.Modules.Adamax.ParamGroup([a2], lr: 0.05), new TorchSharp.Modules.Adamax.ParamGroup([b2], lr: 0.2)]);
        Compare(ours, theirs, Makers[name]);
        Assert.True(allclose(a, a2, rtol: 1e-5, atol: 1e-6));
        Assert.True(allclose(b, b2, rtol: 1e-5, atol: 1e-6));
    }

    // TorchSharp's OneCycleLR computes wrong values for the groups after the first.
    [Fact]
    public void OneCycleMovesRateAndBetasAsItMovesTorchSharps()
    {
        using Parameter a = Parameter(1, 30), a2 = Parameter(1, 30);
        using TorchOptimizer ours = new TorchAdamax(0.05).For([("a", a)]);
        using var theirs = optim.Adamax([a2], lr: 0.05);
        Compare(ours, theirs, optimizer => lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps: 12));
        Assert.True(allclose(a, a2, rtol: 1e-5, atol: 1e-6));
        Assert.NotEqual(0.9, ours.Betas.Item1);
        Assert.Equal(((TorchSharp.Modules.Adamax.ParamGroup)theirs.ParamGroups.First()).Betas, ours.Betas);
    }

    static void Compare(
        TorchOptimizer ours, TorchSharp.Modules.Adamax theirs, Func<TorchSharp.torch.optim.Optimizer, lr_scheduler.LRScheduler> make)
    {
        lr_scheduler.LRScheduler ourScheduler = make(ours), theirScheduler = make(theirs);
        for (int i = 0; i < 10; i++)
        {
            Assert.All(
                theirs.ParamGroups.Zip(ours.ParamGroups), pair => Assert.Equal(pair.First.LearningRate, pair.Second.LearningRate, 1e-7));
            ours.step();
            theirs.step();
            ourScheduler.step();
            theirScheduler.step();
        }
    }

    [Fact]
    public void TheOnlyGroupsRateIsTheOptimizersOwn()
    {
        using Parameter parameter = Parameter(1, 3);
        var adamax = new Adamax(0.5);
        using TorchOptimizer optimizer = adamax.For([("p", parameter)]);
        optimizer.ParamGroups.Single().LearningRate = 0.25;
        Assert.Equal(0.25, adamax.CurrentLearningRate);
        adamax.LearningRate = 0.125;
        Assert.Equal(0.125, optimizer.ParamGroups.Single().LearningRate);
    }

    [Fact]
    public void BetasMustBeTheSameInAllGroups()
    {
        using Parameter a = Parameter(1, 3), b = Parameter(2, 3);
        using TorchOptimizer optimizer = new Adamax().For(new ParameterGroup([("a", a)]), new ParameterGroup([("b", b)]));
        Assert.Equal((0.9, 0.999), optimizer.Betas);
        ((optim.IBetas)optimizer.ParamGroups.First()).Betas = (0.5, 0.9);
        Assert.Contains("Groups 0 and 1", Assert.Throws<NotSupportedException>(() => optimizer.step()).Message);
        optimizer.Betas = (0.5, 0.9);
        optimizer.step();
    }
}
