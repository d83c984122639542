using System.Text.Json.Nodes;
using Infinorm.Optimizers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests;

/// <summary>Reading and finding optimizers; what Keras writes for which settings stands in the golden data.</summary>
public class OptimizerConfigTests
{
    static Optimizer Read(string config) => Optimizer.FromConfig((JsonObject)JsonNode.Parse(config)!);

    [Fact]
    public void ReadsKeysInAnyOrderAndFillsTheRestWithDefaults()
    {
        var adamax = Assert.IsType<Adamax>(Read(
            """{"config": {"epsilon": 1, "clipvalue": 2, "name": "x", "use_ema": true}, "registered_name": null, "class_name": "adamax"}"""));
        Assert.Equal(("x", 1.0, 2.0, true, 0.9), (adamax.Name, adamax.Epsilon, adamax.ClipValue, adamax.UseEma, adamax.Beta1));
    }

    [Fact]
    public void ReadsAZeroThatMeansOff()
    {
        var adamax = (Adamax)Read(
            """{"class_name": "Adamax", "config": {"global_clipnorm": 0, "ema_overwrite_frequency": 0, "gradient_accumulation_steps": 0}}""");
        Assert.Equal((null, null, null), (adamax.GlobalClipNorm, adamax.EmaOverwriteFrequency, adamax.GradientAccumulationSteps));
    }

    [Fact]
    public void ReadsWithAnotherTypeForTheRate()
    {
        var config = (JsonObject)JsonNode.Parse("""{"class_name": "Adamax", "config": {"learning_rate": 0.1}}""")!;
        Assert.Equal(0.1, Optimizer.FromConfig(config, DType.Float64).CurrentLearningRate);
    }

    [Fact]
    public void WritesWhatKerasDoesNotHaveOnlyWhereItIsUsed()
    {
        string[] ours = ["use_master_weights", "use_stochastic_rounding", "rounding_seed", "minimum_scale", "maximum_scale"];
        string plain = new LossScaleOptimizer(new Adamax()).ToJson();
        Assert.All(ours, key => Assert.DoesNotContain(key, plain));

        Adamax masters = Copy(new Adamax { UseMasterWeights = true });
        Assert.Equal((true, false), (masters.UseMasterWeights, masters.UseStochasticRounding));
        Adamax random = Copy(new Adamax { UseStochasticRounding = true, RoundingSeed = -3 });
        Assert.Equal((false, true, -3), (random.UseMasterWeights, random.UseStochasticRounding, random.RoundingSeed));
        LossScaleOptimizer scaled = Copy(new LossScaleOptimizer(random, 4, minimumScale: 0.5, maximumScale: 1e6));
        Assert.Equal((0.5, 1e6), (scaled.MinimumScale, scaled.MaximumScale));
        Assert.Equal(-3, ((Adamax)scaled.InnerOptimizer).RoundingSeed);
        Assert.EndsWith(
            "\"gradient_accumulation_steps\": null, \"use_stochastic_rounding\": true, \"rounding_seed\": -3, \"beta_1\": 0.9, "
            + "\"beta_2\": 0.999, \"epsilon\": 1e-07}, \"registered_name\": null}, \"initial_scale\": 4.0, "
            + "\"dynamic_growth_steps\": 2000, \"minimum_scale\": 0.5, \"maximum_scale\": 1000000.0}, \"registered_name\": null}",
            scaled.ToJson());

        static T Copy<T>(T optimizer)
            where T : Optimizer => Assert.IsType<T>(Optimizer.Get(optimizer.ToJson()));
    }

    [Fact]
    public void KeepsNothingOfTheOptimizerItCopies()
    {
        var adamax = new Adamax(0.5) { Name = "a" };
        adamax.Build(new Variable<float>("w", new float[1]));
        adamax.Apply([new float[] { 1 }]);
        var copy = Optimizer.FromConfig(adamax.GetConfig());
        Assert.Equal(("a", 0.5, 0, false), (copy.Name, copy.CurrentLearningRate, copy.Iterations, copy.IsBuilt));
    }

