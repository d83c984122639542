using System.Globalization;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Keras.Hdf5;
using Infinorm.Keras.Json;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Keras;

public sealed partial class KerasArchive
{
    const string VarsGroup = $"{OptimizerGroup}/vars", InnerVarsGroup = $"{OptimizerGroup}/inner_optimizer/vars";
    const string UntrackedGroup = $"{OptimizerGroup}/untracked", InnerGroups = "optimizers"; // the first is ours; Keras reads over it
    const string CompileConfig = "compile_config", WrapperName = "loss_scale_optimizer";

    /// <summary>
    /// The optimizer's settings as Keras serialized them; null in a weights file, and of a model that was not compiled. Of a model that
    /// computes in <c>mixed_float16</c> they can be those of the optimizer inside a <see cref="LossScaleOptimizer"/>:
    /// <see cref="CreateOptimizer"/> wraps it again.
    /// </summary>
    public JsonObject? OptimizerConfig => OptimizerConfigOf(ModelConfig);

    /// <summary>The settings of the optimizer that a model was compiled with; null if there are none.</summary>
    internal static JsonObject? OptimizerConfigOf(JsonObject? model) => (model?[CompileConfig] as JsonObject)?["optimizer"] as JsonObject;

    /// <summary>Whether the file holds an optimizer's variables.</summary>
    public bool HasOptimizerState => _root.Find(VarsGroup)?.Datasets.Count > 0;

    /// <summary>How many variables of an optimizer the file holds; counter and rate alone where it made no step and would have slots.</summary>
    internal int OptimizerVariableCount => _root.Find(VarsGroup)?.Datasets.Count ?? 0;

    Optimizer? _loaded; // by LoadOptimizer, which was given the order where it was not known

    /// <summary>The group in which it is not known what comes first; null if the order of all variables is known.</summary>
    internal string? UnorderedGroup => _model.UnorderedGroup;

    /// <summary>
    /// The optimizer whose state and settings <see cref="Save(string, int)"/> writes: the one that <see cref="LoadOptimizer"/> loaded, or another that is
    /// built. It is null at first: what is stored then stays as it is.
    /// </summary>
    /// <exception cref="ArgumentException">It is not built, for the model's variables in another order, or has slots of one byte.</exception>
    /// <exception cref="InvalidOperationException">
    /// The archive does not tell the order of the model's variables: give it to <see cref="Open(string, JsonObject?, IEnumerable{string}?)"/>.
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
                RequireFullSlots(value);
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

    // Keras has no place for codes of one byte.
    static void RequireFullSlots(Optimizer optimizer)
    {
        if (optimizer.Variables.FirstOrDefault(variable => variable.DType == DType.UInt8) is { } codes)
        {
            throw new ArgumentException(
                $"{optimizer.Name} has slots of one byte an element ({codes.Path}), which Keras cannot load. Build another with full slots, let it "
                + $"{nameof(RuleOptimizer.TakeStateOf)} this one, and give that.", nameof(optimizer));
        }
    }

