using Infinorm.Optimizers;
using Infinorm.Variables;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch;
using Adam = Infinorm.Optimizers.Adam;

namespace Infinorm.Torch.Tests;

public sealed class MultiOptimizerTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void EachOptimizerStepsItsParameters(bool onTensors, bool byFunction)
    {
        using Parameter weight = Parameter(1, 4, 3), bias = Parameter(2, 3);
        float[] w = Floats(weight), b = Floats(bias);
        Infinorm.Optimizer onArrays = Make(byFunction);
        onArrays.Build(new Variable<float>("layer/weight", w, [4, 3]), new Variable<float>("layer/bias", b));
        using var optimizer = new TorchOptimizer(Make(byFunction), [new([("layer.weight", weight), ("layer.bias", bias)])], onTensors);
        for (int i = 0; i < 4; i++)
        {
            weight.grad = Random(i, 4, 3);
            bias.grad = i == 2 ? full(3, float.PositiveInfinity) : Random(i + 10, 3);
            StepInfo expected = onArrays.Apply(Scaled(weight.grad), Scaled(bias.grad));
            weight.grad = tensor(Scaled(weight.grad), [4, 3]);
            bias.grad = tensor(Scaled(bias.grad));
            optimizer.step();
            Assert.Equal(expected.Result, optimizer.LastStep?.Result);
            Assert.Equal(i == 2 ? StepResult.Skipped : StepResult.Updated, expected.Result);
        }

        float tolerance = onTensors ? 1e-6f : 0; // the library's root is not always the nearest number
        Assert.All(w.Zip(Floats(weight)), pair => Assert.Equal(pair.First, pair.Second, tolerance));
        Assert.All(b.Zip(Floats(bias)), pair => Assert.Equal(pair.First, pair.Second, tolerance));
    }

    [Fact]
    public void ASchedulerSetsTheRateOfEach()
    {
        using var model = nn.Linear(3, 2);
        var multi = new MultiOptimizer(new Sgd(0.5), [KeyValuePair.Create<string, RuleOptimizer>("weight", new Adam(0.25))]);
        using TorchOptimizer optimizer = multi.For(model);
        optim.lr_scheduler.LRScheduler scheduler = optim.lr_scheduler.StepLR(optimizer, 1, 0.5);
        model.forward(ones(1, 3)).sum().backward();
        optimizer.step();
        scheduler.step();
        Assert.Equal([0.125, 0.25], multi.Optimizers.Select(inner => inner.CurrentLearningRate));
    }

    static LossScaleOptimizer Make(bool byFunction)
    {
        var (adam, sgd) = (new Adam(0.1), new Sgd(0.1, momentum: 0.5));
        return new(byFunction
            ? new MultiOptimizer(variable => variable.Name == "weight" ? adam : sgd)
            : new MultiOptimizer(sgd, [KeyValuePair.Create<string, RuleOptimizer>(".*/weight", adam)]));
    }

    static float[] Scaled(Tensor gradient) => Array.ConvertAll(Floats(gradient), value => value * 32768);
}
