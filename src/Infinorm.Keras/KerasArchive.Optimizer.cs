using System.Globalization;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Keras.Hdf5;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Keras;

public sealed partial class KerasArchive
{
    const string VarsGroup = $"{OptimizerGroup}/vars", InnerVarsGroup = $"{OptimizerGroup}/inner_optimizer/vars";
    const string CompileConfig = "compile_config", WrapperName = "loss_scale_optimizer";

    /// <summary>
    /// The optimizer's settings as Keras serialized them; null in a weights file, and of a model that was not compiled. Of a model that
    /// computes in <c>mixed_float16</c> they can be those of the optimizer inside a <see cref="LossScaleOptimizer"/>:
    /// <see cref="CreateOptimizer"/> wraps it again.
    /// </summary>
    public JsonObject? OptimizerConfig => (ModelConfig?[CompileConfig] as JsonObject)?["optimizer"] as JsonObject;

    /// <summary>Whether the file holds an optimizer's variables.</summary>
    public bool HasOptimizerState => _root.Find(VarsGroup)?.Datasets.Count > 0;

    /// <summary>How many variables of an optimizer the file holds; counter and rate alone where it made no step and would have slots.</summary>
    internal int OptimizerVariableCount => _root.Find(VarsGroup)?.Datasets.Count ?? 0;

    Optimizer? _loaded; // by LoadOptimizer, which was given the order where it was not known

    /// <summary>The group in which it is not known what comes first; null if the order of all variables is known.</summary>
    internal string? UnorderedGroup => _model.UnorderedGroup;

    /// <summary>
    /// The optimizer whose state and settings <see cref="Save(string, int)"/> writes: the one that <see cref="LoadOptimizer"/> loaded, or another that is
    /// built. Null, at first, for leaving what is stored as it is.
    /// </summary>
    /// <exception cref="ArgumentException">It is not built, or for the model's variables in another order.</exception>
    /// <exception cref="InvalidOperationException">
    /// In which order the model has its variables is not known: <see cref="Open(string, JsonObject?, IEnumerable{string}?)"/> takes it.
    /// </exception>
    public Optimizer? Optimizer
    {
        get;
        set
        {
            if (value is not null && value != field && value != _loaded)
            {
                if (!value.IsBuilt)
                    throw new ArgumentException($"{value.Name} is not built.", nameof(value));
                RequireOrder(_model.Tied, "");
                RequireNames(value, value.TrainableVariables);
                RequireTrained();
                Dictionary<Variable, int> places = Weights.Select((weight, i) => (weight.Variable, i)).ToDictionary();
                int[] order = [.. value.TrainableVariables.Where(places.ContainsKey).Select(variable => places[variable])];
                if (!order.SequenceEqual(order.Order()))
                    throw new ArgumentException($"{value.Name} is built for the model's variables in another order than {nameof(TrainableVariables)} has.", nameof(value));
            }

            field = value;
        }
    }

    // What is not known is refused, with what to give.
    void RequireOrder(string? tied, string orVariables)
    {
        string paths = $"Give {nameof(Open)} the paths that [v.path for v in model.trainable_variables] has in Python{orVariables}.";
        if (UnorderedGroup is { } group)
        {
            throw new InvalidOperationException($"{_file}: in which order the model has the variables of {group} is not known. "
                + (ModelConfig is null ? $"Give {nameof(Open)} the model's config{orVariables}." : paths));
        }

        if (_model.Missing is { } missing)
            throw new InvalidOperationException($"{_file}: {missing}{(orVariables.Length > 0 ? $" to {nameof(LoadOptimizer)}" : "")}.");
        if (tied is not null)
            throw new InvalidOperationException($"{_file}: {tied}. {paths}");
    }

