using System.Text.Json.Nodes;
using Infinorm.Types;

namespace Infinorm.Torch.Training.Callbacks;

/// <summary>
/// Saves the run after each epoch, and when it is cancelled or stopped within one, so that <see cref="FitOptions.ResumeFrom"/> can continue
/// it. On request it saves the best epoch to a second file. Keras: <c>BackupAndRestore</c> and <c>ModelCheckpoint</c>.
/// </summary>
/// <remarks>
/// The name of a file may have values in it, such as <c>runs/{epoch:D2}-{val_loss:F3}.safetensors</c>, so that there is a file for each
/// epoch. There are <c>epoch</c>, <c>step</c> (of the run) and <c>batch</c> (of the epoch), and the values of
/// <see cref="EpochLog.Values"/>; what is not known yet within an epoch, or in one without validation, is NaN. Formats are .NET's for
/// numbers: <c>D2</c> for counts, <c>F3</c>, <c>E2</c>, <c>G4</c>, <c>0.000</c>; Python's <c>02d</c> and <c>.2f</c> are understood, too.
/// A brace that is meant is written twice.
/// </remarks>
public sealed class Checkpoint : Callback
{
    readonly SavedFiles _last;
    readonly SavedFiles? _bestFiles;
    MonitoredValue? _watched;
    double? _best;

    /// <summary>Saves to a file, or to files by a pattern.</summary>
    /// <param name="path">The file for the run as it is: of safetensors, replaced as a whole each time. Its folder is made.</param>
    /// <param name="bestPath">A file for the run as it was after the epoch with the best value; null, the default, for none.</param>
    /// <exception cref="ArgumentException">A path is empty, or a pattern not understood.</exception>
    public Checkpoint(string path, string? bestPath = null)
    {
        _last = new SavedFiles("files", new FileNamePattern(path));
        _bestFiles = bestPath is null ? null : new SavedFiles("best_files", new FileNamePattern(bestPath));
    }

