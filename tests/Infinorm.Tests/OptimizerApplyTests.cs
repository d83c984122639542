using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Tests;

/// <summary>What Apply takes and what it refuses; that a refusal changes nothing is a property of its own.</summary>
public class OptimizerApplyTests
{
    readonly Variable<float> _kernel = new("dense/kernel", new float[15], [5, 3]);
    readonly Variable<float> _bias = new("dense/bias", new float[3]);
    readonly Adamax _adamax = new(0.1) { Name = "a" };

    [Fact]
    public void RefusesToStepBeforeBuild() => Refusal.Is<InvalidOperationException>(
        "a is not built. Call Build with the variables first, or pass them to Apply together with the gradients.",
        () => _adamax.Apply([new float[1]]));

    [Fact]
    public void RefusesAnotherNumberOfGradients()
    {
        _adamax.Build(_kernel, _bias);
        Refusal.Is<ArgumentException>(
            "a: 1 gradients, the optimizer was built for 2 variables.", () => _adamax.Apply([new float[15]]));
        Refusal.Is<ArgumentException>("a: 0 gradients, the optimizer was built for 2 variables.", () => _adamax.Apply());
        Refusal.Is<ArgumentException>("a: 1 gradients for 2 variables.", () => _adamax.Apply([new float[15]], [_kernel, _bias]));
    }

    [Fact]
    public void RefusesACallWithoutAnyGradient()
    {
        _adamax.Build(_kernel, _bias);
        Refusal.Is<ArgumentException>("a: no variable has a gradient.", () => _adamax.Apply([default, default]));
        Refusal.Is<ArgumentException>("a: no variable has a gradient.", () => _adamax.ApplyGradients());
    }

    [Fact]
    public void RefusesAGradientOfAnotherLength()
    {
        _adamax.Build(_kernel, _bias);
        Refusal.Is<ArgumentException>(
            "dense/kernel: gradient has 12 elements, the variable has 15.", () => _adamax.Apply([new float[12], new float[3]]));
    }

    [Fact]
    public void TakesAGradientAsItLiesInMemory()
    {
        float[] gradient = new float[15];
        gradient[3] = 1; // row 1, column 0 of [5, 3]
        _adamax.Build(_kernel);
        _adamax.Apply(gradient);
        Assert.Equal(3, _kernel.Span.IndexOfAnyExcept(0f));
    }

    [Fact]
    public void RefusesRowsThatDoNotFit()
    {
        _adamax.Build(_kernel, new Variable<float>("scale", new float[1], ReadOnlySpan<int>.Empty));
        Refusal.Is<ArgumentException>(
            "dense/kernel: 2 rows of 3 are 6 elements, the gradient has 4.",
            () => _adamax.Apply([Gradient.Rows([0, 1], new float[4]), default]));
        Refusal.Is<ArgumentException>(
            "dense/kernel: row index 5 at position 1, the variable has 5 rows.",
            () => _adamax.Apply([Gradient.Rows([0, 5], new float[6]), default]));
        Refusal.Is<ArgumentException>(
            "dense/kernel: row index -1 at position 0, the variable has 5 rows.",
            () => _adamax.Apply([Gradient.Rows([-1], new float[3]), default]));
        Refusal.Is<ArgumentException>(
            "scale: a gradient of rows needs a variable with rows, this one is a scalar.",
            () => _adamax.Apply([default, Gradient.Rows([0], new float[1])]));
    }

    [Fact]
    public void RefusesRowsThatNoLongerFit()
    {
        int[] indices = [0, 1];
        Gradient rows = Gradient.Rows(indices, new float[6]);
        _adamax.Build(_kernel);
        _adamax.Apply([rows]);
        indices[1] = 9;
        Refusal.Is<ArgumentException>(
            "dense/kernel: row index 9 at position 1, the variable has 5 rows.", () => _adamax.Apply([rows]));
    }

    [Fact]
    public void RefusesUnknownVariablesAndVariablesListedTwice()
    {
        _adamax.Build(_kernel, _bias);
        var other = new Variable<float>("other", new float[3]);
        Refusal.Is<ArgumentException>(
            "other: unknown variable. a can only step the variables it was built for.", () => _adamax.Apply([new float[3]], [other]));
        Refusal.Is<ArgumentException>(
            "dense/bias: the variable is listed twice.", () => _adamax.Apply([new float[3], new float[3]], [_bias, _bias]));
    }

