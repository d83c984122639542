using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Infinorm.Checkpoints;
using Infinorm.Config;
using Infinorm.Constraints;
using Infinorm.Keras.Hdf5;
using Infinorm.Keras.Json;
using Infinorm.Keras.Layers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Keras;

/// <summary>
/// The weights of a model in the order in which Keras lists its variables. The HDF5 file has neither that order nor the weights' names:
/// they come from the model's config and from what is known about Keras's own layers.
/// </summary>
sealed partial class ModelWeights
{
    // What holds layers by their classes: a model, and cells that are stacked.
    static readonly string[] Lists = ["layers", "cells"];

    readonly string _file;

    readonly List<(KerasWeight Copy, string Location)> _copies = [];

    ModelWeights(string file) => _file = file;

    /// <summary>The weights of types that we have.</summary>
    public List<KerasWeight> Weights { get; } = [];

    /// <summary>The group whose parts have an order that is not known; null where the whole order is known.</summary>
    public string? UnorderedGroup { get; private set; }

    /// <summary>What Keras trains and the file does not have, as a sentence; null if there is nothing of the kind.</summary>
    public string? Missing { get; private set; }

    /// <summary>Two weights that were taken for one because they hold the same values, as a sentence; null if there are none.</summary>
    public string? Tied { get; private set; }

    /// <summary>A layer of which it is not known what is trained, unless a stored state tells it: as a clause; null if there is none.</summary>
    public string? Doubtful { get; private set; }

    /// <summary>Whether the paths of the trained variables were given.</summary>
    public bool AreTrainedGiven { get; private set; }

    /// <param name="file">The archive, for messages.</param>
    /// <param name="root">The root group of the HDF5 file.</param>
    /// <param name="model">The model as Keras serializes it, if that is known.</param>
    /// <param name="trainable">The paths of the variables that the model trains, as Keras prints them; null if they are not given.</param>
    /// <exception cref="InvalidFileException">A layer's name is empty or contains <c>/</c>.</exception>
    /// <exception cref="ArgumentException">A path belongs to no weight, or to more than one.</exception>
    public static ModelWeights Of(string file, Hdf5Group root, JsonObject? model, IEnumerable<string>? trainable)
    {
        var result = new ModelWeights(file);
        result.Visit(new Part(root, "", "", ClassOf(model), ConfigOf(model)), isTrainable: true, unplaced: null);
        result.JoinCopies();
        if (LayerWeight.IsFalse(ConfigOf(model)?["trainable"]))
            result.Weights.ForEach(weight => weight.IsTrainable = false);
        if (trainable is not null)
            result.Arrange([.. trainable], NameOf(root) ?? JsonText.Text(ConfigOf(model)?["name"]));
        result.JoinSame();
        return result;
    }

    // Keras lists what is trainable by itself: a layer can be it in a model that was frozen before.
    void Visit(Part part, bool isTrainable, string? unplaced)
    {
        if (part.Config?["trainable"] is { } setting)
            isTrainable = !LayerWeight.IsFalse(setting);
        if (part.Config is not null)
            unplaced = LayerWeight.IsKnown(part.Class) ? null : Unplaced(part);
        if (part.Group.Groups.TryGetValue("vars", out Hdf5Group? vars))
            Add(part, vars, isTrainable, unplaced);
        foreach (Part inner in Parts(part))
            Visit(inner, isTrainable, unplaced);
    }

    static string? Unplaced(Part part) =>
        ConstraintIn(part.Config) is { } found ? $"{(part.Path.Length == 0 ? "model" : $"layer {part.Path}")} has {found}" : null;

    // A constraint in the config of a layer that is not known: "kernel_constraint NonNeg".
    static string? ConstraintIn(JsonNode? config) => config switch
    {
        JsonObject settings => settings
            .Select(item => item.Key.EndsWith("_constraint", StringComparison.Ordinal) && item.Value is not null
                ? $"{item.Key} {JsonText.Text((item.Value as JsonObject)?["class_name"]) ?? PythonJson.Write(item.Value)}"
                : ConstraintIn(item.Value))
            .FirstOrDefault(found => found is not null),
        JsonArray list => list.Select(ConstraintIn).FirstOrDefault(found => found is not null),
        _ => null,
    };

