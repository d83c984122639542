using System.Collections.ObjectModel;
using System.Globalization;
using Infinorm.Charts;
using Infinorm.Checkpoints;

namespace Infinorm.Torch.Training;

/// <summary>What was seen in one epoch.</summary>
public sealed class EpochLog
{
    internal EpochLog()
    {
    }

    /// <summary>Its number, from 1.</summary>
    public int Epoch { get; internal init; }

    /// <summary>How many batches it had.</summary>
    public int Batches { get; internal init; }

    /// <summary>The time it took, validation included; of a resumed epoch, the part after resuming.</summary>
    public TimeSpan Duration { get; internal init; }

    /// <summary>
    /// <c>loss</c> and the metrics, over the training batches at the time of their steps; <c>val_loss</c> and so on, over the validation data
    /// after the epoch; <c>learning_rate</c>, of the last step. In this order.
    /// </summary>
    public IReadOnlyDictionary<string, double> Values { get; internal init; } = ReadOnlyDictionary<string, double>.Empty;

    /// <summary>The epoch in one line, such as <c>epoch 3  9 batches in 0.1 s  loss 0.25  learning_rate 0.002</c>.</summary>
    public override string ToString() => Describe($"{Epoch}");

    /// <summary>The same with another text for the epoch's number, such as <c>3/10</c>.</summary>
    internal string Describe(string number) => string.Create(
        CultureInfo.InvariantCulture, $"epoch {number}  {Batches} batches in {Duration.TotalSeconds:F1} s  {Format(Values)}");

    internal static string Format(IEnumerable<KeyValuePair<string, double>> values) =>
        string.Join("  ", values.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Key} {pair.Value:G4}")));
}

/// <summary>What <see cref="Trainer"/>'s Fit saw. Keras: <c>History</c>.</summary>
public sealed class History
{
    const int MaxRows = 30;

    internal History()
    {
    }

    internal List<EpochLog> Logs { get; } = [];

    /// <summary>The names of all values: those of an epoch with validation, where there is one.</summary>
    internal IReadOnlyList<string> Names => [.. (Logs.MaxBy(log => log.Values.Count)?.Values.Keys ?? [])];

    /// <summary>Every epoch, also those before the run was resumed.</summary>
    public IReadOnlyList<EpochLog> Epochs => Logs.AsReadOnly();

    /// <summary>One value in all epochs, such as <c>history["val_loss"]</c>.</summary>
    /// <returns>A number for each epoch; NaN if the epoch does not have it, for instance because it had no validation.</returns>
    /// <exception cref="KeyNotFoundException">No epoch has such a value; the message lists those that are there.</exception>
    public IReadOnlyList<double> this[string name] => Logs.Count == 0 || Names.Contains(name)
        ? [.. Logs.Select(log => log.Values.GetValueOrDefault(name, double.NaN))]
        : throw new KeyNotFoundException($"The history has no '{name}'; it has {string.Join(", ", Names)}.");

    /// <summary>Batches trained with, also those before the run was resumed.</summary>
    public long Steps { get; internal set; }

    /// <summary>Of these, how many a <see cref="LossScaleOptimizer"/> skipped because a gradient was not finite.</summary>
    public long SkippedSteps { get; internal set; }

    /// <summary>
    /// The number of batches whose gradients wait in the optimizer for an update: with accumulation, those after the last complete group. As in
    /// Keras they carry over from epoch to epoch and into the next Fit, and make no update of their own.
    /// </summary>
    public int PendingBatches { get; internal set; }

    /// <summary>The time spent in the optimizer since the run was started or resumed.</summary>
    public TimeSpan OptimizerTime { get; internal set; }

    /// <summary>
    /// Where a resumed run continued, such as <c>resumed at epoch 3, batch 17</c>, or that there was nothing to do; null for a new run.
    /// </summary>
    public string? Beginning { get; internal set; }

    /// <summary>Why a callback stopped the training; null if none did.</summary>
    public string? StopReason { get; internal set; }

    /// <summary>The seed of the run. The same seed gives the same run.</summary>
    public long Seed { get; internal set; }

    /// <summary>
    /// A summary of the run: where it began, a table of the epochs (<see cref="Table"/>; of many epochs, the first and the last ones), the
    /// number of steps, and why it was stopped.
    /// </summary>
    public override string ToString() => string.Join(Environment.NewLine, new[]
    {
        Beginning, Logs.Count == 0 ? null : TableOf(Logs.Count > MaxRows ? MaxRows : null), $"{Logs.Count} epochs, {Steps} steps",
        StopReason is null ? null : $"stopped: {StopReason}",
    }.OfType<string>());

    /// <summary>A table of the epochs, a line each: number, seconds, and every value. What an epoch does not have is empty.</summary>
    public string Table() => TableOf(null);

    /// <summary>Draws values over the epochs as an SVG picture.</summary>
    /// <param name="path">The file, whose name ends in <c>.svg</c>. It is replaced as a whole.</param>
    /// <param name="values">
    /// Their names, such as <c>accuracy</c>. The default is none: <c>loss</c> and, if it exists, <c>val_loss</c>.
    /// </param>
    /// <exception cref="ArgumentException">The name of the file does not end in <c>.svg</c>.</exception>
    /// <exception cref="InvalidOperationException">There is no epoch.</exception>
    /// <exception cref="KeyNotFoundException">No epoch has such a value; the message lists those that are there.</exception>
    public void SaveChart(string path, params IReadOnlyList<string> values)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!path.EndsWith(".svg", StringComparison.OrdinalIgnoreCase))
            throw new ArgumentException($"The picture is an SVG, so the file's name must end in .svg; found {path}.", nameof(path));
        using var picture = new MemoryStream();
        WriteChart(picture, values);
        AtomicFile.Write(path, stream => picture.WriteTo(stream));
    }

    /// <summary>As <see cref="SaveChart"/>, to a stream.</summary>
    /// <param name="stream">Where to; it stays open.</param>
    /// <param name="values">Their names; none for <c>loss</c> and <c>val_loss</c>.</param>
    /// <exception cref="InvalidOperationException">There is no epoch.</exception>
    /// <exception cref="KeyNotFoundException">No epoch has such a value; the message lists those that are there.</exception>
    public void WriteChart(Stream stream, params IReadOnlyList<string> values)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(values);
        if (Logs.Count == 0)
            throw new InvalidOperationException("There is no epoch to draw.");
        long[] epochs = [.. Logs.Select(log => (long)log.Epoch)];
        IReadOnlyList<string> drawn = values.Count > 0 ? values : [.. Names.Where(name => name is "loss" or "val_loss")];
        Curve[] curves = [.. drawn.Select(name => new Curve(name, epochs, [.. this[name]]))];
        SvgChart.Write(stream, $"{string.Join(", ", drawn)} by epoch", curves);
    }

    string TableOf(int? rows)
    {
        string[][] all = [.. Logs.Select(log => (string[])
        [
            Text(log.Epoch, "0"), Text(log.Duration.TotalSeconds, "F1"),
            .. Names.Select(name => log.Values.TryGetValue(name, out double value) ? Text(value, "G4") : ""),
        ])];
        if (rows is { } most)
            all = [.. all[..(most / 2)], [.. all[0].Select(_ => "…")], .. all[^(most / 2)..]];
        return string.Join(Environment.NewLine, TextTable.Of(["epoch", "seconds", .. Names], all, left: 0).Lines);

        static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
    }
}
