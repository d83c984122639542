using System.Text.Json.Nodes;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Tests.Optimizers;

public class FamilyTests
{
    [Theory]
    [InlineData("SGD", "sgd")]
    [InlineData("RMSprop", "rm_sprop")]
    [InlineData("AdamW", "adam_w")]
    [InlineData("ScheduleFreeAdamW", "schedule_free_adam_w")]
    [InlineData("LossScaleOptimizer", "loss_scale_optimizer")]
    public void NamesAreKerass(string className, string name) => Assert.Equal(name, Optimizer.SnakeCase(className));

    [Fact]
    public void SgdIsWrittenUnderKerassName() =>
        Assert.Equal("SGD", (string?)JsonNode.Parse(new Sgd().ToJson())!["class_name"]);

    [Fact]
    public void AdamWNeedsADecay()
    {
        var none = new AdamW { WeightDecay = null };
        Assert.Throws<ArgumentException>(() => none.Build([new Variable<float>("w", new[] { 1f })]));
        Assert.False(none.IsBuilt);
        Assert.Throws<FormatException>(() => Optimizer.FromConfig(none.GetConfig()));
        Assert.Equal(0.004, new AdamW().WeightDecay);
    }

    [Fact]
    public void NadamInsideALossScaleOptimizerGoesOnWhereItWas()
    {
        var (first, weights) = Trained(4);
        var store = new VariableStore();
        first.SaveOwnVariables(store);

        var copy = new Variable<float>("w", Values(weights));
        var second = new LossScaleOptimizer(new Nadam());
        second.Build([copy]);
        second.LoadOwnVariables(store);
        first.Apply([new[] { 0.5f, -2f }]);
        second.Apply([new[] { 0.5f, -2f }]);
        Assert.Equal(Values(weights), Values(copy));
    }

    [Fact]
    public void NadamInsideALossScaleOptimizerLoadsKerassState()
    {
        var (first, _) = Trained(4);
        var store = new VariableStore();
        IReadOnlyList<Variable> all = first.Variables;
        for (int i = 0; i < all.Count - 1; i++)
            store.Save($"{i}", all[i].ToNdArray());
        Assert.NotEqual(1f, all[^1].ToNdArray().AsSpan<float>()[0]);

        first.LoadOwnVariables(store);
        Assert.Equal(1f, all[^1].ToNdArray().AsSpan<float>()[0]);
    }

    [Fact]
    public void ScheduleFreeAdamWIsTheSameStateless()
    {
        var weights = new Variable<float>("w", new[] { 1f, -2f });
        var optimizer = new ScheduleFreeAdamW(0.05);
        optimizer.Build([weights]);
        Gradient[] gradients = [new[] { 0.5f, -2f }];
        for (int i = 0; i < 3; i++)
        {
            var (after, _) = optimizer.StatelessApply(
                [.. optimizer.Variables.Select(variable => variable.ToNdArray())], gradients, [weights.ToNdArray()]);
            optimizer.Apply(gradients);
            Assert.Equal(Values(weights), after[0].AsSpan<float>().ToArray());
        }
    }

    static float[] Values(Variable variable) => variable.ToNdArray().AsSpan<float>().ToArray();

    static (LossScaleOptimizer Optimizer, Variable<float> Weights) Trained(int steps)
    {
        var weights = new Variable<float>("w", new[] { 1f, -2f });
        var optimizer = new LossScaleOptimizer(new Nadam());
        optimizer.Build([weights]);
        for (int i = 0; i < steps; i++)
            optimizer.Apply([new[] { 0.5f, -2f }]);
        return (optimizer, weights);
    }
}
