using Infinorm.Optimizers;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace Infinorm.Torch.Tests;

/// <summary>The C# of docs/torchsharp.md and the README's loop over TorchSharp.</summary>
[Collection(nameof(Alone))] // its weights are drawn from torch's generator
public sealed class DocsTests
{
    [Fact]
    public void TheirExampleTrains()
    {
        manual_seed(1);
        // snippet
        using Tensor inputs = randn(256, 4), targets = inputs.square().sum(1, keepdim: true);
        using var model = nn.Sequential(("hidden", nn.Linear(4, 16)), ("relu", nn.ReLU()), ("out", nn.Linear(16, 1)));
        using TorchOptimizer optimizer = new Adamax(0.01) { GlobalClipNorm = 1, WeightDecay = 0.004, UseEma = true }.For(model);
        var scheduler = lr_scheduler.StepLR(optimizer, step_size: 10, gamma: 0.5);
        for (int epoch = 0; epoch < 30; epoch++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            Tensor loss = nn.functional.mse_loss(model.forward(inputs), targets);
            loss.backward();
            optimizer.step();
            scheduler.step();
        }

        optimizer.FinalizeVariableValues(); // the averages become the weights
        // end
        using Tensor trained = nn.functional.mse_loss(model.forward(inputs), targets), untrained = targets.square().mean();
        Assert.True(trained.item<float>() < untrained.item<float>());
        Assert.Equal(30, optimizer.Optimizer.Iterations);
        Assert.Equal(0.00125, optimizer.ParamGroups.Single().LearningRate, 1e-8);
    }

    [Fact]
    public void PartOfAModelIsFrozenAndFineTuned()
    {
        using Tensor inputs = randn(8, 4);
        // snippet
        using var model = nn.Sequential(("backbone", nn.Linear(4, 16)), ("relu", nn.ReLU()), ("head", nn.Linear(16, 1)));
        using TorchOptimizer optimizer = new AdamW(1e-3).For(
            new ParameterGroup(model.named_parameters().Where(p => p.name.StartsWith("backbone"))) { LearningRate = 1e-5 },
            new ParameterGroup(model.named_parameters().Where(p => p.name.StartsWith("head"))));

        foreach (var (name, parameter) in model.named_parameters())
            parameter.requires_grad = !name.StartsWith("backbone"); // frozen: no step and no decay, until it is true again
        // end
        using Tensor before = model.named_parameters().First().parameter.detach().clone(), head = model.named_parameters().Last().parameter.detach().clone();
        using Tensor loss = model.forward(inputs).square().mean();
        loss.backward();
        optimizer.step();
        Assert.True(before.Equals(model.named_parameters().First().parameter.detach()));
        Assert.False(head.Equals(model.named_parameters().Last().parameter.detach()));
    }

    [Fact]
    public void AModelOf16BitsTrains()
    {
        using Tensor inputs = randn(64, 4).to(ScalarType.BFloat16), targets = inputs.sum(1, keepdim: true);
        // snippet
        using var model = nn.Sequential(("hidden", nn.Linear(4, 16)), ("relu", nn.ReLU()), ("out", nn.Linear(16, 1)));
        model.to(ScalarType.BFloat16); // before the optimizer is made
        using TorchOptimizer optimizer = new LossScaleOptimizer(new AdamW(1e-3) { UseMasterWeights = true }).For(model);

        optimizer.zero_grad();
        using Tensor loss = nn.functional.mse_loss(model.forward(inputs), targets);
        optimizer.ScaleLoss(loss).backward();
        optimizer.step(); // divides the gradients by the scale; optimizer.LastStep says whether the step was skipped
        // end
        Assert.Equal(StepResult.Updated, optimizer.LastStep?.Result);
    }

    [Fact]
    public void TheRateIsSet()
    {
        using var model = nn.Linear(4, 1);
        using TorchOptimizer optimizer = new Adamax(0.01).For(model);
        // snippet
        optimizer.LearningRate = 1e-4; // of all groups that have no rate of their own
        foreach (var group in optimizer.ParamGroups)
            group.LearningRate *= 0.5; // as with every torch.optim.Optimizer
        // end
        Assert.Equal(5e-5, optimizer.ParamGroups.Single().LearningRate, 1e-9);
    }

    [Fact]
    public void ThreadsAreShared()
    {
        int before = get_num_threads();
        try
        {
            // snippet
            set_num_threads(1); // libtorch's, for this thread: before the first tensor is computed
            using var model = nn.Linear(4, 1);
            using var optimizer = new Adamax { MaxDegreeOfParallelism = 1 }.For(model); // Infinorm's
            // end
            Assert.Equal(1, get_num_threads());
        }
        finally
        {
            set_num_threads(before);
        }
    }
}