    void Add(Part layer, Hdf5Group vars, bool isTrainable, string? unplaced)
    {
        if (vars.Datasets.Count == 0)
            return; // it has none yet
        LayerWeight[]? known = LayerWeight.Of(layer.Class, layer.Config, vars.Datasets.Count);
        if (known is null && layer.Config is not null)
            unplaced = Unplaced(layer);
        if (isTrainable && LayerWeight.UnknownQuantization(layer.Class, layer.Config) is { } quantization)
            Missing ??= $"the layer {layer.Path} is quantized ({quantization}): it is not known which of its variables Keras trains. Give the variables";
        if (isTrainable && LayerWeight.HasLora(layer.Config))
        {
            Missing ??= $"the layer {layer.Path} has LoRA: Keras trains two matrices of it, which the file does not have (their product is added "
                + "to the kernel there). Give the variables, with variables of your own for the two after the layer's others";
        }

        if (isTrainable && known is null && layer.Config is not null && LayerWeight.HasKnownWeights(layer.Class))
        {
            Missing ??= $"the layer {layer.Path} has {vars.Datasets.Count} weights, which does not match its settings: it is not known which of them "
                + "Keras trains. Give the variables";
        }

        if (isTrainable && LayerWeight.IsForeign(layer.Class) && HasFloats(layer.Group))
            Doubtful ??= $"what the layer {layer.Path} ({layer.Class}) wraps is not in the file";
        if (isTrainable && layer.Config is null && known is not null && known.Any(weight => !weight.IsTrainable) && HasFloats(layer.Group))
            Doubtful ??= $"of what class the layer {layer.Path} is, is not in the file";
        if (vars.Datasets.Count > 1 && vars.Datasets.Keys.Any(key => Number(key) == int.MaxValue))
            UnorderedGroup ??= $"{Hdf5Group.Join(layer.Location, "vars")}";
        string[] keys = [.. vars.Datasets.Keys.OrderBy(Number).ThenBy(key => key, StringComparer.Ordinal)];
        for (int i = 0; i < keys.Length; i++)
        {
            Hdf5Dataset dataset = vars.Datasets[keys[i]];
            if (dataset.Type.DType is not { } type)
                continue;
            LayerWeight? about = known?[i];
            Constraint? constraint = unplaced is not null ? KerasConstraints.Unplaced(unplaced)
                : about?.Constraint is { } setting ? KerasConstraints.FromConfig(layer.Config?[setting]) : null;
            Variable variable = ToVariable(Hdf5Group.Join(layer.Path, about?.Name ?? keys[i]), type, dataset, constraint);
            bool trains = isTrainable && (about?.IsTrainable ?? true) && type.IsFloating();
            var weight = new KerasWeight($"{Hdf5Group.Join(layer.Location, "vars")}/{keys[i]}", variable, dataset.Data, trains)
            {
                IsNamed = about is not null,
                IsNameSure = about is not null && layer.Config is not null,
                IsPathKnown = layer.IsPathKnown,
            };
            Weights.Add(weight);
            if (about?.CopyOf is { } inLayer)
                _copies.Add((weight, Hdf5Group.Join(layer.Location, inLayer)));
        }
    }

    // One variable of Keras that several layers saved is one weight, where Keras lists it first.
    void JoinCopies()
    {
        foreach (var (copy, location) in _copies)
        {
            if (Weights.Find(weight => weight.Location == location) is { } original && HoldsSame(original, copy))
                Join(original, copy); // Keras loads the layer inside last
            else
                UnorderedGroup ??= ParentOf(copy.Location);
        }
    }

    static bool HoldsSame(KerasWeight one, KerasWeight other) =>
        one.Variable.DType == other.Variable.DType && one.Variable.Shape.SequenceEqual(other.Variable.Shape) && one.Stored.HasSame(other.Stored);

    // A layer of one's own may have another layer's variable: then both hold the same values. Variables whose paths were given are different
    // ones, and so are a trained and a frozen one: a model that is trained towards a copy of itself begins with equal values.
    void JoinSame()
    {
        foreach (KerasWeight own in Weights.FindAll(weight => !weight.IsNamed && !(AreTrainedGiven && weight.IsTrainable) && IsTelling(weight)))
        {
            if (!Weights.Contains(own) || Weights.Find(weight => IsSame(own, weight)) is not { } other)
                continue;
            if (!AreTrainedGiven)
                Tied ??= $"{own.Location} and {other.Location} hold the same values, and it is not known whether they are one variable";
            Join(other, own);
        }

        static bool IsSame(KerasWeight own, KerasWeight other) =>
            ParentOf(own.Location) != ParentOf(other.Location) && own.IsFrozen == other.IsFrozen && HoldsSame(own, other);

        // Zeros and ones are alike by chance.
        static bool IsTelling(KerasWeight weight)
        {
            int size = weight.Variable.DType.Size();
            long others = weight.Stored.Length - size;
            return others > 0 && !weight.Stored.Slice(size, others).HasSame(weight.Stored.Slice(0, others));
        }
    }

