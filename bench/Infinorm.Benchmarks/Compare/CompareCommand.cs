using System.CommandLine;
using System.Diagnostics;
using System.IO.Enumeration;

namespace Infinorm.Benchmarks;

/// <summary><c>compare</c>: measures Infinorm's step against other ways of making it, interleaved in this process.</summary>
static class CompareCommand
{
    public static Command Create()
    {
        var pattern = new Option<string>("--case")
        {
            Description = "Only the cases whose name matches, such as ceiling/* or */25M/*.",
            HelpName = "PATTERN",
            DefaultValueFactory = _ => "*",
        };
        var quick = new Option<bool>("--quick") { Description = "In half a minute instead of two; the figures are coarser." };
        var command = new Command("compare", "Compares Infinorm's step with the machine's limit, TorchSharp and others, and prints ratios.")
        {
            pattern,
            quick,
        };
        command.SetAction(arguments => Run(arguments.GetValue(pattern)!, arguments.GetValue(quick)));
        return command;
    }

    static int Run(string pattern, bool quick)
    {
        TimeSpan limit = TimeSpan.FromSeconds(quick ? 15 : 110);
        var clock = Stopwatch.StartNew();
        Case[] cases = [.. new Cases(new Workbench()).All().Where(c => FileSystemName.MatchesSimpleExpression(pattern, c.Name))];
        if (cases.Length == 0)
        {
            Console.Error.WriteLine($"No case matches '{pattern}'; 'ceiling/*' would match some, for example.");
            return 1;
        }
        var results = new Dictionary<string, Measurement>();
        foreach ((int index, Case current) in cases.Index())
        {
            Console.Error.Write($"[{index + 1,2}/{cases.Length}] {current.Name} … ");
            // Time that one case does not use, or takes beyond its share, goes to or comes from those after it.
            TimeSpan share = TimeSpan.FromTicks(Math.Max(0, (limit - clock.Elapsed).Ticks) / (cases.Length - index));
            results[current.Name] = current.Measure(new Budget(share, Least: quick ? 2 : 5));
            Console.Error.WriteLine(Report.Number(results[current.Name].Value));
        }
        Report.Print(results);
        return 0;
    }
}
