using System.Collections.ObjectModel;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Types;
using Infinorm.Variables;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// A training run in a file: the optimizer's checkpoint with the trained variables, and below <c>run/</c> the rest of the model, the
/// means of the current epoch, the history and the tensors of callbacks. See docs/training.md.
/// </summary>
static class RunFile
{
    const string Key = "run", Root = "run", Means = "run/means", History = "run/history", ModelRoot = "run/model/";

    /// <summary>Writes a run; the file is the old or the new one, whatever happens.</summary>
    public static void Save(TrainingRun run, string path)
    {
        Dictionary<string, CallbackState> callbacks = SaveCallbacks(run);
        string[] columns = [.. run.History.Names];
        var state = new RunState
        {
            Version = RunState.PresentVersion,
            Seed = run.Seed,
            Epoch = run.CompletedEpochs,
            Batch = run.Batch,
            Steps = run.History.Steps,
            SkippedSteps = run.History.SkippedSteps,
            LearningRate = run.LearningRate,
            StopReason = run.History.StopReason,
            InitialEpoch = run.InitialEpoch,
            Position = run.Options.StepsPerEpoch is null ? null : run.Position,
            StepsPerEpoch = run.Options.StepsPerEpoch,
            ValidateEvery = run.Options.ValidateEvery,
            BatchesPerEpoch = run.BatchesPerEpoch,
            Data = run.Data,
            Metrics = [.. run.Trainer.Metrics.Select(metric => metric.Name)],
            Columns = columns,
            Callbacks = callbacks.ToDictionary(callback => callback.Key, callback => callback.Value.Values),
        };
        double[] means = run.Totals.State;
        SafetensorsTensor[] tensors =
        [
            SafetensorsTensor.Of(Means, NdArray.Create(means)),
            SafetensorsTensor.Of(History, WriteHistory(run.History, columns)),
            .. RestOfModel(run.Trainer).Select(pair => TensorArrays.ToWrite(ModelRoot + pair.Key, pair.Value)),
            .. from callback in callbacks
               from pair in callback.Value.Tensors
               select TensorArrays.ToWrite(CallbackName(callback.Key, pair.Key), pair.Value),
        ];
        KeyValuePair<string, string>[] metadata = [new(Key, JsonSerializer.Serialize(state, RunStateJson.Default.RunState))];

        run.Trainer.Driver.Write(path, tensors, metadata);
    }

    /// <summary>
    /// Sets a run, its model, its optimizer and its callbacks to the state in a file. Everything is checked before anything is changed.
    /// </summary>
    /// <param name="run">A run that has not begun.</param>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidFileException">The file is malformed or no run.</exception>
    /// <exception cref="CheckpointMismatchException">It is of another run; the message lists every difference.</exception>
    public static void Restore(TrainingRun run, string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        RunState state = ReadState(file);
        NdArray means = Read(file, Means, length: null);
        NdArray history = Read(file, History, length: (long)(state.Epoch - state.InitialEpoch) * (2 + state.Columns.Length));
        List<EpochLog> logs = ReadHistory(file, history, state);
        double[] sums = means.AsSpan<double>().ToArray();
        if (sums.Length < 2)
            throw file.Invalid($"its \"{Means}\" are {sums.Length} numbers");
        if (!(sums[^1] >= 0 && double.IsFinite(sums[^1])))
            throw file.Invalid($"its \"{Means}\" are over {sums[^1]} examples");
        Dictionary<string, Callback> callbacks = Named(run.Options.Callbacks);
        List<string> differences =
        [
            .. Differences(run, state, sums.Length, callbacks), .. ModelDifferences(file, run.Trainer, RestOfModel(run.Trainer)),
        ];
        if (differences.Count > 0)
            throw new CheckpointMismatchException(file.Name, differences);

        run.Totals.State = sums;
        (run.Seed, run.CompletedEpochs, run.Epoch) = (state.Seed, state.Epoch, state.Epoch);
        (run.InitialEpoch, run.Batch, run.Position) = (state.InitialEpoch, state.Batch, state.Position ?? state.Batch);
        run.LearningRate = state.LearningRate;
        run.BatchesPerEpoch ??= state.BatchesPerEpoch;
        (run.History.Steps, run.History.SkippedSteps) = (state.Steps, state.SkippedSteps);
        run.History.Logs.AddRange(logs);

        using var scope = NewDisposeScope();
        Dictionary<string, CallbackState> callbackStates =
            state.Callbacks.ToDictionary(saved => saved.Key, saved => ReadCallback(saved.Key, saved.Value, file));
        foreach (var (name, saved) in callbackStates)
            Try(file, name, () => callbacks[name].CheckState(saved, run));
        RestoreModel(run.Trainer, file, whenChecked: () =>
        {
            foreach (var (name, saved) in callbackStates)
            {
                Try(file, name, () => callbacks[name].LoadState(saved));
                foreach (Tensor tensor in saved.Tensors.Values)
                    tensor.DetachFromDisposeScope(); // it is the callback's now
            }
        });
    }

