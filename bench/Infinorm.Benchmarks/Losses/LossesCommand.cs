using System.CommandLine;
using System.Globalization;
using System.IO.Enumeration;
using System.Text.Json.Nodes;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Benchmarks.Losses;

/// <summary><c>losses</c>: what slots of one byte an element cost in the final loss of some trainings.</summary>
static class LossesCommand
{
    // By the name that configs have for an optimizer, the highest rate of its schedule.
    static readonly IReadOnlyDictionary<string, float> Rates = new Dictionary<string, float> { ["Adamax"] = 4e-3f, ["AdamW"] = 2e-3f, ["Lion"] = 2e-4f, ["SGD"] = 0.05f };

    public static Command Create()
    {
        var optimizer = new Option<string>("--optimizer")
        {
            Description = $"One of {string.Join(", ", Rates.Keys)}.",
            DefaultValueFactory = _ => "Adamax",
        };
        optimizer.AcceptOnlyFromAmong([.. Rates.Keys]);
        var training = new Option<string>("--training") { Description = "Only trainings whose name matches, such as Noisy*.", DefaultValueFactory = _ => "*" };
        var steps = new Option<int>("--steps") { Description = "Steps of each training.", DefaultValueFactory = _ => 400 };
        var seeds = new Option<int>("--seeds") { Description = "Trainings of each kind.", DefaultValueFactory = _ => 5 };
        var data = new Option<string?>("--data") { Description = "A folder of recordings as the samples take it; theirs if there is none." };
        var command = new Command("losses", "Trains with full slots and with slots of one byte, and compares the final losses. It takes some minutes.")
        {
            optimizer, training, steps, seeds, data,
        };
        command.SetAction(arguments => Run(
            arguments.GetRequiredValue(optimizer), arguments.GetRequiredValue(training), arguments.GetValue(steps), arguments.GetValue(seeds), arguments.GetValue(data)));
        return command;
    }

    static void Run(string name, string pattern, int steps, int seeds, string? data)
    {
        ITraining[] trainings = [new NoisySpeechTraining(data), new SpokenDigitsTraining(data), new RegressionTraining()];
        Console.WriteLine($"{name}, {steps} steps, {seeds} seeds. Losses of the averaged weights over the training data.");
        Console.WriteLine("difference: one byte ÷ full − 1. chance: the same of full slots and a first layer that began larger by a thousandth.");
        Console.WriteLine();
        Console.WriteLine("| training | seed | full | one byte | difference | chance |");
        Console.WriteLine("|---|---|---|---|---|---|");
        foreach (ITraining training in trainings.Where(training => FileSystemName.MatchesSimpleExpression(pattern, training.Name)))
        {
            var byByte = new List<double>();
            var byChance = new List<double>();
            for (int seed = 1; seed <= seeds; seed++)
            {
                double full = training.FinalLoss(Make(SlotStorage.Full), steps, seed, nudged: false);
                double bytes = training.FinalLoss(Make(SlotStorage.Byte), steps, seed, nudged: false);
                byByte.Add(bytes / full - 1);
                byChance.Add(training.FinalLoss(Make(SlotStorage.Full), steps, seed, nudged: true) / full - 1);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"| {training.Name} | {seed} | {full:0.00000} | {bytes:0.00000} | {Percent(byByte[^1])} | {Percent(byChance[^1])} |"));
            }

            Console.WriteLine($"| {training.Name} | mean ± deviation | | | {Spread(byByte)} | {Spread(byChance)} |");
        }

        RuleOptimizer Make(SlotStorage storage)
        {
            int warmup = Math.Max(1, steps / 20);
            var config = new JsonObject
            {
                ["learning_rate"] = new CosineDecay(0, Math.Max(1, steps - warmup), alpha: 0.01, warmupTarget: Rates[name], warmupSteps: warmup).GetConfig(),
                ["global_clipnorm"] = 1,
                ["use_ema"] = true,
                ["ema_momentum"] = 0.99,
                ["one_byte_slots"] = storage == SlotStorage.Byte,
            };
            if (name == "SGD")
                config["momentum"] = 0.9;
            return (RuleOptimizer)Optimizer.FromConfig(new JsonObject { ["class_name"] = name, ["config"] = config });
        }
    }

    static string Percent(double part) => Math.Round(100 * part, 2).ToString("+0.00;−0.00;0.00", CultureInfo.InvariantCulture) + " %";

    static string Spread(List<double> values)
    {
        double mean = values.Average();
        double deviation = Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / Math.Max(1, values.Count - 1));
        return string.Create(CultureInfo.InvariantCulture, $"{Percent(mean)} ± {100 * deviation:0.00}");
    }
}
