using Infinorm.Schedules;
using Infinorm.Variables;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace Infinorm.Torch.Tests;

public class ParameterGroupTests
{
    [Fact]
    public void GroupsStepWithTheirOwnRateAndDecayAndShareTheRest()
    {
        using Parameter a = Parameter(1, 300), b = Parameter(2, 200), c = Parameter(3, 100);
        float[][] expected = [.. new[] { a, b, c }.Select(Floats)];
        float[][] gradients = [.. new[] { a, b, c }.Select(p => Floats(p.grad!))];
        double norm = Math.Sqrt(gradients.SelectMany(g => g).Sum(x => (double)x * x));
        using TorchOptimizer optimizer = new Adamax(0.01) { GlobalClipNorm = 1, WeightDecay = 0.5 }.For(
            new ParameterGroup([("a", a)]) { LearningRate = 0.1 }, new ParameterGroup([("b", b)]) { WeightDecay = 0 },
            new ParameterGroup([("c", c)]));

        // The same by three optimizers whose gradients were clipped before.
        Adamax[] single =
        [
            new(0.1) { WeightDecay = 0.5 }, new(0.01), new(0.01) { WeightDecay = 0.5 },
        ];
        for (int i = 0; i < 3; i++)
        {
            single[i].Build(new Variable<float>("p", expected[i]));
            float[] clipped = [.. gradients[i].Select(x => (float)(x / norm))];
            for (int step = 0; step < 3; step++)
                single[i].Apply(clipped);
        }

        for (int step = 0; step < 3; step++)
            optimizer.step();
        Assert.Equal(norm, optimizer.LastStep!.Value.GradientNorm!.Value, 1e-4);
        foreach ((float[] values, Parameter parameter) in expected.Zip([a, b, c]))
            Assert.All(values.Zip(Floats(parameter)), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
        Assert.Equal([(double)0.1f, 0.01f, 0.01f], optimizer.ParamGroups.Select(g => g.LearningRate));
    }

    [Fact]
    public void OneGroupOfAllIsTheOptimizerBitForBit()
    {
        using Parameter a = Parameter(1, 300), b = Parameter(1, 300);
        using TorchOptimizer one = new Adamax(0.01) { WeightDecay = 0.5 }.For([("p", a)]);
        using TorchOptimizer own = new Adamax(0.5).For(new ParameterGroup([("p", b)]) { LearningRate = 0.01, WeightDecay = 0.5 });
        for (int i = 0; i < 3; i++)
        {
            one.step();
            own.step();
        }

        Assert.Equal(Floats(a), Floats(b));
    }

    [Fact]
    public void AnyGroupWithoutFiniteGradientsSkipsThemAll()
    {
        using Parameter a = Parameter(1, 30), b = Parameter(2, 20);
        float[] before = Floats(a);
        b.grad = full(20, float.NaN);
        using TorchOptimizer optimizer = new LossScaleOptimizer(new Adamax()).For(
            new ParameterGroup([("a", a)]), new ParameterGroup([("b", b)]) { LearningRate = 1 });
        optimizer.step();
        Assert.Equal(StepResult.Skipped, optimizer.LastStep?.Result);
        Assert.Equal(before, Floats(a));
    }

    [Fact]
    public void SchedulesOfGroupsCountTheOptimizersSteps()
    {
        using Parameter a = Parameter(1, 30), b = Parameter(2, 20);
        using TorchOptimizer optimizer = new Adamax(0.01).For(
            new ParameterGroup([("a", a)]) { LearningRate = new PiecewiseConstantDecay([1], [0.5, 0.25]) },
            new ParameterGroup([("b", b)]) { LearningRate = new LearningRate(() => 0.125) });
        ILearningRateController[] groups = [.. optimizer.ParamGroups];
        Assert.Equal([0.5, 0.125], groups.Select(g => g.LearningRate));
        optimizer.step();
        optimizer.step();
        Assert.Equal([0.25, 0.125], groups.Select(g => g.LearningRate));
        Assert.Contains("schedule", Assert.Throws<InvalidOperationException>(() => groups[0].LearningRate = 1).Message);
    }

    [Fact]
    public void RefusesWhatIsNoNumber()
    {
        using Parameter a = Parameter(1, 3);
        Assert.Throws<ArgumentOutOfRangeException>(() => new ParameterGroup([("a", a)]) { WeightDecay = double.NaN });
        Assert.Throws<ArgumentException>(() => new Adamax().For(new ParameterGroup([("a", a)]), new ParameterGroup([("a", a)])));
    }
}