    /// <summary>As <see cref="Restore"/>, for the model and the optimizer alone.</summary>
    public static void RestoreModel(Trainer trainer, string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        ReadState(file);
        RestoreModel(trainer, file, whenChecked: () => { });
    }

    static void RestoreModel(Trainer trainer, SafetensorsFile file, Action whenChecked)
    {
        Dictionary<string, Tensor> model = RestOfModel(trainer);
        List<string> differences = [.. ModelDifferences(file, trainer, model)];
        if (differences.Count > 0)
            throw new CheckpointMismatchException(file.Name, differences);

        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> values = ModelTensors.Read(file, ModelRoot, model);
        trainer.Driver.Restore(file, Root, whenChecked);
        ModelTensors.Copy(values, model);
    }

    static RunState ReadState(SafetensorsFile file)
    {
        if (!file.Metadata.TryGetValue(Key, out string? text))
            throw file.Invalid($"it is not a training run: its metadata have no \"{Key}\"");
        try
        {
            RunState state = JsonSerializer.Deserialize(text, RunStateJson.Default.RunState)
                ?? throw file.Invalid($"its \"{Key}\" is null");
            bool isSound = state.InitialEpoch >= 0 && state.Epoch >= state.InitialEpoch && state.Batch >= 0 && state.ValidateEvery >= 1
                && state.StepsPerEpoch is null or >= 1 && (state.Position is null || state.StepsPerEpoch is not null)
                && (state.Position is null or >= 0 && (state.Position ?? 0) <= state.Steps)
                && state.Steps >= state.Batch && state.SkippedSteps >= 0
                && state.SkippedSteps <= state.Steps && state.BatchesPerEpoch is null or >= 1 && double.IsFinite(state.LearningRate)
                && state is { Metrics: not null, Columns: not null, Callbacks: not null } && !state.Callbacks.ContainsValue(null!)
                && !state.Metrics.Contains(null) && !state.Columns.Contains(null)
                && state.Columns.Distinct().Count() == state.Columns.Length;
            return state.Version != RunState.PresentVersion
                ? throw file.Invalid($"it is a run of version {state.Version}; this release reads version {RunState.PresentVersion}")
                : isSound ? state : throw file.Invalid($"its \"{Key}\" has values that no run has, or lacks some");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException or FormatException)
        {
            throw file.Invalid($"its \"{Key}\" is not what it should be: {e.Message}", e);
        }
    }

    static NdArray Read(SafetensorsFile file, string name, long? length) =>
        file.Tensors.TryGetValue(name, out SafetensorsEntry? entry) && entry.DType == DType.Float64
        && (length ?? entry.Length) == entry.Length
            ? file.Read(entry)
            : throw file.Invalid($"its \"{name}\" is missing, or has not {(length is null ? "" : $"{length} ")}numbers of type float64");

    static IEnumerable<string> Differences(TrainingRun run, RunState state, int sums, Dictionary<string, Callback> callbacks)
    {
        if (run.Options.Seed is { } seed && seed != state.Seed)
            yield return $"seed: {state.Seed} in the file, {seed} here";
        string[] metrics = [.. run.Trainer.Metrics.Select(metric => metric.Name)];
        if (!metrics.SequenceEqual(state.Metrics))
            yield return $"metrics: [{string.Join(", ", state.Metrics)}] in the file, [{string.Join(", ", metrics)}] here";
        else if (RunningTotals.Length(run.Trainer.Metrics) != sums)
            yield return $"metrics: {sums} sums in the file, {RunningTotals.Length(run.Trainer.Metrics)} here";
        if (run.Options.InitialEpoch != 0 && run.Options.InitialEpoch != state.InitialEpoch)
            yield return $"initial epoch: {state.InitialEpoch} in the file, {run.Options.InitialEpoch} here";
        if (run.Options.StepsPerEpoch != state.StepsPerEpoch)
            yield return $"steps per epoch: {StepsOf(state.StepsPerEpoch)} in the file, {StepsOf(run.Options.StepsPerEpoch)} here";
        if (run.HasValidation && run.Options.ValidateEvery != state.ValidateEvery)
            yield return $"validation: every {state.ValidateEvery} epochs in the file, every {run.Options.ValidateEvery} here";
        bool otherData = run.Data is not null && state.Data is not null && run.Data != state.Data;
        if (otherData || (run.BatchesPerEpoch is { } here && state.BatchesPerEpoch is { } inFile && here != inFile))
            yield return $"data: {DataOf(state.Data, state.BatchesPerEpoch)} in the file, {DataOf(run.Data, run.BatchesPerEpoch)} here";
        foreach (string name in state.Callbacks.Keys.Except(callbacks.Keys))
            yield return $"callback {name}: it has a state in the file, and is not among the callbacks here";
    }