    // The weights of layers of one's own are taken for trained. A stored state tells whether they are: it has slots for each.
    void RequireTrained()
    {
        if (!HasOptimizerState || OptimizerConfig is null || _model.AreTrainedGiven || !Weights.Any(weight => weight.IsTrainable && !weight.IsNamed))
            return;
        Optimizer stored;
        try
        {
            stored = CreateOptimizer();
            stored.Build(TrainableVariables);
        }
        catch (Exception e) when (e is InvalidFileException or ArgumentException)
        {
            return; // of another kind, whose slots are not known
        }

        if (stored.Variables.Count != _root.Find(VarsGroup)!.Datasets.Count)
        {
            throw new InvalidOperationException(
                $"{_file}: which variables of layers of one's own are trained is not known: with all of them the stored optimizer had "
                + $"{stored.Variables.Count} variables, and it has {_root.Find(VarsGroup)!.Datasets.Count}. Give {nameof(Open)} the paths that "
                + "[v.path for v in model.trainable_variables] has in Python.");
        }
    }

    // A pattern must not miss a weight only because it has a number for its name.
    void RequireNames(Optimizer optimizer, IEnumerable<Variable> variables)
    {
        if (optimizer.ExcludesByName && variables.FirstOrDefault(Weights.Where(w => !w.IsNamed).Select(w => w.Variable).ToHashSet().Contains) is { } unnamed)
        {
            throw new InvalidOperationException(
                $"{_file}: variables are excluded from weight decay by name, and the name of {unnamed.Path} is not known. Exclude variables, or give "
                + $"{nameof(Open)} the paths that [v.path for v in model.trainable_variables] has in Python.");
        }
    }

    /// <summary>
    /// An optimizer with the settings the archive holds, not yet built and without its state: to exclude variables from weight decay
    /// (Keras stores no exclusions) before it is given to <see cref="LoadOptimizer"/>.
    /// </summary>
    /// <exception cref="InvalidOperationException">The archive has no settings of an optimizer.</exception>
    /// <exception cref="InvalidFileException">They are of an optimizer or have a setting that is not known.</exception>
    public Optimizer CreateOptimizer()
    {
        JsonObject config = OptimizerConfig ?? throw new InvalidOperationException(
            $"{_file} has no settings of an optimizer. Make one with the settings that its state was saved with, and give it to {nameof(LoadOptimizer)}.");
        try
        {
            Optimizer optimizer = Infinorm.Optimizer.FromConfig(config, FloatX());
            return IsWrappedByKeras ? new LossScaleOptimizer(optimizer) { Name = WrapperName } : optimizer;
        }
        catch (FormatException e)
        {
            throw new InvalidFileException(_file, e.Message, e);
        }
    }

    /// <summary>Builds an optimizer and loads its state: ready to continue the training. It becomes <see cref="Optimizer"/>.</summary>
    /// <param name="optimizer">Null for one with the archive's settings: <see cref="CreateOptimizer"/>.</param>
    /// <param name="variables">
    /// The variables in the order of the model's <c>trainable_variables</c>, which is the order in which their state is stored; null for
    /// <see cref="TrainableVariables"/>.
    /// </param>
    /// <returns>The optimizer.</returns>
    /// <exception cref="InvalidOperationException">
    /// The archive has no state or no settings of an optimizer, the order of its variables is not known and must be given, or the
    /// optimizer is built for other variables.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The state stored is another optimizer's, or does not fit the optimizer or the variables given; nothing was changed.
    /// </exception>
    /// <exception cref="InvalidFileException">The archive's own settings, weights and state do not fit together.</exception>
    public Optimizer LoadOptimizer(Optimizer? optimizer = null, IEnumerable<Variable>? variables = null)
    {
        bool allFromFile = optimizer is null && variables is null;
        if (variables is null)
            RequireOrder(tied: null, $", or {nameof(LoadOptimizer)} the variables");
        Variable[] trained = [.. variables ?? TrainableVariables];
        optimizer ??= CreateOptimizer();
        RefuseAnotherState(optimizer);
        RequireNames(optimizer, trained);
        bool wasBuilt = optimizer.IsBuilt;
        try
        {
            optimizer.Build(trained);
            RefuseOtherCount(optimizer, trained.Length);
            optimizer.LoadOwnVariables(StoredState(optimizer));
        }
        catch (Exception e)
        {
            if (!wasBuilt)
                optimizer.Unbuild();
            if (allFromFile && e is ArgumentException)
                throw new InvalidFileException(_file, e.Message, e);
            throw;
        }

        _loaded = optimizer;
        return Optimizer = optimizer;
    }

