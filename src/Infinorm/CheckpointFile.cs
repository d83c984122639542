using System.Globalization;
using Infinorm.Checkpoints;
using Infinorm.Config;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm;

/// <summary>An optimizer's state, and if wanted its variables, as a safetensors file. See docs/formats.md.</summary>
static class CheckpointFile
{
    /// <summary>What the names of all tensors begin with: those of the variables, those of the optimizer.</summary>
    public const string VariablesKind = "variables", OptimizerRoot = "optimizer";

    const int MaxDifferences = 10_000;

    /// <summary>Writes a checkpoint of a built optimizer.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="stream">Where to.</param>
    /// <param name="includeVariables">Whether the trained variables are written too.</param>
    /// <param name="more">What else the file is to hold; who restores it names these tensors in <see cref="LoadOptions.IgnoreExtra"/>.</param>
    /// <param name="moreMetadata">Metadata for that.</param>
    /// <exception cref="InvalidOperationException">
    /// Two variables have the same path, the config is too long, or a counter or the rate has a value that is not loaded again.
    /// </exception>
    /// <exception cref="ArgumentException">A path is not Unicode, or there are too many variables.</exception>
    public static void Write(
        Optimizer optimizer, Stream stream, bool includeVariables, IEnumerable<SafetensorsTensor>? more = null,
        IEnumerable<KeyValuePair<string, string>>? moreMetadata = null)
    {
        List<StateTensor> tensors = State(optimizer, includeVariables);
        foreach (StateTensor tensor in tensors)
        {
            if (Problem(tensor, tensor.Variable.ToNdArray) is { } problem)
                throw new InvalidOperationException($"{optimizer.Name}: {problem}");
        }

        IEnumerable<SafetensorsTensor> state = tensors.Select(tensor => SafetensorsTensor.Of(tensor.Name, tensor.Variable));
        var info = new CheckpointInfo(
            optimizer.GetConfig(), optimizer.FloatX, [.. optimizer.WeightDecayExclusions.Select(variable => variable.Path)],
            CheckpointGroups.Of(optimizer));
        SafetensorsWriter.Write(stream, [.. info.ToMetadata(), .. moreMetadata ?? []], [.. state, .. more ?? []]);
    }

    /// <summary>Makes the optimizer that was saved, for these variables, and loads all values.</summary>
    /// <exception cref="InvalidFileException">The file is not a checkpoint.</exception>
    /// <exception cref="CheckpointMismatchException">It does not fit the variables.</exception>
    public static Optimizer Load(SafetensorsFile file, Variable[] variables, LoadOptions options)
    {
        CheckpointInfo info = CheckpointInfo.Read(file);
        var renames = new Renames(options.Rename);
        Optimizer optimizer;
        Grouping grouping;
        try
        {
            optimizer = Optimizer.FromConfig(info.Config, info.FloatX);
            grouping = info.Groups.Of(variables.Select(variable => renames.InFileOrHere(variable)));
        }
        catch (FormatException e)
        {
            throw file.Invalid($"its config cannot be read: {e.Message}", e);
        }

        optimizer.ExcludeFromWeightDecay(variables.Where(variable => IsExcluded(variable, info, renames)));
        optimizer.BuildAt(variables, grouping, scope: null);
        List<Transfer> transfers = Plan(file, optimizer, options, renames, []);
        Carry(file, transfers, isKept: transfer => transfer.Tensor.Kind == VariablesKind); // what is new need not be put back
        return optimizer;
    }

    /// <summary>Loads all values into an optimizer that is built, and into its variables.</summary>
    /// <exception cref="InvalidFileException">The file is not a checkpoint.</exception>
    /// <exception cref="CheckpointMismatchException">It does not fit the optimizer.</exception>
    public static void Restore(Optimizer optimizer, SafetensorsFile file, LoadOptions options, Action? whenChecked = null)
    {
        CheckpointInfo info = CheckpointInfo.Read(file);
        var renames = new Renames(options.Rename);
        List<string> differences = SettingDifferences(info, optimizer, options, renames);
        List<Transfer> transfers = Plan(file, optimizer, options, renames, differences);
        whenChecked?.Invoke();
        Carry(file, transfers, isKept: _ => true);
        info.Groups.SetRates(optimizer, options.KeepSettings);
    }