    static string StepsOf(int? steps) => steps?.ToString(CultureInfo.InvariantCulture) ?? "once through the data";

    static string DataOf(string? data, int? batches) => data ?? $"{batches} batches";

    static IEnumerable<string> ModelDifferences(SafetensorsFile file, Trainer trainer, Dictionary<string, Tensor> model)
    {
        string? optimizer = trainer.Driver.Difference(file);
        return [.. optimizer is null ? (string[])[] : [optimizer], .. ModelTensors.Differences(file, ModelRoot, model)];
    }

    // The parameters that the optimizer steps are in its own checkpoint.
    static Dictionary<string, Tensor> RestOfModel(Trainer trainer)
    {
        HashSet<nint> saved = trainer.Driver.SavedParameters;
        return trainer.Model.state_dict().Where(pair => !saved.Contains(NativeTensor.IdentityOf(pair.Value))).ToDictionary();
    }

    static string CallbackName(string callback, string tensor) => $"{Root}/callbacks/{callback}/{tensor}";

    // By the class's name; from the second of a class on, with a number.
    static Dictionary<string, Callback> Named(IReadOnlyList<Callback> callbacks) => callbacks
        .GroupBy(callback => callback.GetType().Name)
        .SelectMany(same => same.Select((callback, i) => (Name: i == 0 ? same.Key : $"{same.Key} {i + 1}", callback)))
        .ToDictionary(pair => pair.Name, pair => pair.callback);

    static Dictionary<string, CallbackState> SaveCallbacks(TrainingRun run)
    {
        var states = new Dictionary<string, CallbackState>();
        foreach (var (name, callback) in Named(run.Options.Callbacks))
        {
            var state = new CallbackState();
            callback.SaveState(state);
            if (!state.IsEmpty)
                states.Add(name, state);
        }

        return states;
    }

    // What a callback throws means that the file is not what a run writes.
    static void Try(SafetensorsFile file, string callback, Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is not (OutOfMemoryException or IOException))
        {
            throw file.Invalid($"the state of the callback {callback} is not what it should be: {e.Message}", e);
        }
    }

    static CallbackState ReadCallback(string name, JsonObject values, SafetensorsFile file)
    {
        var state = new CallbackState { Values = values };
        string root = CallbackName(name, "");
        foreach (var (key, entry) in file.Tensors)
        {
            if (key.StartsWith(root, StringComparison.Ordinal))
                state.Tensors.Add(key[root.Length..], file.Read(entry).ToTensor());
        }

        return state;
    }

    // A row an epoch: batches, seconds, then the values.
    static NdArray WriteHistory(History history, string[] columns)
    {
        IEnumerable<double> numbers = history.Logs.SelectMany(log => (IEnumerable<double>)
        [
            log.Batches, log.Duration.TotalSeconds, .. columns.Select(name => log.Values.GetValueOrDefault(name, double.NaN)),
        ]);
        return NdArray.Create([.. numbers], [history.Logs.Count, 2 + columns.Length]);
    }

    static List<EpochLog> ReadHistory(SafetensorsFile file, NdArray history, RunState state)
    {
        var logs = new List<EpochLog>();
        long steps = state.Batch;
        foreach (double[] row in history.AsSpan<double>().ToArray().Chunk(2 + state.Columns.Length))
        {
            if (!(row[0] is >= 1 and <= int.MaxValue && double.IsInteger(row[0]) && row[1] >= 0 && row[1] < TimeSpan.MaxValue.TotalSeconds))
                throw file.Invalid($"its \"{History}\" has an epoch of {row[0]} batches and {row[1]} seconds");
            steps += (int)row[0];
            int epoch = state.InitialEpoch + logs.Count + 1;
            OrderedDictionary<string, double> values = new(state.Columns.Zip(row[2..], KeyValuePair.Create).Where(
                pair => epoch % state.ValidateEvery == 0 || !pair.Key.StartsWith("val_", StringComparison.Ordinal)));
            logs.Add(new EpochLog
            {
                Epoch = epoch,
                Batches = (int)row[0],
                Duration = TimeSpan.FromSeconds(row[1]),
                Values = new ReadOnlyDictionary<string, double>(values),
            });
        }

        return steps == state.Steps ? logs : throw file.Invalid($"it has {state.Steps} steps, and its epochs {steps}");
    }
}