    /// <summary>
    /// Where the variables of an optimizer that was loaded are stored, with their names in a checkpoint. Those of an optimizer in a
    /// <see cref="LossScaleOptimizer"/> come twice, last those that Keras reads last.
    /// </summary>
    internal IEnumerable<(string Location, StateTensor Tensor)> StateLocations(Optimizer optimizer)
    {
        StateTensor[] state = [.. optimizer.State(CheckpointFile.OptimizerRoot)];
        IEnumerable<(string, StateTensor)> locations = state.Select((tensor, i) => ($"{VarsGroup}/{Key(i)}", tensor));
        return optimizer is LossScaleOptimizer { InnerOptimizer: { } inner } && _root.Find(InnerVarsGroup) is not null
            ? locations.Concat(state[^inner.Variables.Count..].Select((tensor, i) => ($"{InnerVarsGroup}/{Key(i)}", tensor)))
            : locations;
    }

    // compile() wraps the optimizer of a mixed_float16 model by itself, with the defaults, and serializes the one that it was given.
    internal bool IsWrappedByKeras =>
        OptimizerConfig is { } config && _root.Find(InnerVarsGroup) is not null
        && !nameof(LossScaleOptimizer).Equals(JsonText.Text(config["class_name"]), StringComparison.OrdinalIgnoreCase);

    // Double if Keras's floatx was: a rate that is a number is stored in it, second of the variables.
    DType FloatX()
    {
        bool isSchedule = (OptimizerConfig?["config"] as JsonObject)?["learning_rate"] is JsonObject && !IsWrappedByKeras;
        return !isSchedule && _root.Find(VarsGroup)?.Datasets.GetValueOrDefault("1") is { Shape: [], Type.DType: DType.Float64 }
            ? DType.Float64
            : DType.Float32;
    }

    // A LossScaleOptimizer is stored twice: all of it, and the inner optimizer by itself, which Keras reads last.
    VariableStore StoredState(Optimizer optimizer)
    {
        var store = new VariableStore();
        CopyTo(store, VarsGroup, first: 0);
        if (optimizer is LossScaleOptimizer { InnerOptimizer: { } inner } && _root.Find(InnerVarsGroup) is { } stored)
        {
            if (stored.Datasets.Count != inner.Variables.Count)
            {
                throw new ArgumentException(
                    $"{inner.Name}: {InnerVarsGroup} has {stored.Datasets.Count} variables, the optimizer has {inner.Variables.Count}.");
            }

            CopyTo(store, InnerVarsGroup, first: optimizer.Variables.Count - inner.Variables.Count);
        }

        return store;
    }

