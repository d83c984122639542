using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace Infinorm.Torch.Tests;

/// <summary>The C# of docs/torchsharp.md and of the README is the code of this file.</summary>
[Collection(nameof(Alone))] // its weights are drawn from torch's generator
public sealed class DocsTests
{
    [Fact]
    public void TheirExampleTrains()
    {
        using Tensor x = TensorTools.Random(1, 64, 4), y = x.square().sum(1, keepdim: true);
        (Tensor, Tensor)[] batches = [(x, y)];
        manual_seed(1);
        // snippet
        using var model = nn.Sequential(("hidden", nn.Linear(4, 16)), ("relu", nn.ReLU()), ("out", nn.Linear(16, 1)));
        using TorchOptimizer optimizer = new Adamax(0.01) { GlobalClipNorm = 1, WeightDecay = 0.004, UseEma = true }.For(model);
        var scheduler = lr_scheduler.StepLR(optimizer, step_size: 10, gamma: 0.5);
        for (int epoch = 0; epoch < 30; epoch++)
        {
            foreach ((Tensor inputs, Tensor targets) in batches)
            {
                using var scope = NewDisposeScope();
                optimizer.zero_grad();
                Tensor loss = nn.functional.mse_loss(model.forward(inputs), targets);
                loss.backward();
                optimizer.step();
            }

            scheduler.step();
        }

        optimizer.FinalizeVariableValues(); // the averages become the weights
        // end
        using Tensor trained = nn.functional.mse_loss(model.forward(x), y), untrained = y.square().mean();
        Assert.True(trained.item<float>() < untrained.item<float>());
        Assert.Equal(30, optimizer.Optimizer.Iterations);
        Assert.Equal(0.00125, optimizer.ParamGroups.Single().LearningRate, 1e-8);
    }
}