    /// <summary>Every tensor of a checkpoint.</summary>
    static List<StateTensor> State(Optimizer optimizer, bool includeVariables)
    {
        List<StateTensor> tensors = [.. optimizer.State(OptimizerRoot)];
        if (includeVariables)
            tensors.AddRange(optimizer.TrainableVariables.Select(variable => new StateTensor(VariablesKind, variable.Path, variable)));
        var names = new HashSet<string>();
        foreach (StateTensor tensor in tensors)
        {
            if (!names.Add(tensor.Name))
            {
                throw new InvalidOperationException(
                    $"{optimizer.Name}: two of its tensors are named \"{tensor.Name}\" in a checkpoint. "
                    + "Give each variable a path of its own.");
            }
        }

        return tensors;
    }

    static List<string> SettingDifferences(CheckpointInfo info, Optimizer optimizer, LoadOptions options, Renames renames)
    {
        var differences = new List<string>();
        IEnumerable<SettingDifference> settings =
        [
            .. ConfigComparison.Compare(info.Config, optimizer.GetConfig()),
            .. info.Groups.Differences(optimizer, optimizer.TrainableVariables.Select(renames.InFileOrHere)),
        ];
        foreach (SettingDifference setting in settings)
        {
            if (!LoadOptions.Covers(options.KeepSettings, setting.Name))
                differences.Add($"setting {setting.Name}: {setting.First} in the file, {setting.Second} here");
        }

        const string exclusions = "weight_decay_exclusions";
        if (LoadOptions.Covers(options.KeepSettings, exclusions))
            return differences;
        var excluded = optimizer.WeightDecayExclusions.ToHashSet();
        foreach (Variable variable in optimizer.TrainableVariables)
        {
            bool inFile = IsExcluded(variable, info, renames);
            if (inFile != excluded.Contains(variable))
                differences.Add($"setting {exclusions}: {variable.Path} is excluded {(inFile ? "in the file, not here" : "here, not in the file")}");
        }

        return differences;
    }

    static bool IsExcluded(Variable variable, CheckpointInfo info, Renames renames) =>
        renames.InFile(variable.Path) is { } path && info.WeightDecayExclusions.Contains(path);

    /// <summary>Which tensor goes where, once it is known that everything fits.</summary>
    static List<Transfer> Plan(SafetensorsFile file, Optimizer optimizer, LoadOptions options, Renames renames, List<string> differences)
    {
        bool hasVariables = file.Tensors.Keys.Any(name => LoadOptions.Covers([VariablesKind], name));
        var transfers = new List<Transfer>();
        var expected = new HashSet<string>();
        foreach (StateTensor tensor in State(optimizer, hasVariables && !LoadOptions.Covers(options.IgnoreExtra, VariablesKind)))
        {
            Variable variable = tensor.Variable;
            string? path = tensor.Path is null ? null : renames.InFile(tensor.Path);
            string name = tensor.NameFor(path ?? tensor.Path);
            if ((path is null) != (tensor.Path is null) || !file.Tensors.TryGetValue(name, out SafetensorsEntry? entry))
            {
                differences.Add($"missing: {name} {variable.DType.KerasName()}{Shapes.Format(variable.Shape)}");
                continue;
            }

            expected.Add(name);
            transfers.Add(new(entry, tensor));
            if (!variable.Shape.SequenceEqual(entry.Shape))
                differences.Add($"shape of {name}: {Shapes.Format(entry.Shape)} in the file, {Shapes.Format(variable.Shape)} here");
            if (variable.DType != entry.DType && !LoadOptions.Covers(options.ConvertType, name))
                differences.Add($"type of {name}: {entry.DType.KerasName()} in the file, {variable.DType.KerasName()} here");
        }

        int unlisted = 0; // so that a file of a million tensors makes no message of a million lines
        foreach (SafetensorsItem item in file.Tensors.Values.Concat<SafetensorsItem>(file.Others.Values))
        {
            if (expected.Contains(item.Name) || LoadOptions.Covers(options.IgnoreExtra, item.Name))
                continue;
            if (differences.Count < MaxDifferences)
                differences.Add($"extra: {item}");
            else
                unlisted++;
        }

        if (unlisted > 0)
            differences.Add($"extra: {unlisted} more");

        differences.AddRange(renames.Unknown(optimizer.TrainableVariables).Select(path => $"rename: no variable here has the path {path}"));
        if (differences.Count > 0)
            throw new CheckpointMismatchException(file.Name, differences);
        foreach (Transfer transfer in transfers)
        {
            if (Problem(transfer.Tensor, () => file.Read(transfer.Entry)) is { } problem)
                throw file.Invalid(problem);
        }

        return transfers;
    }