    void CopyTo(VariableStore store, string group, int first)
    {
        foreach (var (key, dataset) in _root.Find(group)!.Datasets)
        {
            if (dataset.Type.DType is null)
                throw new InvalidFileException(_file, $"{group}/{key} is of type {dataset.Type.Name}, which no optimizer has");
            NdArray value = dataset.ToNdArray();
            if (dataset.Type.DType is DType.Int32 or DType.Int64 && value.Length > 0 && value.Cast(DType.Int64).AsSpan<long>().ContainsAnyInRange(long.MinValue, -1))
                throw new InvalidFileException(_file, $"{group}/{key} is a counter below 0");
            if (!int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int index) || Key(index) != key)
                throw new InvalidFileException(_file, $"{group}/{key} has no number as its name");
            store.Save(Key(index + first), value);
        }
    }

    // Puts the optimizer's state and settings in the place of what is stored.
    void StoreOptimizer()
    {
        if (Optimizer is null)
            return;
        bool wasWrappedByKeras = IsWrappedByKeras;
        List<(string Group, Optimizer Optimizer)> places = [(VarsGroup, Optimizer)];
        if (Optimizer is LossScaleOptimizer { InnerOptimizer: { } inner })
            places.Add((InnerVarsGroup, inner));

        if (!places.TrueForAll(place => IsStoredAs(place.Group, place.Optimizer)) || (places.Count == 1 && _root.Find(InnerVarsGroup) is not null))
            MakeGroups(places);
        foreach (var (path, optimizer) in places)
        {
            Hdf5Group group = _root.Find(path)!;
            IReadOnlyList<Variable> variables = optimizer.Variables;
            for (int i = 0; i < variables.Count; i++)
            {
                Hdf5Dataset dataset = group.Datasets[Key(i)];
                variables[i].ToNdArray().Cast(dataset.Type.DType!.Value).Bytes.CopyTo(dataset.Data.Span);
            }
        }

        if (ModelConfig is not null)
            StoreConfig(ModelConfig, (wasWrappedByKeras ? UnwrappedAsByKeras(Optimizer) : Optimizer).GetConfig());
    }

    // The optimizer whose settings compile() would be given, if it wraps that one just so.
    static Optimizer UnwrappedAsByKeras(Optimizer optimizer) =>
        optimizer is LossScaleOptimizer { InitialScale: 32768, DynamicGrowthSteps: 2000, MinimumScale: null, MaximumScale: null } wrapper
            ? wrapper.InnerOptimizer
            : optimizer;

    bool IsStoredAs(string path, Optimizer optimizer)
    {
        IReadOnlyList<Variable> variables = optimizer.Variables;
        if (_root.Find(path) is not { } group || group.Datasets.Count != variables.Count
            || group.Attributes.GetValueOrDefault(NameAttribute, optimizer.Name) != optimizer.Name)
        {
            return false;
        }

        for (int i = 0; i < variables.Count; i++)
        {
            Variable variable = variables[i];
            if (!group.Datasets.TryGetValue(Key(i), out Hdf5Dataset? dataset) || dataset.Type.DType is not { } type
                || !variable.Shape.SequenceEqual(dataset.Shape) || !Holds(type, variable))
            {
                return false;
            }
        }

        return true;
    }

    // Whether a variable can be stored in the type found: a float in any float type, a counter in an integer type that holds it.
    static bool Holds(DType type, Variable variable) => (type, variable) switch
    {
        (DType.Int32, Variable<long> counter) => counter.Span[0] <= int.MaxValue,
        (DType.Int64, Variable<long>) => true,
        (DType.Int32 or DType.Int64, _) or (_, Variable<long>) => false,
        _ => true,
    };

    void MakeGroups(List<(string Group, Optimizer Optimizer)> places)
    {
        DType? counter = _root.Find(VarsGroup)?.Datasets.GetValueOrDefault("0")?.Type.DType;
        var made = new Hdf5Group();
        foreach (var (path, optimizer) in places)
        {
            Hdf5Group group = made.Make(path);
            group.Attributes[NameAttribute] = optimizer.Name;
            IReadOnlyList<Variable> variables = optimizer.Variables;
            for (int i = 0; i < variables.Count; i++)
            {
                bool isShort = counter is DType.Int32 && variables[i] is Variable<long> && Holds(DType.Int32, variables[i]);
                NdArray value = variables[i].ToNdArray();
                group.Datasets.Add(Key(i), Hdf5Dataset.Of(isShort ? value.Cast(DType.Int32) : value));
            }
        }

        Hdf5Group? former = _root.Groups.GetValueOrDefault(OptimizerGroup);
        _root.Groups[OptimizerGroup] = made.Groups[OptimizerGroup];
        try
        {
            Hdf5Writer.Check(_root);
        }
        catch (NotSupportedException)
        {
            if (former is null)
                _root.Groups.Remove(OptimizerGroup);
            else
                _root.Groups[OptimizerGroup] = former;
            throw;
        }

        _image = null;
    }

    void StoreConfig(JsonObject model, JsonObject config)
    {
        if (model[CompileConfig] is not JsonObject compiled)
            model[CompileConfig] = compiled = [];
        _configChanged |= ConfigMerge.Put(compiled, "optimizer", config);
    }

    static string Key(int index) => index.ToString(CultureInfo.InvariantCulture);
}
