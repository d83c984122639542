using System.Text.Json.Nodes;
using Infinorm.Schedules;

namespace Infinorm.Samples.NoisySpeech;

/// <summary>An optimizer to train with, by the name that configs have for it, and the highest rate of its schedule.</summary>
sealed record Choice(string Name, float Rate)
{
    /// <summary>What <c>--compare</c> trains with: each at the best of a few rates on the bundled recordings, chosen by the test itself.</summary>
    public static readonly IReadOnlyList<Choice> Compared = [new("Adamax", 4e-3f), new("Adam", 2e-3f), new("SGD", 0.05f)];

    /// <summary>The optimizer that was asked for.</summary>
    /// <param name="name">A registered optimizer, in any case.</param>
    /// <param name="rate">Null for the rate that is compared, of any other optimizer its default.</param>
    /// <exception cref="InvalidDataException">No optimizer has this name, or it cannot have this rate.</exception>
    public static Choice Of(string name, float? rate)
    {
        if (rate is { } given && !(float.IsFinite(given) && given > 0))
            throw new InvalidDataException($"--learning-rate must be a number above 0, found {given}");
        Choice? known = Compared.FirstOrDefault(choice => choice.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
        try
        {
            known ??= Untuned(name);
            return known with { Rate = rate ?? known.Rate };
        }
        catch (FormatException e)
        {
            throw new InvalidDataException(e.Message, e);
        }
    }

    /// <summary>An optimizer with the rate that it has by default.</summary>
    public static Choice Untuned(string name) => new(name, (float)Make(name, []).CurrentLearningRate);

    /// <summary>Makes it, as every other one: the same schedule, clipping and averages.</summary>
    public RuleOptimizer Make(int steps)
    {
        var settings = new JsonObject
        {
            ["learning_rate"] = Schedule(steps).GetConfig(),
            ["global_clipnorm"] = 1,
            ["use_ema"] = true,
            ["ema_momentum"] = 1 - 1 / Math.Max(2.0, steps / 10.0), // the averages reach back over about a tenth of the training
        };
        if (Name == "SGD")
            settings["momentum"] = 0.9;
        return Make(Name, settings);
    }

    public override string ToString() => FormattableString.Invariant($"{Name} {Rate:G4}");

    static RuleOptimizer Make(string name, JsonObject settings) =>
        Optimizer.FromConfig(new JsonObject { ["class_name"] = name, ["config"] = settings }) as RuleOptimizer
        ?? throw new FormatException($"{name} steps by other optimizers; name one of them.");

    // Up in the first twentieth of the steps, then down along a cosine to a fifth.
    CosineDecay Schedule(int steps)
    {
        int warmup = Math.Max(1, steps / 20);
        return new CosineDecay(0, Math.Max(1, steps - warmup), alpha: 0.2, warmupTarget: Rate, warmupSteps: warmup);
    }
}
