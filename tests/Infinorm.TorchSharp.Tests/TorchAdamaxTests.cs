using Infinorm.Optimizers;
using Infinorm.Variables;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

[Collection(nameof(Alone))]
public class TorchAdamaxTests
{
    [Fact]
    public void ContinuesARunOfTorchSharps()
    {
        using Parameter ours = Parameter(1, 50), theirs = Parameter(1, 50);
        using var reference = optim.Adamax([theirs]);
        WithoutCollection(() => Steps(() => reference.step()));

        var state = (TorchSharp.Modules.Adamax.State)reference.state_dict().State[0];
        ours.detach().copy_(theirs.detach());
        using TorchOptimizer optimizer = new TorchAdamax { Name = "a" }.For([("p", ours)]);
        IReadOnlyDictionary<string, Variable> variables = optimizer.Optimizer.Variables.ToDictionary(v => v.Path);
        variables["a/iteration"].Assign(state.step);
        variables["a/p_momentum"].Assign<float>(Floats(state.exp_avg));
        variables["a/p_norm"].Assign<float>(Floats(state.exp_inf));
        WithoutCollection(() => Steps(() => reference.step()));
        Steps(() => optimizer.step());

        Assert.All(Floats(theirs).Zip(Floats(ours)), pair => Assert.Equal(pair.First, pair.Second, 1e-6f));

        static void Steps(Action step)
        {
            for (int i = 0; i < 5; i++)
                step();
        }
    }
}