    [Theory]
    [InlineData("""{"class_name": "Adamax", "config": {"momentum": 1}}""", "Adamax: unknown config key 'momentum'; known are ")]
    [InlineData("""{"class_name": "Adamax", "config": {"decay": 0.1}}""", "Adamax: config key 'decay' should be null, as it is no longer")]
    [InlineData("""{"class_name": "Adamax", "config": {"beta_1": "x"}}""", "Adamax: config key 'beta_1' should be a number, found \"x\"")]
    [InlineData("""{"class_name": "Adamax", "config": {"beta_1": 2}}""", "Adamax: beta1 must be in [0, 1].")]
    [InlineData("""{"class_name": "Adamax", "config": {"clipnorm": -1}}""", "Adamax: ClipNorm must be a finite number > 0.")]
    [InlineData(
        """{"class_name": "Adamax", "config": {"clipnorm": 0, "clipvalue": 1}}""",
        "Adamax: Only one of clipnorm, global_clipnorm, clipvalue can be set.")]
    [InlineData("""{"class_name": "Adamax", "config": {"name": "a/b"}}""", "Adamax: Name must not be empty or contain '/': found \"a/b\".")]
    [InlineData("""{"class_name": "Nope", "config": {}}""", "optimizer: no class 'Nope'; known are ")]
    [InlineData("""{"config": {}}""", "optimizer: config key 'class_name' is missing")]
    [InlineData(
        """{"class_name": "LossScaleOptimizer", "config": {}}""", "LossScaleOptimizer: config key 'inner_optimizer' is missing")]
    [InlineData(
        """{"class_name": "LossScaleOptimizer", "config": {"inner_optimizer": {"class_name": "Adamax"}, "clipnorm": 0.0}}""",
        "LossScaleOptimizer: LossScaleOptimizer does not support ClipNorm; set it on the inner optimizer.")]
    [InlineData(
        """
        {"class_name": "LossScaleOptimizer", "config": {"inner_optimizer": {"class_name": "Adamax"}, "gradient_accumulation_steps": 0}}
        """,
        "LossScaleOptimizer: LossScaleOptimizer does not support GradientAccumulationSteps; set it on the inner optimizer.")]
    [InlineData(
        """{"class_name": "Adamax", "config": {"name": "a", "name": "b"}}""", "Adamax: a config key occurs twice: ")]
    [InlineData("""{"class_name": "Adamax", "class_name": "Adam"}""", "optimizer: a config key occurs twice: ")]
    public void RefusesAConfigThatIsWrong(string config, string message) =>
        Assert.StartsWith(message, Assert.Throws<FormatException>(() => Read(config)).Message);

    [Fact]
    public void FindsAnOptimizerByItsNameOrConfig()
    {
        Assert.IsType<Adamax>(Optimizer.Get("ADAMAX"));
        Assert.Equal("x", Optimizer.Get(""" {"class_name": "Adamax", "config": {"name": "x"}}""").Name);
        Assert.StartsWith(
            "There is no optimizer \"adamex\"; known are Ada", Assert.Throws<ArgumentException>(() => Optimizer.Get("adamex")).Message);
        Assert.Throws<ArgumentNullException>(() => Optimizer.Get(null!));
        Assert.Throws<FormatException>(() => Optimizer.Get("{"));
    }

    [Fact]
    public void RefusesToRegisterAnotherClassUnderABuiltInName()
    {
        Refusal.Is<ArgumentException>(
            "'Adamax' is a built-in optimizer; register yours under a name of its own.",
            () => Optimizer.Register("Adamax", () => new Adamax()));
        Assert.Throws<ArgumentException>(() => Optimizer.Register("", () => new Adamax()));
        Assert.Throws<ArgumentNullException>(() => Optimizer.Register("Mine", null!));
    }
}
