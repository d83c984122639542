using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

public class TorchOptimizerTests
{
    [Fact]
    public void StepsAModelInPlace()
    {
        using var model = nn.Linear(3, 2);
        using var optimizer = new Adamax(0.5).For(model);
        using var before = model.weight!.detach().clone();
        using var loss = model.forward(ones(4, 3)).sum();
        loss.backward();
        optimizer.step();
        using var moved = (before - model.weight!).detach();
        Assert.All(moved.data<float>().ToArray(), distance => Assert.Equal(0.5f, distance, 1e-5f));
        Assert.Equal(StepResult.Updated, optimizer.LastStep?.Result);
    }
}