    /// <summary>Also save every this many steps, ≥ 1; null, the default, saves only after epochs. Keras: <c>save_freq</c>.</summary>
    public int? EverySteps
    {
        get;
        init => field = value is null or >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(EverySteps), value, "EverySteps is at least 1.");
    }

    /// <summary>
    /// Whether the files contain only the model's weights, as <see cref="TrainingRun.SaveWeights"/> writes them. Such files are smaller, and a
    /// run cannot resume from them. The default is false. Keras: <c>save_weights_only</c>.
    /// </summary>
    public bool WeightsOnly { get; init; }

    /// <summary>
    /// The number of files of a pattern to keep, ≥ 1. Older ones that this run wrote, resumed or not, are deleted once a newer one is written.
    /// The default is null: all are kept.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public int? Keep
    {
        get;
        init => field = value is { } count ? Check.AtLeast(1, count, nameof(Keep)) : null;
    }

    /// <summary>The value whose best epoch goes to the second file. The default is <c>val_loss</c>.</summary>
    public string Monitor { get; init; } = "val_loss";

    /// <summary>
    /// Whether a larger value is better. The default is null: as <see cref="Metric.LargerIsBetter"/> says, and not for losses.
    /// Keras: <c>mode</c>.
    /// </summary>
    public bool? LargerIsBetter { get; init; }

    /// <summary>
    /// The newest file of a pattern, for <see cref="FitOptions.ResumeFrom"/>; null if there is none.
    /// </summary>
    /// <param name="pattern">As the constructor takes it.</param>
    /// <exception cref="ArgumentException">The pattern is not understood.</exception>
    public static string? Latest(string pattern) => new FileNamePattern(pattern).Latest();

    internal override bool SavesRuns => !WeightsOnly;

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The run has no value that a pattern has, or that is monitored.</exception>
    /// <exception cref="NotSupportedException">The optimizer's state cannot be saved.</exception>
    public override void OnFitBegin(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (!WeightsOnly)
            run.Trainer.Driver.RequireSavable();
        foreach (SavedFiles files in AllFiles)
            files.Prepare(run, Keep);
        _watched = _bestFiles is null ? null : new MonitoredValue(run, Monitor, LargerIsBetter);
        if (run.Step > 0)
            return;
        _best = null;
        foreach (SavedFiles files in AllFiles)
            files.Forget();
    }

    /// <inheritdoc/>
    public override void OnBatchEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (EverySteps is { } steps && run.Step % steps == 0)
            SaveWithin(run);
    }

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingRun run, EpochLog log)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(log);
        _last.Save(run, log.Values, log.Batches, WeightsOnly, Keep);
        if (_watched?.IsBetter(log, _best) != true)
            return;
        _best = _watched.Of(log);
        _bestFiles!.Save(run, log.Values, log.Batches, WeightsOnly, Keep);
    }

    internal override void OnStoppedWithinEpoch(TrainingRun run) => SaveWithin(run);

    /// <inheritdoc/>
    public override void OnFitEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Outcome == FitOutcome.Cancelled)
            SaveWithin(run);
    }

    /// <inheritdoc/>
    public override void SaveState(CallbackState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (_best is { } best && double.IsFinite(best))
            state.Values["best"] = _best;
        foreach (SavedFiles files in AllFiles)
            files.Write(state.Values);
    }

    internal override void CheckState(CallbackState state, TrainingRun run)
    {
        BestIn(state);
        foreach (SavedFiles files in AllFiles)
            files.Read(state.Values);
    }

    /// <inheritdoc/>
    public override void LoadState(CallbackState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        _best = BestIn(state);
        foreach (SavedFiles files in AllFiles)
            files.Load(state.Values);
    }

    IEnumerable<SavedFiles> AllFiles => _bestFiles is null ? [_last] : [_last, _bestFiles];

    void SaveWithin(TrainingRun run) => _last.Save(run, run.EpochValues, run.Batch, WeightsOnly, Keep);

    static double? BestIn(CallbackState state) => (double?)state.Values["best"];

    /// <summary>The files of a pattern, and which of them were written.</summary>
    sealed class SavedFiles(string key, FileNamePattern pattern)
    {
        List<string> _names = [];

        public void Prepare(TrainingRun run, int? keep)
        {
            if (keep is not null && !pattern.HasValues)
            {
                throw new InvalidOperationException(
                    $"{pattern.PathWith(new Dictionary<string, double>())}: there is one file alone, so that {nameof(Keep)} = {keep} has "
                    + "no meaning. Write a value into its name, such as {epoch}.");
            }

            foreach (string name in pattern.Names.Except(["epoch", "step", "batch"]))
                MonitoredValue.RequireValue(run, name);
            if (run.IsFirst)
                OutputFile.Prepare(pattern.PathWith(new Dictionary<string, double>()));
        }

        public void Forget() => _names = [];

        // A file that is saved again is the youngest.
        public void Save(TrainingRun run, IReadOnlyDictionary<string, double> values, int batch, bool weightsOnly, int? keep)
        {
            string path = pattern.PathWith(new Dictionary<string, double>(values)
            {
                ["epoch"] = run.Epoch,
                ["step"] = run.Step,
                ["batch"] = batch,
                ["learning_rate"] = run.LearningRate,
            });
            if (keep is not null)
            {
                _names.Remove(Path.GetFileName(path));
                _names.Add(Path.GetFileName(path));
            }

            run.Request(path, weightsOnly, () => DeleteAllBut(run.IsFirst ? keep : null));
        }

        public void Write(JsonObject state)
        {
            if (_names.Count > 0)
                state[key] = new JsonArray([.. _names.Select(name => JsonValue.Create(name))]);
        }

        public void Load(JsonObject state) => _names = Read(state);

        // What is deleted later has a name of the pattern's and lies in its folder, whatever the file says.
        public List<string> Read(JsonObject state)
        {
            if (state[key] is null)
                return [];
            List<string> names = [.. state[key]!.AsArray().Select(
                name => (string?)name ?? throw new FormatException("a file has no name"))];
            return names.Find(name => !pattern.Fits(name) || Path.GetFileName(name) != name) is { } other
                ? throw new FormatException($"'{other}' does not match the pattern")
                : names;
        }

        void DeleteAllBut(int? keep)
        {
            while (_names.Count > keep)
            {
                File.Delete(pattern.Beside(_names[0]));
                _names.RemoveAt(0);
            }
        }
    }
}
