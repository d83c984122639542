using System.Globalization;
using System.Text.RegularExpressions;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Tests;

/// <summary>What docs/optimizers.md says about every optimizer is what the optimizers do.</summary>
public partial class OptimizersPageTests
{
    static readonly string[][] Rows =
    [
        .. File.ReadAllLines(Path.Combine(Repository.Root, "docs", "optimizers.md"))
            .Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(line => line.Trim('|').Split('|', StringSplitOptions.TrimEntries)).Where(cells => cells.Length == 8),
    ];

    [Fact]
    public void ItsTableListsEveryOptimizer() => Assert.Equal(
        [.. BuiltIn().Select(optimizer => optimizer.GetType().Name).Order()], Rows.Select(cells => cells[0].Trim('`')).Order());

    [Fact]
    public void ItsTableTellsNamesRatesSlotsAndBytes()
    {
        string[] expected = [.. BuiltIn().Select(Row).Order(StringComparer.Ordinal)];
        Assert.Equal(expected, Rows.Select(
            cells => string.Join(" | ", cells[0].Trim('`'), cells[1].Trim('`'), cells[4], FirstWords(cells[5]), FirstNumber(cells[6])))
            .Order(StringComparer.Ordinal));
    }

    [Fact]
    public void ItsExampleTrains()
    {
        float[] table = [1, 2, 3, 4], kernel = [1, 2];
        Variable[] variables = [new Variable<float>("words/embeddings", table, [2, 2]), new Variable<float>("out/kernel", kernel, [2, 1])];
        // snippet
        var optimizer = new MultiOptimizer(new AdamW(1e-3), new Dictionary<string, RuleOptimizer>
        {
            [".*/embeddings"] = new Adagrad(0.1), // a path, or a regular expression that matches a whole path
        });
        optimizer.Build(variables);
        // end
        optimizer.Apply(new float[] { 1, 0, 0, 1 }, new float[] { 1, 1 });
        Assert.Equal([1 - 0.1f / MathF.Sqrt(1.1f), 2, 3, 4 - 0.1f / MathF.Sqrt(1.1f)], table, (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.All(kernel.Zip([1f, 2f]), pair => Assert.InRange(pair.Second - pair.First, 0.0009f, 0.0011f));
    }

    /// <summary>Class, Keras's class, default rate, slots as a checkpoint names them, bytes for each element of a large float matrix.</summary>
    static string Row(RuleOptimizer optimizer)
    {
        const int Side = 512;
        var matrix = new Variable<float>("matrix", new float[Side * Side], [Side, Side]);
        optimizer.Build(matrix);
        IEnumerable<string> slots = optimizer.State("optimizer").Select(tensor => tensor.Kind["optimizer/".Length..])
            .Except(["iteration", "learning_rate"]).Distinct();
        long bytes = optimizer.Variables.Where(variable => variable.Shape.Length > 0).Sum(variable => 4L * variable.Length) / matrix.Length;
        return string.Join(" | ",
            optimizer.GetType().Name, (string?)optimizer.GetConfig()["module"] == "keras.optimizers" ? (string?)optimizer.GetConfig()["class_name"] : "–",
            ((float)optimizer.CurrentLearningRate).ToString(CultureInfo.InvariantCulture), slots.Any() ? string.Join(", ", slots) : "none", bytes);
    }

    static IEnumerable<RuleOptimizer> BuiltIn() => Optimizer.Classes.Names.Except([nameof(LossScaleOptimizer), nameof(MultiOptimizer)])
        .Select(Optimizer.Get).Cast<RuleOptimizer>().Where(optimizer => optimizer.GetType().Assembly == typeof(Optimizer).Assembly);

    // Up to what is in brackets: settings that are off by default.
    static string FirstWords(string cell) => cell.Split(" (")[0].Replace("`", "", StringComparison.Ordinal);

    static string FirstNumber(string cell) => Number().Match(cell).Value;

    [GeneratedRegex(@"^\d+")]
    private static partial Regex Number();
}
