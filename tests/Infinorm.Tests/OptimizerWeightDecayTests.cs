using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Tests;

public class OptimizerWeightDecayTests
{
    readonly Variable<float> _bias = new("dense/bias", new float[1]);

    readonly Adamax _adamax = new(1.0) { Name = "a", WeightDecay = 0.5 };

    bool[] Decays()
    {
        Variable<float>[] variables = [_bias, new("dense/my_bias_2", new float[1]), new("bias/kernel", new float[1])];
        foreach (Variable<float> variable in variables)
            variable.Span[0] = 8;
        _adamax.Build(variables);
        _adamax.Apply([new float[1], new float[1], new float[1]]);
        return [.. variables.Select(variable => variable.Span[0] == 4)];
    }

    [Fact]
    public void DecaysAllByDefault() => Assert.Equal([true, true, true], Decays());

    [Fact]
    public void ExcludesByName()
    {
        _adamax.ExcludeFromWeightDecay(names: ["bias"]);
        Assert.Equal([false, false, true], Decays());
    }

    [Fact]
    public void ExcludesByPattern()
    {
        _adamax.ExcludeFromWeightDecay(names: ["^bias$", "ker|nel$"]);
        Assert.Equal([false, true, false], Decays());
    }

    [Fact]
    public void ExcludesByVariable()
    {
        _adamax.ExcludeFromWeightDecay([_bias], []);
        Assert.Equal([false, true, true], Decays());
    }

    [Fact]
    public void APatternThatMatchesNoNameExcludesNothing()
    {
        _adamax.ExcludeFromWeightDecay(names: ["bais", "dense/bias"]);
        Assert.Equal([true, true, true], Decays());
    }

    [Fact]
    public void ForgetsWhatAFormerCallExcluded()
    {
        _adamax.ExcludeFromWeightDecay([_bias], ["kernel"]);
        _adamax.ExcludeFromWeightDecay();
        Assert.Equal([true, true, true], Decays());
    }

    [Fact]
    public void KeepsWhatWasExcludedWhenAPatternIsWrong()
    {
        _adamax.ExcludeFromWeightDecay([_bias]);
        Assert.ThrowsAny<ArgumentException>(() => _adamax.ExcludeFromWeightDecay(names: ["("]));
        Assert.Throws<ArgumentNullException>(() => _adamax.ExcludeFromWeightDecay(names: ["kernel", null!]));
        Assert.Equal([false, true, true], Decays());
    }

    [Fact]
    public void RefusesExclusionsAfterBuild()
    {
        _adamax.Build(_bias);
        Refusal.Is<InvalidOperationException>(
            "a is built; exclude variables from weight decay before that.", () => _adamax.ExcludeFromWeightDecay([_bias]));
    }
}