    /// <summary>What is wrong with a value that no optimizer comes to: counters count up from 0, rates are finite.</summary>
    static string? Problem(StateTensor tensor, Func<NdArray> read)
    {
        if (tensor.Path is not null)
            return null;
        bool isCounter = tensor.Variable.DType == DType.Int64;
        if (!isCounter && !tensor.Kind.EndsWith("/learning_rate", StringComparison.Ordinal))
            return null;
        double value = read().Cast(DType.Float64).AsSpan<double>()[0];
        return isCounter && value < 0 || !double.IsFinite(value)
            ? string.Create(CultureInfo.InvariantCulture, $"{tensor.Name} is {value}; it must be {(isCounter ? "at least 0" : "finite")}")
            : null;
    }

    /// <summary>Reads directly into the memory of the values. If the disk fails while it reads, the old values are restored.</summary>
    static void Carry(SafetensorsFile file, List<Transfer> transfers, Predicate<Transfer> isKept)
    {
        using var kept = new KeptValues();
        foreach (Transfer transfer in transfers)
        {
            Variable variable = transfer.Tensor.Variable;
            if (isKept(transfer))
                kept.Keep(variable);
            if (variable.DType == transfer.Entry.DType)
                file.Read(transfer.Entry, variable);
            else
                variable.Assign(file.Read(transfer.Entry));
        }

        kept.Accept();
    }

    readonly record struct Transfer(SafetensorsEntry Entry, StateTensor Tensor);

    /// <summary>The renaming of variables, seen from here.</summary>
    sealed class Renames
    {
        readonly IReadOnlyDictionary<string, string> _hereByFile;
        readonly Dictionary<string, string> _fileByHere = [];

        public Renames(IReadOnlyDictionary<string, string> hereByFile)
        {
            _hereByFile = hereByFile;
            foreach (var (file, here) in hereByFile)
            {
                if (!_fileByHere.TryAdd(here, file))
                    throw new ArgumentException($"Rename: both {_fileByHere[here]} and {file} are to become {here}.");
            }
        }

        /// <summary>The path that the variable of this path has in the file, or null if that one is another variable here.</summary>
        public string? InFile(string path) =>
            _fileByHere.TryGetValue(path, out string? file) ? file : _hereByFile.ContainsKey(path) ? null : path;

        /// <summary>The path that a variable has in the file, or its own if that is another variable there.</summary>
        public string InFileOrHere(Variable variable) => InFile(variable.Path) ?? variable.Path;

        /// <summary>New names that nothing has here.</summary>
        public IEnumerable<string> Unknown(IReadOnlyList<Variable> variables) =>
            _fileByHere.Keys.Except(variables.Select(variable => variable.Path));
    }
}