    void Join(KerasWeight original, KerasWeight copy)
    {
        original.Copies.Add(copy.Location);
        original.Copies.AddRange(copy.Copies);
        int first = Math.Min(Weights.IndexOf(original), Weights.IndexOf(copy));
        Weights.Remove(copy);
        Weights.Remove(original);
        Weights.Insert(first, original);
    }

    // The order that Keras prints: each path with the model's name in front, or as ours.
    void Arrange(string[] paths, string? modelName)
    {
        KerasWeight[] all = [.. Weights];
        var ordered = new List<KerasWeight>();
        foreach (string path in paths)
        {
            KerasWeight weight = Named(path);
            if (!weight.IsNamed && path != weight.Location && path != weight.Variable.Path)
            {
                weight.Variable.Path = Hdf5Group.Join(ParentOf(weight.Variable.Path), NameIn(path));
                weight.IsNamed = weight.IsNameSure = true;
            }

            ordered.Add(weight);
            Weights.Remove(weight);
        }

        Weights.ForEach(weight => weight.IsTrainable = false);
        ordered.ForEach(weight => weight.IsTrainable = true);
        Weights.InsertRange(0, ordered);
        (UnorderedGroup, Missing, Tied, Doubtful, AreTrainedGiven) = (null, null, null, null, true);

        KerasWeight Named(string path)
        {
            string inModel = modelName is not null && path.StartsWith(modelName + "/", StringComparison.Ordinal) ? path[(modelName.Length + 1)..] : path;
            KerasWeight[] found = [.. all.Where(weight => weight.Location == path || (weight.IsPathKnown && (weight.Variable.Path == path || weight.Variable.Path == inModel)))];
            if (found.Length == 0)
                found = [.. all.Where(weight => weight.IsPathKnown && IsPartOf(path, weight.Variable.Path))];
            if (found.Length > 1)
                throw new ArgumentException($"{_file}: more than one weight is called '{path}': {string.Join(", ", found.Select(w => w.Location))}. Give its location.");
            if (found.Length == 1 && Weights.Contains(found[0]))
                return found[0];

            // The numbers of a layer's weights follow the order in which it made them, those that are trained first.
            KerasWeight[] numbered =
            [
                .. Weights.Where(weight => !weight.IsNamed && weight.IsPathKnown && Number(NameIn(weight.Location)) < int.MaxValue
                    && ParentOf(weight.Variable.Path) is var layer
                    && (layer == ParentOf(inModel) || (layer.Length > 0 && IsPartOf(ParentOf(path), layer)))),
            ];
            return found.Length == 0 && numbered.Length > 0 && numbered.All(weight => ParentOf(weight.Location) == ParentOf(numbered[0].Location))
                ? numbered[0]
                : throw new ArgumentException(
                    $"{_file}: '{path}' is not one of the weights, or is given twice; the weights are {string.Join(", ", all.Select(w => w.IsPathKnown ? w.Variable.Path : w.Location))}.");
        }

        // Keras's path has the names of some of the models around a layer: more than ours, or fewer.
        static bool IsPartOf(string given, string ours) =>
            given == ours || given.EndsWith("/" + ours, StringComparison.Ordinal) || (given.Contains('/') && ours.EndsWith("/" + given, StringComparison.Ordinal));
    }

    static string NameIn(string path) => path[(path.LastIndexOf('/') + 1)..];

    static string ParentOf(string path) => path[..Math.Max(0, path.LastIndexOf('/'))];

    static Variable ToVariable(string path, DType type, Hdf5Dataset dataset, Constraint? constraint)
    {
        return type switch
        {
            DType.Float16 => Of<Half>(),
            DType.BFloat16 => Of<BFloat16>(),
            DType.Float32 => Of<float>(),
            DType.Float64 => Of<double>(),
            DType.Int32 => Of<int>(),
            DType.UInt8 => Of<byte>(),
            _ => Of<long>(),
        };

        Variable Of<T>()
            where T : unmanaged =>
            new Variable<T>(path, dataset.Data.ToArray<T>(), dataset.Shape) { Constraint = constraint };
    }

