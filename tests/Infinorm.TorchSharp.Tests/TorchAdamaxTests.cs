using Infinorm.Optimizers;
using Infinorm.Variables;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

public class TorchAdamaxTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(0.01)]
    public void AgreesWithTorchSharpsOwnOverAThousandSteps(double weightDecay)
    {
        using Parameter ours = Parameter(1, 400), theirs = Parameter(1, 400);
        using TorchOptimizer optimizer = new TorchAdamax(coupledWeightDecay: weightDecay).For([("p", ours)]);
        using var reference = optim.Adamax([theirs], weight_decay: weightDecay);
        float[] start = Floats(ours);
        using var generator = new Generator(5);
        for (int i = 0; i < 1000; i++)
        {
            using Tensor gradient = randn(400, generator: generator);
            ours.grad = gradient.clone();
            theirs.grad = gradient.clone();
            optimizer.step();
            reference.step();
        }

        float[] a = Floats(ours), b = Floats(theirs);
        Assert.InRange(a.Zip(start, (x, y) => Math.Abs(x - y)).Average(), 0.01, 2); // it went somewhere
        Assert.All(a.Zip(b), pair => Assert.Equal(pair.First, pair.Second, 2e-6f + 2e-6f * Math.Abs(pair.First)));
    }

    [Fact]
    public void ContinuesARunOfTorchSharps()
    {
        using Parameter ours = Parameter(1, 50), theirs = Parameter(1, 50);
        using var reference = optim.Adamax([theirs]);
        for (int i = 0; i < 5; i++)
            reference.step();

        var state = (TorchSharp.Modules.Adamax.State)reference.state_dict().State[0];
        ours.detach().copy_(theirs.detach());
        using TorchOptimizer optimizer = new TorchAdamax { Name = "a" }.For([("p", ours)]);
        IReadOnlyDictionary<string, Variable> variables = optimizer.Optimizer.Variables.ToDictionary(v => v.Path);
        variables["a/iteration"].Assign(state.step);
        variables["a/p_momentum"].Assign<float>(Floats(state.exp_avg));
        variables["a/p_norm"].Assign<float>(Floats(state.exp_inf));
        for (int i = 0; i < 5; i++)
        {
            reference.step();
            optimizer.step();
        }

        Assert.All(Floats(theirs).Zip(Floats(ours)), pair => Assert.Equal(pair.First, pair.Second, 1e-6f));
    }
}
