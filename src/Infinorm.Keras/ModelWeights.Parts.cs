using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Infinorm.Checkpoints;
using Infinorm.Keras.Hdf5;
using Infinorm.Keras.Json;

namespace Infinorm.Keras;

// The groups of layers in the file, and what the config says about each.
sealed partial class ModelWeights
{
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
        // An activation can be a layer, with weights such as PReLU's.
        var activations = (whole.Config ?? []).Where(item => item.Key.EndsWith("activation", StringComparison.Ordinal) && item.Value is JsonObject)
            .Select(item => Wrapped(item.Key, item.Key));
        return activations.Concat(whole.Class switch
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
        });

        IEnumerable<(string, string?, JsonObject?, string?)> Projections(params string[] names) =>
            names.Select(name => ($"{name}_dense", (string?)"einsum_dense", whole.Config, (string?)(name == "output" ? "attention_output" : name)));

        (string, string?, JsonObject?, string?) Wrapped(string key, string setting)
        {
            var layer = whole.Config?[setting] as JsonObject;
            string? name = JsonText.Text(ConfigOf(layer)?["name"]);
            if (key == "backward_layer" && setting == "layer")
                name = $"backward_{name?.Replace("forward_", "", StringComparison.Ordinal)}";
            return (key, ClassOf(layer), ConfigOf(layer), name);
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
