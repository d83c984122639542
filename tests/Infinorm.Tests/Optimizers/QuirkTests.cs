using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Tests.Optimizers;

/// <summary>Quirks of Keras's optimizers, as docs/keras-parity.md decides them.</summary>
public class QuirkTests
{
    [Fact]
    public void FtrlOverwritesAssignedWeights()
    {
        float[] assigned = [1, -2], left = [1, -2];
        Ftrl first = Built(assigned), second = Built(left);
        first.Apply(new float[] { 1, 1 });
        second.Apply(new float[] { 1, 1 });
        assigned[0] = 100;
        first.Apply(new float[] { 0, 0 });
        second.Apply(new float[] { 0, 0 });
        Assert.Equal(left, assigned);

        static Ftrl Built(float[] weights)
        {
            var ftrl = new Ftrl(0.1);
            ftrl.Build(new Variable<float>("w", weights));
            return ftrl;
        }
    }

    [Fact]
    public void AZeroGradientMakesAWeightZeroInFtrlsFirstStep()
    {
        float[] weights = [1, -2];
        var ftrl = new Ftrl(0.1);
        ftrl.Build(new Variable<float>("w", weights));
        ftrl.Apply(new float[] { 0, 1 });
        Assert.Equal(0, weights[0]);
    }

    [Fact]
    public void LionTakesTheSignOfNaNForZero()
    {
        float[] weights = [1, 1];
        var lion = new Lion(0.5);
        lion.Build(new Variable<float>("w", weights));
        lion.Apply(new float[] { float.NaN, 1 });
        lion.Apply(new float[] { 1, 1 });
        Assert.Equal([1, 0], weights);
    }

    [Fact]
    public void TheRelativeStepOfAdafactorChangesNothing()
    {
        float[] first = [1, -2], second = [1, -2];
        Step(new Adafactor(0.5), first);
        Step(new Adafactor(0.5, relativeStep: false), second);
        Assert.NotEqual(1, first[0]);
        Assert.Equal(first, second);

        static void Step(Adafactor adafactor, float[] weights)
        {
            adafactor.Build(new Variable<float>("w", weights));
            adafactor.Apply(new float[] { 1, -1 });
        }
    }

    /// <summary>Keras lists two integers for a vector, which nobody uses, but not inside of a LossScaleOptimizer.</summary>
    [Fact]
    public void AdafactorsIntegersAreListedAsKerasListsThem()
    {
        var alone = new Adafactor();
        var inner = new Adafactor();
        alone.Build(new Variable<float>("w", new float[2]));
        new LossScaleOptimizer(inner).Build(new Variable<float>("w", new float[2]));
        Assert.Equal(5, alone.Variables.Count);
        Assert.Equal(3, inner.Variables.Count);
    }

    [Fact]
    public void ScheduleFreeAdamWKeepsTheWeightsThatItWasBuiltWith()
    {
        float[] weights = [1];
        var optimizer = new ScheduleFreeAdamW(0.5);
        optimizer.Build(new Variable<float>("w", weights));
        weights[0] = 100;
        optimizer.Apply(new float[] { 1 });
        Assert.Equal(0.5f, weights[0], 1e-4f);
    }

    [Theory]
    [InlineData("lamb")]
    [InlineData("LAMB")]
    public void LambIsFoundByItsName(string name)
    {
        Assert.IsType<Lamb>(Optimizer.Get(name));
        Assert.IsType<Lamb>(Optimizer.FromConfig(new JsonObject { ["class_name"] = name }));
    }

    [Theory]
    [InlineData("SGD", "momentum", "1.5")]
    [InlineData("SGD", "momentum", "-0.5")]
    [InlineData("SGD", "momentum", "NaN")]
    [InlineData("RMSprop", "rho", "1.5")]
    [InlineData("RMSprop", "momentum", "-1.0")]
    [InlineData("RMSprop", "epsilon", "-1.0")]
    [InlineData("Adam", "beta_1", "1.5")]
    [InlineData("AdamW", "beta_2", "-2.0")]
    [InlineData("Adadelta", "rho", "2.0")]
    [InlineData("Adagrad", "initial_accumulator_value", "-1.0")]
    [InlineData("Nadam", "beta_1", "1.5")]
    [InlineData("Ftrl", "l1_regularization_strength", "NaN")]
    [InlineData("Ftrl", "learning_rate_power", "0.1")]
    [InlineData("Lion", "beta_1", "0.0")]
    [InlineData("Lion", "beta_2", "7.0")]
    [InlineData("Lamb", "epsilon", "-1.0")]
    [InlineData("ScheduleFreeAdamW", "warmup_steps", "-1")]
    [InlineData("Adafactor", "clip_threshold", "NaN")]
    [InlineData("Muon", "ns_steps", "2.5")]
    [InlineData("Muon", "ns_steps", "3.0")]
    [InlineData("Muon", "exclude_layers", "\"head\"")]
    [InlineData("Muon", "exclude_layers", "[\"(\"]")]
    public void RefusesSettingsOutOfRange(string className, string key, string value)
    {
        string message = Assert.Throws<FormatException>(() => Optimizer.FromConfig(Config(className, key, value))).Message;
        Assert.Contains(className, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Ftrl", "beta", "-1.0")]
    [InlineData("Adafactor", "beta_2_decay", "3.0")]
    [InlineData("Adafactor", "clip_threshold", "-1.0")]
    [InlineData("Muon", "ns_steps", "-2")]
    [InlineData("Muon", "rms_rate", "-1.0")]
    [InlineData("Muon", "momentum", "5.0")]
    [InlineData("SGD", "momentum", "1")]
    public void TakesSettingsThatKerasTakesAndComputesWith(string className, string key, string value) => Assert.NotNull(
        Optimizer.FromConfig(Config(className, key, value)));

    static JsonObject Config(string className, string key, string value) =>
        new() { ["class_name"] = className, ["config"] = new JsonObject { [key] = PythonJson.Parse(value) } };

    [Fact]
    public void ExclusionsOfAMultiOptimizerReachItsOptimizers()
    {
        float[] kernel = [1, 1], bias = [1, 1], rest = [1];
        var optimizer = new MultiOptimizer(
            new Sgd(0.5) { WeightDecay = 0.5 },
            [KeyValuePair.Create<string, RuleOptimizer>("a/.*", new Sgd(0.5) { WeightDecay = 0.5 })]);
        optimizer.ExcludeFromWeightDecay(names: ["bias"]);
        optimizer.Build(
            new Variable<float>("a/kernel", kernel), new Variable<float>("a/bias", bias), new Variable<float>("rest", rest));
        optimizer.Apply(new float[2], new float[2], new float[1]);
        Assert.Equal([0.75f, 0.75f], kernel);
        Assert.Equal([1, 1], bias);
        Assert.Equal([0.75f], rest);
    }

    [Fact]
    public void AMultiOptimizerHasNoRateAndWantsEveryGradient()
    {
        var optimizer = new MultiOptimizer(new Sgd());
        Assert.Throws<InvalidOperationException>(() => optimizer.LearningRate);
        Assert.Throws<InvalidOperationException>(() => optimizer.LearningRate = 0.1);
        Variable[] variables = [new Variable<float>("a", new float[1]), new Variable<float>("b", new float[1])];
        optimizer.Build(variables);
        Assert.Throws<ArgumentException>(() => optimizer.Apply([new float[1]], variables[..1]));
    }
}