    // What is not known is refused, with what to give.
    void RequireOrder(string? tied, string orVariables)
    {
        string paths = $"Give {nameof(Open)} the paths that [v.path for v in model.trainable_variables] has in Python{orVariables}.";
        if (UnorderedGroup is { } group)
        {
            throw new InvalidOperationException($"{_file}: the order of the variables of {group} in the model is unknown. "
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
        const string givePaths = $"Give {nameof(Open)} the paths that [v.path for v in model.trainable_variables] has in Python.";
        if (_model.AreTrainedGiven || (_model.Doubtful is null && !Weights.Any(weight => weight.IsTrainable && !weight.IsNamed)))
            return;
        if (BuiltAsStored() is not { } stored)
        {
            if (_model.Doubtful is { } doubt)
                throw new InvalidOperationException($"{_file}: {doubt}, nor which of its weights are trained. {givePaths}");
            return;
        }

        int count = PlacesOf(stored)[0].Variables.Length;
        if (count != _root.Find(VarsGroup)!.Datasets.Count)
        {
            throw new InvalidOperationException(
                $"{_file}: it is not known which variables of custom layers are trained: with all of them the stored optimizer had "
                + $"{count} variables, and it has {_root.Find(VarsGroup)!.Datasets.Count}. {givePaths}");
        }
    }

    // The optimizer whose state is stored, for what is taken for trained; null if there is none, or its slots are not known.
    Optimizer? BuiltAsStored()
    {
        if (!HasOptimizerState || OptimizerConfig is null)
            return null;
        try
        {
            Optimizer stored = CreateOptimizer();
            stored.Build(TrainableVariables);
            return stored;
        }
        catch (Exception e) when (e is InvalidFileException or ArgumentException)
        {
            return null;
        }
    }

    // A pattern must not miss a weight only because it has a number for its name.
    void RequireNames(Optimizer optimizer, IEnumerable<Variable> variables)
    {
        bool isDivided = optimizer is MultiOptimizer { Optimizers.Count: > 1 } or LossScaleOptimizer { InnerOptimizer: MultiOptimizer { Optimizers.Count: > 1 } };
        if (!optimizer.ExcludesByName && !isDivided)
            return;
        if (variables.FirstOrDefault(Weights.Where(w => !w.IsNameSure).Select(w => w.Variable).ToHashSet().Contains) is not { } unnamed)
            return;
        if (isDivided)
        {
            throw new InvalidOperationException(
                $"{_file}: {optimizer.Name} divides variables by their paths, and the name of {unnamed.Path} is not known. Give {nameof(Open)} the paths "
                + "that [v.path for v in model.trainable_variables] has in Python.");
        }

        if (optimizer.ExcludesByName)
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
        RequireState();
        bool wasBuilt = optimizer.IsBuilt;
        try
        {
            optimizer.Build(trained);
            RefuseAnotherState(optimizer);
            RequireNames(optimizer, trained);
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
    /// Where the variables of an optimizer that was loaded are stored, with their names in a checkpoint. Variables of an inner optimizer are
    /// stored several times; the copy that Keras reads last comes last.
    /// </summary>
    internal IEnumerable<(string Location, StateTensor Tensor)> StateLocations(Optimizer optimizer)
    {
        StateTensor[] state = [.. optimizer.State(CheckpointFile.OptimizerRoot)];
        return PlacesOf(optimizer).Where(place => _root.Find(place.Group) is not null)
            .SelectMany(place => place.Variables.Select((variable, i) => ($"{place.Group}/{Key(i)}", state[variable])));
    }

    /// <summary>A group of an optimizer's variables.</summary>
    /// <param name="Group">Its path in the HDF5 file.</param>
    /// <param name="Name">The name of the optimizer; null for what Keras does not read.</param>
    /// <param name="Variables">The numbers of its variables among those of the whole optimizer.</param>
    readonly record struct Place(string Group, string? Name, int[] Variables);

    // In the order in which Keras reads them: a wrapper stores all variables, then each optimizer inside of it has its own once more.
    static List<Place> PlacesOf(Optimizer optimizer)
    {
        IReadOnlyList<NdArray?> untracked = optimizer.UntrackedByKeras;
        var places = new List<Place>();
        Add(optimizer, OptimizerGroup, first: 0);
        int[] ours = [.. Enumerable.Range(0, untracked.Count).Where(i => untracked[i] is not null)];
        if (ours.Length > 0)
            places.Add(new(UntrackedGroup, Name: null, ours));
        return places;

        void Add(Optimizer one, string path, int first)
        {
            int count = one.Variables.Count;
            places.Add(new($"{path}/vars", one.Name, [.. Enumerable.Range(first, count).Where(i => untracked[i] is null)]));
            if (one is LossScaleOptimizer { InnerOptimizer: { } wrapped })
                Add(wrapped, $"{path}/inner_optimizer", first + count - wrapped.Variables.Count);
            if (one is not MultiOptimizer multi)
                return;
            int next = first + count - multi.Optimizers.Sum(inner => inner.Variables.Count);
            foreach (var (name, inner) in NamesOf(multi).Zip(multi.Optimizers))
            {
                Add(inner, $"{path}/{InnerGroups}/{name}", next);
                next += inner.Variables.Count;
            }
        }
    }

    // As Keras names what is in a list: by class, with a number from the second on.
    static IEnumerable<string> NamesOf(MultiOptimizer multi)
    {
        var used = new Dictionary<string, int>();
        foreach (RuleOptimizer inner in multi.Optimizers)
        {
            string name = Infinorm.Optimizer.SnakeCase((string)inner.GetConfig()["class_name"]!);
            int number = used[name] = used.GetValueOrDefault(name, -1) + 1;
            yield return number == 0 ? name : $"{name}_{number}";
        }
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

    // What is stored several times counts as Keras reads it: the last.
    VariableStore StoredState(Optimizer optimizer)
    {
        var store = new VariableStore();
        IReadOnlyList<NdArray?> untracked = optimizer.UntrackedByKeras;
        for (int i = 0; i < untracked.Count; i++)
        {
            if (untracked[i] is { } first)
                store.Save(Key(i), first);
        }

        foreach (Place place in PlacesOf(optimizer))
        {
            if (_root.Find(place.Group) is not { } stored)
                continue;
            if (stored.Datasets.Count != place.Variables.Length)
            {
                throw new ArgumentException(
                    $"{place.Name ?? optimizer.Name}: {place.Group} has {stored.Datasets.Count} variables, the optimizer has {place.Variables.Length}.");
            }

            CopyTo(store, place, stored);
        }

        return store;
    }

    void CopyTo(VariableStore store, Place place, Hdf5Group stored)
    {
        foreach (var (key, dataset) in stored.Datasets)
        {
            string location = $"{place.Group}/{key}";
            if (dataset.Type.DType is null)
                throw new InvalidFileException(_file, $"{location} is of type {dataset.Type.Name}, which no optimizer has");
            NdArray value = dataset.ToNdArray();
            if (dataset.Type.DType is DType.Int32 or DType.Int64 && value.Length > 0 && value.Cast(DType.Int64).AsSpan<long>().ContainsAnyInRange(long.MinValue, -1))
                throw new InvalidFileException(_file, $"{location} is a counter below 0");
            if (!int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int index) || Key(index) != key)
                throw new InvalidFileException(_file, $"{location} has no number as its name");
            if (index >= place.Variables.Length)
                throw new ArgumentException($"{place.Group} has no variable {Key(place.Variables.Length - 1)}, but one {key}.");
            store.Save(Key(place.Variables[index]), value);
        }
    }

    // Puts the optimizer's state and settings in the place of what is stored.
    void StoreOptimizer()
    {
        if (Optimizer is null)
            return;
        Optimizer.RequireWhole();
        bool wasWrappedByKeras = IsWrappedByKeras;
        List<Place> places = PlacesOf(Optimizer);
        IReadOnlyList<Variable> variables = Optimizer.Variables;
        string[] stored = [.. _root.All().Where(item => item.Group.Datasets.Count > 0 && item.Path.StartsWith($"{OptimizerGroup}/", StringComparison.Ordinal))
            .Select(item => item.Path)];
        if (!places.TrueForAll(place => IsStoredAs(place, variables)) || stored.Length != places.Count)
            MakeGroups(places, variables);
        foreach (Place place in places)
        {
            Hdf5Group group = _root.Find(place.Group)!;
            for (int i = 0; i < place.Variables.Length; i++)
            {
                Hdf5Dataset dataset = group.Datasets[Key(i)];
                Variable variable = variables[place.Variables[i]];
                if (variable.DType == dataset.Type.DType)
                    variable.CopyTo(dataset.Data);
                else
                    variable.ToNdArray().Cast(dataset.Type.DType!.Value).Data.CopyTo(dataset.Data);
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

    bool IsStoredAs(Place place, IReadOnlyList<Variable> variables)
    {
        if (_root.Find(place.Group) is not { } group || group.Datasets.Count != place.Variables.Length
            || group.Attributes.GetValueOrDefault(NameAttribute, place.Name!) != place.Name)
        {
            return false;
        }

        for (int i = 0; i < place.Variables.Length; i++)
        {
            Variable variable = variables[place.Variables[i]];
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
        (DType.Int64, Variable<long>) or (DType.Int32 or DType.Int64, Variable<int>) => true,
        (DType.Int32 or DType.Int64, _) or (_, Variable<long> or Variable<int>) => false,
        _ => true,
    };

    void MakeGroups(List<Place> places, IReadOnlyList<Variable> variables)
    {
        DType? counter = _root.Find(VarsGroup)?.Datasets.GetValueOrDefault("0")?.Type.DType;
        var made = new Hdf5Group();
        foreach (Place place in places)
        {
            Hdf5Group group = made.Make(place.Group);
            if (place.Name is not null)
                group.Attributes[NameAttribute] = place.Name;
            for (int i = 0; i < place.Variables.Length; i++)
            {
                Variable variable = variables[place.Variables[i]];
                bool isShort = counter is DType.Int32 && variable is Variable<long> && Holds(DType.Int32, variable);
                NdArray value = variable.ToNdArray();
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
