using Infinorm.Constraints;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Tests;

public class OptimizerBuildTests
{
    readonly Adamax _adamax = new() { Name = "a" };

    [Fact]
    public void NamesAndOrdersItsVariablesAsKerasDoes()
    {
        var adamax = new Adamax { Name = "a", UseEma = true, GradientAccumulationSteps = 2 };
        var scale = new Variable<float>("dense/scale", new float[2]) { OverwriteWithGradient = true };
        adamax.Build(new Variable<Half>("dense/kernel", new Half[6], [3, 2]), scale);
        Assert.Equal(
            [
                "a/iteration int64[]", "a/learning_rate float32[]", "a/dense_kernel_average float32[3, 2]",
                "a/dense_kernel_gradient_accumulator float32[3, 2]", "a/dense_scale_gradient_accumulator float32[2]",
                "a/dense_kernel_momentum float32[3, 2]", "a/dense_kernel_norm float32[3, 2]",
            ],
            adamax.Variables.Select(variable => $"{variable}"));
    }

    [Fact]
    public void BuildsOnce()
    {
        Variable[] variables = [new Variable<float>("w", new float[2]), new Variable<double>("b", new double[2])];
        _adamax.Build(variables);
        _adamax.Apply([new float[] { 1, 2 }, default]);
        var before = Snapshot.Of(_adamax, variables);
        _adamax.Build(variables.AsEnumerable());
        before.AssertUnchanged(_adamax, variables);
        Refusal.Is<InvalidOperationException>(
            "a is built for other variables. Make a new optimizer for new variables.", () => _adamax.Build(variables[0]));
        Refusal.Is<InvalidOperationException>(
            "a is built for other variables. Make a new optimizer for new variables.", () => _adamax.Build(variables[1], variables[0]));
    }

    [Fact]
    public void RefusesVariablesItCannotTrain()
    {
        var variable = new Variable<float>("w", new float[2]);
        Refusal.Is<ArgumentException>("a: there are no variables to train.", () => _adamax.Build());
        Refusal.Is<ArgumentException>("w: the variable is listed twice.", () => _adamax.Build(variable, variable));
        Refusal.Is<ArgumentException>(
            "n: a variable of type int64 cannot be trained.", () => _adamax.Build(variable, new Variable<long>("n", new long[2])));
        Assert.Throws<ArgumentNullException>(() => _adamax.Build(variable, null!));
        Assert.Throws<ArgumentException>(() => _adamax.Build(new Variable<float>("w", new float[2]) { Constraint = new MaxNorm(axis: 1) }));
        Assert.False(_adamax.IsBuilt);
    }

    [Theory]
    [InlineData(0, 5, 4, 6)]
    [InlineData(4, 6, 0, 5)]
    [InlineData(0, 10, 3, 1)]
    public void RefusesVariablesThatOverlap(int firstStart, int firstLength, int secondStart, int secondLength)
    {
        float[] memory = new float[10];
        var first = new Variable<float>("first", memory.AsMemory(firstStart, firstLength));
        var second = new Variable<float>("second", memory.AsMemory(secondStart, secondLength));
        var error = Assert.Throws<ArgumentException>(() => _adamax.Build(new Variable<float>("between", new float[3]), first, second));
        Assert.EndsWith("overlap in memory; each variable needs its own.", error.Message);
        Assert.Contains("first", error.Message);
        Assert.Contains("second", error.Message);
        Assert.False(_adamax.IsBuilt);
    }

    [Fact]
    public void TakesVariablesSideBySideInOneArray()
    {
        float[] memory = new float[10];
        _adamax.Build(
            new Variable<float>("first", memory.AsMemory(0, 5)), new Variable<float>("none", memory.AsMemory(5, 0)),
            new Variable<float>("second", memory.AsMemory(5)));
        _adamax.Apply([new float[] { 1, 1, 1, 1, 1 }, default, default]);
        Assert.Equal([true, true, true, true, true, false, false, false, false, false], memory.Select(weight => weight < 0));
    }

    [Fact]
    public void TwoVariablesOfOnePathAreRefused() => Refusal.Is<ArgumentException>(
        "w: two variables have this path, by which the state is saved.",
        () => new Adamax().Build(new Variable<float>("w", new float[1]), new Variable<float>("w", new float[1])));

    [Fact]
    public void NoSequenceOfVariablesIsRefused() =>
        Assert.Throws<ArgumentNullException>(() => new Adamax().Build((IEnumerable<Variable>)null!));

    [Fact]
    public void GroupsOfVariablesAreSteppedWithTheirOwnRateAndDecay()
    {
        float[] a = [1], b = [1], c = [1];
        var optimizer = new Adamax(0.5) { WeightDecay = 0.5 };
        optimizer.Build(
            new VariableGroup(new Variable<float>("a", a), new Variable<float>("b", b)),
            new VariableGroup(new Variable<float>("c", c)) { LearningRate = 0.25, WeightDecay = 0 });
        Assert.Equal(["a", "b", "c"], optimizer.TrainableVariables.Select(variable => variable.Path));
        optimizer.Apply(new[] { 1f }, new[] { 1f }, new[] { 1f });
        Assert.Equal([0.25f, 0.25f, 0.75f], (float[])[a[0], b[0], c[0]], (x, y) => MathF.Abs(x - y) < 1e-6f);
        Assert.Throws<ArgumentOutOfRangeException>(() => new VariableGroup { WeightDecay = double.NaN });
        Assert.Throws<ArgumentNullException>(() => new VariableGroup((Variable)null!));
    }
}
