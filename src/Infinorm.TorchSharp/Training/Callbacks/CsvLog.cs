using System.Globalization;
using System.Text;
using Infinorm.Checkpoints;

namespace Infinorm.Torch.Training.Callbacks;

/// <summary>
/// Writes the history to a file of comma-separated values: a header, then one line per epoch. The file is replaced after each epoch, so
/// the file of a resumed run has each epoch once. Keras: <c>CSVLogger</c>.
/// </summary>
/// <param name="path">The file. Its folder is made.</param>
public sealed class CsvLog(string path) : Callback
{
    internal override bool IsForFirstRank => true;

    /// <inheritdoc/>
    public override void OnFitBegin(TrainingRun run) => OutputFile.Prepare(path);

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingRun run, EpochLog log)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(log);
        var text = new StringBuilder("epoch,seconds");
        foreach (string name in run.History.Names)
            text.Append(',').Append(Quoted(name));
        text.Append('\n');
        foreach (EpochLog epoch in run.History.Epochs)
        {
            text.Append(CultureInfo.InvariantCulture, $"{epoch.Epoch},{epoch.Duration.TotalSeconds:F3}");
            foreach (string name in run.History.Names)
                text.Append(CultureInfo.InvariantCulture, $",{epoch.Values.GetValueOrDefault(name, double.NaN):R}");
            text.Append('\n');
        }

        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text.ToString())));
    }

    static string Quoted(string name) => name.AsSpan().ContainsAny(",\"\n") ? $"\"{name.Replace("\"", "\"\"")}\"" : name;
}
