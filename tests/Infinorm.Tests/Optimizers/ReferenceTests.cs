using System.Numerics;
using System.Text.Json.Nodes;
using Infinorm.Optimizers;
using Infinorm.Tests.Properties;
using Infinorm.Variables;

namespace Infinorm.Tests.Optimizers;

/// <summary>Each optimizer of Keras steps as its formula says, with settings and shapes drawn at random.</summary>
public sealed class ReferenceTests
{
    const int Steps = 5;
    const int Runs = 12;

    static readonly nint[][] Shapes = [[], [1], [37], [9, 5], [5, 9], [3, 4, 5], [1, 33], [70]];

    public static TheoryData<string> Variants =>
        [.. Registered.Variants.Where(variant => !variant.StartsWith("Torch", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Variants))]
    public void FloatsStepAsTheFormulaSays(string variant) =>
        Compare<float>(variant, isExact: optimizer => optimizer is not Muon, tolerance: 1e-6);

    /// <summary>Sums of doubles have no one rounding.</summary>
    [Theory]
    [MemberData(nameof(Variants))]
    public void DoublesStepAsTheFormulaSays(string variant) =>
        Compare<double>(variant, isExact: optimizer => optimizer is not (Muon or Lamb or Adafactor), tolerance: 1e-12);

    static void Compare<T>(string variant, Func<RuleOptimizer, bool> isExact, double tolerance)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int run = 0; run < Runs; run++)
        {
            var random = new Random(run);
            double rate = random.NextDouble() * 0.1;
            RuleOptimizer optimizer = Drawn(variant, rate, random);
            nint[] shape = Shapes[run % Shapes.Length];
            T[] Values(double scale) =>
                [.. Enumerable.Range(0, Infinorm.Types.Shapes.Length(shape)).Select(_ => T.CreateTruncating((random.NextDouble() - 0.5) * scale))];
            T[] weights = Values(4);
            var variable = new Variable<T>("layer/w", weights, shape);
            var reference = new Reference<T>([.. weights], Array.ConvertAll(shape, axis => (int)axis), rate);
            optimizer.Build(variable);
            for (int step = 0; step < Steps; step++)
            {
                T[] gradient = Values(Math.Pow(10, random.Next(-3, 2)));
                optimizer.Apply(Gradient.Of<T>(gradient));
                reference.Step(optimizer, gradient);
                if (isExact(optimizer))
                {
                    Assert.Equal(reference.W, weights);
                    continue;
                }

                Assert.All(reference.W.Zip(weights), pair =>
                {
                    (double expected, double found) = (double.CreateTruncating(pair.First), double.CreateTruncating(pair.Second));
                    Assert.Equal(expected, found, tolerance * Math.Max(1, Math.Abs(expected)));
                });
            }
        }
    }

    // Own numbers in (0, 1), which most settings are, become others there; so do every other time those in (−1, 0).
    static RuleOptimizer Drawn(string variant, double rate, Random random)
    {
        JsonObject config = Registered.Config(variant), own = config["config"]!.AsObject();
        own["learning_rate"] = rate;
        foreach (string key in own.Select(pair => pair.Key).Where(Registered.IsOwn).ToArray())
        {
            if (own[key] is JsonValue value && value.TryGetValue(out double number) && Math.Abs(number) is > 0.01 and < 1
                && (number > 0 || random.Next(2) > 0))
            {
                own[key] = Math.Sign(number) * (1 - ((1 - Math.Abs(number)) * (0.5 + (random.NextDouble() / 2))));
            }
        }

        if (own.ContainsKey("adam_weight_decay"))
            own["adam_weight_decay"] = own["weight_decay"]?.DeepClone();
        return (RuleOptimizer)Optimizer.FromConfig(config);
    }
}