    // The parts of a layer or model that hold weights, in Keras's order as far as it is known.
    IEnumerable<Part> Parts(Part whole)
    {
        var rest = new SortedDictionary<string, Hdf5Group>(StringComparer.Ordinal);
        foreach (var (name, group) in whole.Group.Groups)
        {
            if (name != "vars" && !(whole.Location.Length == 0 && name == KerasArchive.OptimizerGroup) && group.HasData && !KerasArchive.IsOptimizer(group))
                rest.Add(name, group);
        }

        int count = rest.Values.Count(HasFloats);
        foreach (var (name, layerClass, config, called) in KnownParts(whole))
        {
            string? key = rest.ContainsKey(name) ? name : rest.Keys.FirstOrDefault(key => key.TrimStart('_') == name);
            if (key is not null && rest.Remove(key, out Hdf5Group? group))
                yield return PartOf(whole, group, key, layerClass, config, called);
        }

        foreach (string list in Lists)
        {
            if (rest.Remove(list, out Hdf5Group? container))
            {
                foreach (Part layer in Layers(whole, list, container))
                    yield return layer;
            }
        }

        // A layer that is not known may have one part; of two it is not known which comes first. Counters of random numbers are not trained.
        if (count > 1 && rest.Any(part => part.Key != "seed_generator" && HasFloats(part.Value)))
            UnorderedGroup ??= whole.Location.Length == 0 ? "the model" : whole.Location;
        foreach (var (name, group) in rest)
            yield return PartOf(whole, group, name, name, config: null);
    }

    // The layers of a model in the config's order. Which group is whose says the name in the group; before Keras 3.6 groups have none. Then,
    // or if a name is there twice, they are counted as Keras does when it loads: the n-th layer of a class has the key "class_n".
    IEnumerable<Part> Layers(Part model, string list, Hdf5Group container)
    {
        string location = Hdf5Group.Join(model.Location, list);
        var rest = new SortedDictionary<string, Hdf5Group>(StringComparer.Ordinal);
        var keys = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var (key, group) in container.Groups)
        {
            if (!group.HasData)
                continue;
            rest.Add(key, group);
            if (NameOf(group) is { } name)
                keys[name] = keys.ContainsKey(name) ? null : key;
        }

        int count = rest.Values.Count(HasFloats);
        bool isNamed = container.Groups.Values.Any(group => NameOf(group) is not null);
        bool isCounted = model.Class is "functional" or "sequential" or "stacked_rnn_cells"; // what else has a config of layers may order them otherwise
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (JsonNode? node in model.Config?[list] as JsonArray ?? [])
        {
            if (node is not JsonObject layer || IsOperation(layer) || GroupClassOf(layer) is not { } layerClass)
                continue;
            int number = counts[layerClass] = counts.GetValueOrDefault(layerClass, -1) + 1;
            string counted = number == 0 ? layerClass : $"{layerClass}_{number.ToString(CultureInfo.InvariantCulture)}";
            string? name = JsonText.Text(ConfigOf(layer)?["name"]);
            string? key = isNamed && name is not null && keys.TryGetValue(name, out string? unique) && unique is not null ? unique
                : isCounted && (!isNamed || (name is not null && keys.ContainsKey(name))) ? counted : null;
            if (key is not null && rest.Remove(key, out Hdf5Group? group))
                yield return PartOf(model, group, $"{list}/{key}", ClassOf(layer), ConfigOf(layer), name);
        }

