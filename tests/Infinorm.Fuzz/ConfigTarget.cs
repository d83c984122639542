using System.Text;
using Infinorm.Optimizers;
using Infinorm.Schedules;
using Infinorm.Tests.Properties;

namespace Infinorm.Fuzz;

/// <summary>The JSON text of an optimizer's config.</summary>
sealed class ConfigTarget : FuzzTarget
{
    public override string Name => "config";

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        .. new Optimizer[]
        {
            new Adamax(),
            new Adamax(new ExponentialDecay(0.1, 10, 0.5, staircase: true)) { WeightDecay = 0.01, ClipNorm = 1 },
            new Adamax(new PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])) { UseEma = true, EmaOverwriteFrequency = 3 },
            new Adamax(new PolynomialDecay(0.1, 10)) { GradientAccumulationSteps = 2, ClipValue = 0.5 },
            new Adamax(new InverseTimeDecay(0.1, 10, 0.5)) { LossScaleFactor = 8, GlobalClipNorm = 1 },
            new Adamax(new CosineDecay(0.1, 10, warmupTarget: 1, warmupSteps: 5)),
            new LossScaleOptimizer(new Adamax(new CosineDecayRestarts(0.1, 10)), dynamicGrowthSteps: 3),
        }.Concat(Registered.Variants.Select(Registered.Create)).Select(optimizer => Encoding.UTF8.GetBytes(optimizer.ToJson())),
    ];

    public override bool Read(byte[] input)
    {
        // What does not begin with a brace is a name, not a config.
        string text = "{" + Encoding.UTF8.GetString(input).TrimStart('{');
        Optimizer optimizer;
        try
        {
            optimizer = Optimizer.Get(text);
        }
        catch (FormatException)
        {
            return false;
        }

        string json = optimizer.ToJson();
        return Optimizer.Get(json).ToJson() == json
            ? true
            : throw new InvalidOperationException("The config is another one after writing and reading.");
    }
}