    [Fact]
    public void RefusesAGradientInTheMemoryOfAVariableOrSlot()
    {
        float[] shared = new float[30];
        var first = new Variable<float>("first", shared.AsMemory(0, 10));
        var second = new Variable<float>("second", shared.AsMemory(10, 10));
        _adamax.Build(first, second);
        Refusal.Is<ArgumentException>(
            "first: the gradient overlaps the variable second in memory.",
            () => _adamax.Apply([shared.AsMemory(19, 10), default]));
        Refusal.Is<ArgumentException>(
            "second: the gradient overlaps the variable first in memory.",
            () => _adamax.Apply([default, Gradient.Rows<float>(Enumerable.Range(0, 10).ToArray(), shared.AsMemory(0, 10))]));
        var norm = (Variable<float>)_adamax.Variables[^1];
        Refusal.Is<ArgumentException>(
            "first: the gradient is in the optimizer's own memory.", () => _adamax.Apply([norm.Memory, default]));

        _adamax.Apply([shared.AsMemory(20, 10), shared.AsMemory(20, 10)]);
    }

    [Fact]
    public void StepsSomeOfTheVariables()
    {
        _adamax.Build(_kernel, _bias);
        StepInfo info = _adamax.Apply([new float[] { 1, 2, 3 }], [_bias]);
        Assert.Equal((StepResult.Updated, 1), (info.Result, info.MissingGradients));
        Assert.All(_kernel.Span.ToArray(), weight => Assert.Equal(0, weight));
        Assert.All(_bias.Span.ToArray(), weight => Assert.True(weight < 0));
    }

    [Fact]
    public void BuildsForTheVariablesOfItsFirstCall()
    {
        _adamax.ApplyGradients((new float[] { 1, 2, 3 }, _bias), (default, _kernel));
        Assert.Equal([_bias, _kernel], _adamax.TrainableVariables);
    }

    [Fact]
    public void IsNotBuiltByAFirstCallThatFails()
    {
        Assert.Throws<ArgumentException>(() => _adamax.Apply([new float[15], new float[9]], [_kernel, _bias]));
        Assert.False(_adamax.IsBuilt);
        Assert.Empty(_adamax.TrainableVariables);
        Assert.Equal(["a/iteration", "a/learning_rate"], _adamax.Variables.Select(variable => variable.Path));
    }

    [Fact]
    public void ForgetsTheGradientsOfAFirstCallThatFailed()
    {
        float[] ofKernel = new float[15];
        Assert.Throws<ArgumentException>(() => _adamax.Apply([ofKernel, new float[9]], [_kernel, _bias]));
        var third = new Variable<float>("third", new float[1]);
        _adamax.Build(_bias, _kernel, third);
        Refusal.Is<ArgumentException>(
            "dense/bias: gradient has 15 elements, the variable has 3.", () => _adamax.Apply([ofKernel, default, default]));
        Refusal.Is<ArgumentException>(
            "third: the gradient overlaps the variable third in memory.", () => _adamax.Apply([default, default, third.Memory]));
    }

    [Fact]
    public void TellsTheGlobalNormAndTheFactorOfTheClip()
    {
        var adamax = new Adamax { GlobalClipNorm = 1, GradientAccumulationSteps = 2 };
        adamax.Build(_bias);
        Assert.Null(adamax.Apply([new float[] { 6, 0, 8 }]).GradientNorm);
        StepInfo info = adamax.Apply([new float[] { 0, 0, 0 }]);
        Assert.Equal((5.0, (double)0.2f), (info.GradientNorm, info.ClipFactor));
    }

    [Fact]
    public void LetsInOneThreadAtATime()
    {
        Exception? refused = null;
        Adamax adamax = null!;
        adamax = new Adamax(new(() =>
        {
            refused ??= Record.Exception(() => adamax.Apply([new float[3]]));
            return 0.1;
        }))
        { Name = "b" };
        adamax.Build(_bias);
        adamax.Apply([new float[3]]);
        Assert.Equal(
            "b is in use: by another thread, or because its averages are in the variables.",
            Assert.IsType<InvalidOperationException>(refused).Message);
    }
}