        // A class of one's own can list its layers in the config as it likes, unless it has what a functional model's config has.
        bool isOrdered = isCounted || model.Config?["input_layers"] is not null;
        if (count > 1 && (!isOrdered || rest.Values.Any(HasFloats)))
            UnorderedGroup ??= location;
        foreach (var (key, group) in rest)
            yield return PartOf(model, group, $"{list}/{key}", NumberAtEnd().Replace(key, ""), config: null);
    }

    static bool HasFloats(Hdf5Group group) =>
        group.AllDatasets().Any(d => d.Dataset.Type.DType is { } type && type.IsFloating());

    Part PartOf(Part whole, Hdf5Group group, string key, string? layerClass, JsonObject? config, string? called = null)
    {
        string name = NameOf(group) ?? called ?? key[(key.LastIndexOf('/') + 1)..];
        if (name.Length == 0 || name.Contains('/'))
            throw new InvalidFileException(_file, $"{Hdf5Group.Join(whole.Location, key)} has the name '{name}'; it must not be empty or contain '/'");

        // A list of layers is no layer, and has no name.
        bool isList = config is null && group.Datasets.Count == 0 && !group.Groups.ContainsKey("vars") && !Lists.Any(group.Groups.ContainsKey);
        return new Part(
            group, Hdf5Group.Join(whole.Location, key), isList ? whole.Path : Hdf5Group.Join(whole.Path, name), isList ? null : layerClass, config,
            whole.IsPathKnown && (isList || called is not null || NameOf(group) is not null));
    }

    static IEnumerable<(string Key, string? Class, JsonObject? Config, string? Name)> KnownParts(Part whole)
    {
        return whole.Class switch
        {
            "simple_rnn" or "gru" or "lstm" or "conv_lstm1d" or "conv_lstm2d" or "conv_lstm3d" =>
                [("cell", $"{whole.Class}_cell", whole.Config, $"{whole.Class}_cell")],
            "rnn" => [Wrapped("cell", "cell")],
            "bidirectional" =>
            [
                Wrapped("forward_layer", "layer"),
                Wrapped("backward_layer", whole.Config?["backward_layer"] is JsonObject ? "backward_layer" : "layer"),
            ],
            "text_vectorization" => [("lookup_layer", "string_lookup", whole.Config, null)],
            "time_distributed" or "wrapper" or "spectral_normalization" => [Wrapped("layer", "layer")],
            "multi_head_attention" when whole.Config?["use_gate"]?.GetValueKind() is not JsonValueKind.True =>
                Projections("query", "key", "value", "output"),
            "grouped_query_attention" => Projections("query", "key", "gate", "value", "output"),
            _ => [],
        };

        IEnumerable<(string, string?, JsonObject?, string?)> Projections(params string[] names) =>
            names.Select(name => ($"{name}_dense", (string?)"einsum_dense", whole.Config, (string?)(name == "output" ? "attention_output" : name)));

        (string, string?, JsonObject?, string?) Wrapped(string key, string setting)
        {
            var layer = whole.Config?[setting] as JsonObject;
            string? name = JsonText.Text(ConfigOf(layer)?["name"]);
            return (key, ClassOf(layer), ConfigOf(layer), key == "backward_layer" && setting == "layer" ? $"backward_{name?.Replace("forward_", "", StringComparison.Ordinal)}" : name);
        }
    }

    static string? NameOf(Hdf5Group layer) => layer.Groups.GetValueOrDefault("vars")?.Attributes.GetValueOrDefault("name");

    static JsonObject? ConfigOf(JsonObject? serialized) => serialized?["config"] as JsonObject;

    // The class in snake case if it is Keras's own; another class of the same name is not.
    static string? ClassOf(JsonObject? serialized)
    {
        bool isKeras = serialized is not null
            && (!serialized.TryGetPropertyValue("module", out JsonNode? module)
                || (JsonText.Text(module) is { } name && (name == "keras" || name.StartsWith("keras.", StringComparison.Ordinal))))
            && JsonText.Text(serialized["registered_name"])?.Contains('>') is not true;
        return isKeras ? GroupClassOf(serialized) : null;
    }

    /// <summary>A layer's class in snake case, by which its group is called.</summary>
    internal static string? GroupClassOf(JsonObject? serialized) => JsonText.Text(serialized?["class_name"]) switch
    {
        null => null,
        "GroupQueryAttention" => "grouped_query_attention", // Keras's other name of GroupedQueryAttention
        string name => GroupNameOf(name),
    };

    /// <summary>A class's name in snake case, as the groups of its layers are called.</summary>
    internal static string GroupNameOf(string className) => LowerThenUpper().Replace(AnyThenWord().Replace(className, "$1_$2"), "$1_$2").ToLowerInvariant();

    // Operations such as keras.ops.add stand among the layers and are none.
    static bool IsOperation(JsonObject serialized) =>
        JsonText.Text(serialized["module"]) is { } module
        && (module.StartsWith("keras.src.ops", StringComparison.Ordinal) || module.StartsWith("keras.ops", StringComparison.Ordinal));

    // Weights are numbered; what is not, a layer that saves itself has named.
    static int Number(string key) => int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : int.MaxValue;

    // Keras's way from class names to snake case: "GRUCell" to "gru_cell".
    [GeneratedRegex("(.)([A-Z][a-z]+)")]
    private static partial Regex AnyThenWord();

    [GeneratedRegex("([a-z])([A-Z])")]
    private static partial Regex LowerThenUpper();

    [GeneratedRegex(@"_\d+$")]
    private static partial Regex NumberAtEnd();

    /// <summary>A layer or model.</summary>
    /// <param name="Group">Its group.</param>
    /// <param name="Location">The group's path in the file.</param>
    /// <param name="Path">The names of it and of what it is in; empty for the whole model.</param>
    /// <param name="Class">Its class in snake case, if that is known.</param>
    /// <param name="Config">Its settings, if they are known.</param>
    /// <param name="IsPathKnown">Whether the names in its path are Keras's; else one is the key of its group.</param>
    readonly record struct Part(Hdf5Group Group, string Location, string Path, string? Class, JsonObject? Config, bool IsPathKnown = true);
}
