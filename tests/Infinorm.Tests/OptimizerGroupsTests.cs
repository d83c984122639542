using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Tests;

public class OptimizerGroupsTests
{
    [Fact]
    public void GroupsOfSeveralTypesStepAsOptimizersOfTheirOwn()
    {
        double[] rates = [0.5, 0.125, 0.25];
        double?[] decays = [null, 0.5, 0];
        int[] groupOf = [2, 0, 1, 0, 1, 2];
        int[] lengths = [40_000, 700, 3, 20_000, 0, 500];
        Variable[] together = [.. lengths.Select(Make)], apart = [.. lengths.Select(Make)];
        Gradient[] gradients = [.. lengths.Select(GradientOf)];

        var optimizer = new Adamax(0.125) { WeightDecay = 0.25 };
        optimizer.BuildAt(together, new Grouping([.. rates.Zip(decays, (rate, decay) => new VariableGroup { LearningRate = rate, WeightDecay = decay })], groupOf), scope: "");
        for (int step = 0; step < 3; step++)
            optimizer.Apply(gradients);

        for (int i = 0; i < lengths.Length; i++)
        {
            var single = new Adamax(rates[groupOf[i]]) { WeightDecay = decays[groupOf[i]] ?? 0.25 };
            single.Build(apart[i]);
            for (int step = 0; step < 3; step++)
                single.Apply(gradients[i]);
            Assert.Equal(apart[i].ToNdArray().Bytes, together[i].ToNdArray().Bytes);
        }
    }

    [Fact]
    public void ClipsByTheNormOverAllGroups()
    {
        float[] a = [1], b = [1];
        var optimizer = new Adamax { GlobalClipNorm = 1 };
        optimizer.BuildAt([new Variable<float>("a", a), new Variable<float>("b", b)], new Grouping([new() { LearningRate = 0.5 }, new()], [0, 1]), scope: "");
        StepInfo step = optimizer.Apply(new[] { 3f }, new[] { 4f });
        Assert.Equal((5, 0.5), (step.GradientNorm, step.LearningRate));
        Assert.Equal(0.5f, a[0], 1e-6f);
        Assert.Equal(0.999f, b[0], 1e-6f);
    }

    [Fact]
    public void AFunctionIsAskedOnceAStep()
    {
        int asked = 0;
        var optimizer = new Adamax(new(() => 1.0 / ++asked));
        optimizer.BuildAt([new Variable<float>("a", new float[1]), new Variable<float>("b", new float[1])], new Grouping([new(), new()], [0, 1]), scope: "");
        for (int step = 1; step <= 3; step++)
            Assert.Equal(1.0 / step, optimizer.Apply(new float[1], new float[1]).LearningRate);
        Assert.Equal(3, asked);
    }

    // Every other variable is double.
    static Variable Make(int length, int index) => index % 2 == 0
        ? new Variable<float>($"v{index}", Values(length, index))
        : new Variable<double>($"v{index}", Values(length, index).Select(value => (double)value).ToArray());

    static Gradient GradientOf(int length, int index) => index % 2 == 0
        ? Values(length, index + 10)
        : Values(length, index + 10).Select(value => (double)value).ToArray();

    static float[] Values(int length, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.NextSingle() - 0.5f)];
    }
}
