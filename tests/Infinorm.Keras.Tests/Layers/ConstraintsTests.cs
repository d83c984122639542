using System.Text.Json.Nodes;
using Infinorm.Constraints;
using Infinorm.Keras.Layers;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Keras.Tests.Layers;

public class ConstraintsTests
{
    [Theory]
    [InlineData("""{"class_name": "MaxNorm", "config": {"max_value": 1.0, "axis": 0}}""")]
    [InlineData("""{"class_name": "UnitNorm", "config": {"axis": [0, 1]}}""")]
    [InlineData("""{"class_name": "MinMaxNorm", "config": {"min_value": 0.5, "max_value": 1, "rate": 0.5, "axis": -1}}""")]
    [InlineData("""{"module": "keras.constraints", "class_name": "NonNeg", "config": {}, "registered_name": null}""")]
    public void AConstraintBuildsAndChangesTheWeights(string config)
    {
        var variable = new Variable<float>("dense/kernel", new float[] { -3, 4, 5, -6 }, [2, 2])
        {
            Constraint = KerasConstraints.FromConfig(JsonNode.Parse(config)),
        };
        new Adamax(0.0).Apply([new float[4]], [variable]);
        Assert.NotEqual([-3, 4, 5, -6], variable.Span.ToArray());
    }

    [Fact]
    public void MaxNormIsKerass()
    {
        var read = new Variable<float>("a", new float[] { 3, 4 }, [2])
        {
            Constraint = KerasConstraints.FromConfig(JsonNode.Parse("""{"class_name": "MaxNorm", "config": {"max_value": 2.5, "axis": 0}}""")),
        };
        new Adamax(0.0).Apply([new float[2]], [read]);
        Assert.Equal([1.5f, 2], read.Span.ToArray().Select(value => MathF.Round(value, 5)));
    }

    [Theory]
    [InlineData("""{"class_name": "Mine", "config": {}}""", "dense/kernel: the constraint Mine is not known. Register it with KerasArchive.RegisterConstraint, or set the variable's property Constraint.")]
    [InlineData("""{"class_name": "NonNeg", "config": {"extra": 1}}""", "dense/kernel: NonNeg: unknown config key 'extra'; known are ")]
    [InlineData("""{"class_name": "UnitNorm", "config": {"axis": 0.5}}""", "dense/kernel: an axis is 0.5")]
    [InlineData("\"non_neg\"", "dense/kernel: a constraint is \"non_neg\"")]
    public void WhatIsNotKnownCanBeReadButNotBuilt(string config, string problem)
    {
        var variable = new Variable<float>("dense/kernel", new float[4], [2, 2]) { Constraint = KerasConstraints.FromConfig(JsonNode.Parse(config)) };
        Assert.Equal(problem, Assert.Throws<ArgumentException>(() => new Adamax().Build(variable)).Message);
    }

    [Fact]
    public void AFunctionIsReadButNotBuilt()
    {
        const string config = """{"module": "builtins", "class_name": "function", "config": "cap", "registered_name": "function"}""";
        var variable = new Variable<float>("dense/kernel", new float[4], [2, 2]) { Constraint = KerasConstraints.FromConfig(JsonNode.Parse(config)) };
        Assert.Equal(
            "dense/kernel: the constraint cap is a function, and is not known. Set the variable's property Constraint.",
            Assert.Throws<ArgumentException>(() => new Adamax().Build(variable)).Message);
    }

    [Fact]
    public void WhatIsSetAfterBuildingDoesNotChangeTheOptimizer()
    {
        var variable = new Variable<float>("a", new float[] { -1, 1 }, [2]) { Constraint = new NonNeg() };
        var optimizer = new Adamax(0.0);
        optimizer.Build(variable);
        variable.Constraint = null;
        optimizer.Apply([new float[2]]);
        Assert.Equal([0, 1], variable.Span.ToArray());
    }

    [Fact]
    public void AConstraintOfOnesOwnCanBeRegistered()
    {
        KerasArchive.RegisterConstraint("Fill", config =>
        {
            Assert.Equal(3, config.Number("value", 0));
            return new Fill();
        });
        var variable = new Variable<float>("a", new float[2])
        {
            Constraint = KerasConstraints.FromConfig(JsonNode.Parse("""{"module": null, "class_name": "Fill", "config": {"value": 3}, "registered_name": "t>Fill"}""")),
        };
        new Adamax(0.0).Apply([new float[2]], [variable]);
        Assert.Equal([3, 3], variable.Span.ToArray());
        Assert.Throws<ArgumentException>(() => KerasArchive.RegisterConstraint("", _ => new Fill()));
    }

    sealed class Fill : Constraint
    {
        protected internal override void Apply<T>(Span<T> values, ReadOnlySpan<nint> shape) => values.Fill(T.CreateTruncating(3));
    }

    [Fact]
    public void NullIsNone() => Assert.Null(KerasConstraints.FromConfig(null));
}
