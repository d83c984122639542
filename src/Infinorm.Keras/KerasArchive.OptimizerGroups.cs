using System.Globalization;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Keras.Hdf5;
using Infinorm.Keras.Json;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Keras;

// The groups in which an optimizer and those inside of it keep their variables: reading and storing them.
public sealed partial class KerasArchive
{
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
            if (dataset.Type.DType is DType.Int32 or DType.Int64 && value.Length > 0
                && value.Cast(DType.Int64).AsSpan<long>().ContainsAnyInRange(long.MinValue, -1))
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
