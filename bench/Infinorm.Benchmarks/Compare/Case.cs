using System.Globalization;
using System.Runtime.Intrinsics;

namespace Infinorm.Benchmarks;

/// <summary>One line of the comparison.</summary>
/// <param name="Name">What <c>--case</c> selects and what stands in the <c>ratio</c> line.</param>
/// <param name="Measure">Measures it within a budget.</param>
sealed record Case(string Name, Func<Budget, Measurement> Measure);

/// <summary>What came out of a case.</summary>
/// <param name="Value">The number of the case: a median of ratios unless the case says otherwise.</param>
/// <param name="Spread">The quartiles of the ratio over the rounds.</param>
/// <param name="Seconds">The median time of one step of Infinorm.</param>
/// <param name="Against">The median time of what it is compared with.</param>
/// <param name="Traffic">What a step of Infinorm moves.</param>
/// <param name="Remark">What the reader must know about the value.</param>
readonly record struct Measurement(
    double Value, (double Low, double High)? Spread = null, double? Seconds = null, double? Against = null, Traffic? Traffic = null, string? Remark = null)
{
    /// <summary>As <see cref="Of"/>, where the second contender is the ceiling.</summary>
    public static Measurement OverCeiling(Rounds rounds, Func<double[], double> ratio)
    {
        const double most = 1.05; // a step that is faster than the ceiling by more shows that a better loop is missing
        Measurement measurement = Of(rounds, ratio);
        return measurement.Value > most ? measurement with { Remark = "the ceiling is too low here" } : measurement;
    }

    /// <summary>The first two contenders' times and the ratio of each round.</summary>
    public static Measurement Of(Rounds rounds, Func<double[], double> ratio) => new(
        rounds.Quantile(ratio, 0.5), (rounds.Quantile(ratio, 0.25), rounds.Quantile(ratio, 0.75)), rounds.Seconds(0), rounds.Seconds(1));
}

/// <summary>What a step reads from memory and writes to it.</summary>
/// <param name="BytesAnElement">Bytes read and written for each element of the weights.</param>
/// <param name="Elements">Elements of all weights together.</param>
/// <param name="StateBytes">Bytes that the optimizer keeps for each element.</param>
readonly record struct Traffic(int BytesAnElement, long Elements, double StateBytes)
{
    public double Bytes => (double)BytesAnElement * Elements;

    /// <summary>That of a bare step of a built optimizer: weights and slots are read and written, gradients read.</summary>
    public static Traffic Of(RuleOptimizer optimizer) =>
        new(12 + 8 * SlotsOf(optimizer), optimizer.TrainableVariables.Sum(variable => (long)variable.Length), 4 * SlotsOf(optimizer));

    /// <summary>How many numbers a built optimizer keeps for each element; single numbers do not count.</summary>
    public static int SlotsOf(RuleOptimizer optimizer) => (int)(
        optimizer.Variables.Sum(variable => (long)variable.Length) / optimizer.TrainableVariables.Sum(variable => (long)variable.Length));
}

/// <summary>What the project promises for a case, on a quiet machine.</summary>
/// <param name="Limit">The least or the most that the value may be.</param>
/// <param name="AtLeast">Whether the limit is the least.</param>
/// <param name="Of">A case whose value the limit is multiplied by.</param>
sealed record Goal(double Limit, bool AtLeast, string? Of = null)
{
    static readonly string AllThreads = $"{Environment.ProcessorCount}T";

    public static readonly IReadOnlyDictionary<string, Goal> ByCase = new Dictionary<string, Goal>(
        FamilyMember.All.SelectMany(member => (KeyValuePair<string, Goal>[])[new(member.CeilingCase, Least(0.90)), new(member.TorchCase, Least(5))]))
    {
        ["ceiling/1k/1T"] = Least(0.95),
        ["ceiling/64k/1T"] = Least(0.85),
        ["ceiling/1M/1T"] = Least(0.90),
        ["ceiling/25M/1T"] = Least(0.90),
        [$"ceiling/1M/{AllThreads}"] = Least(0.90),
        [$"ceiling/25M/{AllThreads}"] = Least(0.90),
        ["torchsharp/1M/2T"] = Least(40),
        ["torchsharp/25M/2T"] = Least(50),
        ["torchsharp/mixed25M/2T"] = Least(7),
        ["torchsharp/5000x256/2T"] = Least(200),
        ["feature/clip"] = Most(1.3),
        ["feature/decay+clip+ema"] = Most(1.5),
        ["feature/all"] = Most(1.75),
        ["feature/all-separate"] = new(1.7, AtLeast: true, Of: "feature/all"),
        [$"bytes/adamax/25M/{AllThreads}"] = Most(Vector512.IsHardwareAccelerated ? 0.72 : 0.85),
        [$"bytes/adamw/25M/{AllThreads}"] = Most(Vector512.IsHardwareAccelerated ? 0.72 : 0.85),
        ["scaling/1M"] = Least(0.95),
        ["scaling/25M"] = Least(0.95),
        ["threads-allowed/16k"] = Most(1.05),
        ["tiny/5000x256"] = Most(1.2),
        ["checks/30000-slices"] = Most(3),
        ["alloc/step"] = Most(0),
        ["torchsharp-step/mixed25M"] = Least(6),
        ["torchsharp-loop/cnn"] = Least(1),
        ["torchsharp-loop/mlp"] = Least(1),
        ["torchsharp-threads/mlp"] = Least(1),
        ["torchsharp-memory/mixed25M"] = Least(10),
        ["device-path/25M"] = Least(1),
        ["kerasmodel/mlp/predict"] = Most(1.1),
        ["kerasmodel/mlp/train"] = Most(1.1),
        ["kerasmodel/cnn/predict"] = Most(1.1),
        ["kerasmodel/cnn/train"] = Most(1.1),
        ["kerasmodel/lstm/predict"] = Most(1.1),
        ["kerasmodel/lstm/train"] = Most(1.1),
        ["scale/alone/25M"] = Most(1.25),
        ["scale/update/25M/2R"] = Most(0.75),
        ["scale/exchange/25M/2R/openmpi"] = Most(0.7),
        ["scale/exchange/25M/2R/mpich"] = Most(0.7),
        ["scale/update/25M/2R/openmpi"] = Most(0.75),
        ["scale/update/25M/2R/mpich"] = Most(0.75),
        ["scale/waiting/2R/openmpi"] = Most(0.05),
        ["scale/waiting/2R/mpich"] = Most(0.05),
        ["scale/killed/2R/openmpi"] = Most(5),
        ["scale/killed/2R/mpich"] = Most(5),
        ["scale/state/2R"] = Most(0.52),
        ["scale/state/8R"] = Most(0.145),
        ["scale/bytes/2R"] = Most(1.02),
        ["scale/bytes/8R"] = Most(1.02),
    };

    static Goal Least(double limit) => new(limit, AtLeast: true);

    static Goal Most(double limit) => new(limit, AtLeast: false);

    /// <summary>Whether a value reaches the goal; null if that depends on a case that was not measured.</summary>
    public bool? Met(double value, IReadOnlyDictionary<string, Measurement> results)
    {
        if (Of is not null && !results.ContainsKey(Of))
            return null;
        double limit = Of is null ? Limit : Limit * results[Of].Value;
        return AtLeast ? value >= limit : value <= limit;
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{(AtLeast ? '≥' : '≤')} {Limit}{(Of is null ? "" : $" × {Of}")}");
}
