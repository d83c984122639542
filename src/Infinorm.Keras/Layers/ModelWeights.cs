using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Infinorm.Keras.Hdf5;
using Infinorm.Numerics;

namespace Infinorm.Keras.Layers;

/// <summary>
/// The weights of a model in the order in which Keras lists its variables. The HDF5 file has neither that order nor the weights' names:
/// they come from the model's config and from what is known about Keras's own layers.
/// </summary>
sealed partial class ModelWeights
{
    // What holds layers by their classes: a model, and cells that are stacked.
    static readonly string[] Lists = ["layers", "cells"];

    readonly string _file;

    ModelWeights(string file) => _file = file;

    /// <summary>The weights of types that we have.</summary>
    public List<KerasWeight> Weights { get; } = [];

    /// <summary>The group whose parts have an order that is not known; null where the whole order is known.</summary>
    public string? UnorderedGroup { get; private set; }

    /// <param name="file">The archive, for messages.</param>
    /// <param name="root">The root group of the HDF5 file.</param>
    /// <param name="model">The model as Keras serializes it, if that is known.</param>
    /// <exception cref="InvalidFileException">A layer's name is none.</exception>
    public static ModelWeights Of(string file, Hdf5Group root, JsonObject? model)
    {
        var result = new ModelWeights(file);
        result.Visit(new Part(root, "", "", ClassOf(model), ConfigOf(model)), isTrainable: true);
        return result;
    }

    void Visit(Part part, bool isTrainable)
    {
        isTrainable &= !LayerWeight.IsFalse(part.Config?["trainable"]);
        if (part.Group.Groups.TryGetValue("vars", out Hdf5Group? vars))
            Add(part, vars, isTrainable);
        foreach (Part inner in Parts(part))
            Visit(inner, isTrainable);
    }

    void Add(Part layer, Hdf5Group vars, bool isTrainable)
    {
        LayerWeight[]? known = LayerWeight.Of(layer.Class, layer.Config, vars.Datasets.Count);
        string[] keys = [.. vars.Datasets.Keys.OrderBy(Number).ThenBy(key => key, StringComparer.Ordinal)];
        for (int i = 0; i < keys.Length; i++)
        {
            Hdf5Dataset dataset = vars.Datasets[keys[i]];
            if (dataset.Type.DType is not { } type)
                continue;
            LayerWeight? about = known?[i];
            Constraint? constraint = about?.Constraint is { } setting ? Constraints.FromConfig(layer.Config?[setting]) : null;
            Variable variable = ToVariable(Hdf5Group.Join(layer.Path, about?.Name ?? keys[i]), type, dataset, constraint);
            bool trains = isTrainable && (about?.IsTrainable ?? true) && type is not (DType.Int32 or DType.Int64);
            Weights.Add(new KerasWeight($"{Hdf5Group.Join(layer.Location, "vars")}/{keys[i]}", variable, trains));
        }
    }

    static Variable ToVariable(string path, DType type, Hdf5Dataset dataset, Constraint? constraint)
    {
        return type switch
        {
            DType.Float16 => Of<Half>(),
            DType.BFloat16 => Of<BFloat16>(),
            DType.Float32 => Of<float>(),
            DType.Float64 => Of<double>(),
            DType.Int32 => Of<int>(),
            _ => Of<long>(),
        };

        Variable Of<T>()
            where T : unmanaged =>
            new Variable<T>(path, MemoryMarshal.Cast<byte, T>(dataset.Data.Span).ToArray(), dataset.Shape) { Constraint = constraint };
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

        int count = rest.Count;
        foreach (var (name, layerClass, config) in KnownParts(whole))
        {
            string? key = rest.ContainsKey(name) ? name : rest.Keys.FirstOrDefault(key => key.TrimStart('_') == name);
            if (key is not null && rest.Remove(key, out Hdf5Group? group))
                yield return PartOf(whole, group, key, layerClass, config);
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
        if (count > 1 && rest.Keys.Any(name => name != "seed_generator"))
            UnorderedGroup ??= whole.Location.Length == 0 ? "the model" : whole.Location;
        foreach (var (name, group) in rest)
            yield return PartOf(whole, group, name, name, config: null);
    }

    // The layers of a model: their order is the config's, and the name in each group says which it is, if no other has that name.
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
            string name = NameOf(group) ?? key;
            keys[name] = keys.ContainsKey(name) ? null : key;
        }

        int count = rest.Count;
        foreach (JsonNode? node in model.Config?[list] as JsonArray ?? [])
        {
            if (node is JsonObject layer && JsonText.Text(ConfigOf(layer)?["name"]) is { } name
                && keys.GetValueOrDefault(name) is { } key && rest.Remove(key, out Hdf5Group? group))
            {
                yield return PartOf(model, group, $"{list}/{key}", ClassOf(layer), ConfigOf(layer));
            }
        }

        if (count > 1 && rest.Count > 0)
            UnorderedGroup ??= location;
        foreach (var (key, group) in rest)
            yield return PartOf(model, group, $"{list}/{key}", NumberAtEnd().Replace(key, ""), config: null);
    }

    Part PartOf(Part whole, Hdf5Group group, string key, string? layerClass, JsonObject? config)
    {
        string name = NameOf(group) ?? key[(key.LastIndexOf('/') + 1)..];
        if (name.Length == 0 || name.Contains('/'))
            throw new InvalidFileException(_file, $"{Hdf5Group.Join(whole.Location, key)} has the name '{name}'; it must not be empty or contain '/'");
        return new Part(group, Hdf5Group.Join(whole.Location, key), Hdf5Group.Join(whole.Path, name), layerClass, config);
    }

    static IEnumerable<(string Name, string? Class, JsonObject? Config)> KnownParts(Part whole)
    {
        return whole.Class switch
        {
            "simple_rnn" or "gru" or "lstm" or "conv_lstm1d" or "conv_lstm2d" or "conv_lstm3d" => [("cell", $"{whole.Class}_cell", whole.Config)],
            "rnn" => [Wrapped("cell", "cell")],
            "bidirectional" => [Wrapped("forward_layer", "layer"), Wrapped("backward_layer", "layer")],
            "time_distributed" or "spectral_normalization" => [Wrapped("layer", "layer")],
            "multi_head_attention" or "grouped_query_attention" =>
                from name in (string[])["query_dense", "key_dense", "value_dense", "output_dense"]
                select (name, "einsum_dense", whole.Config),
            _ => [],
        };

        (string, string?, JsonObject?) Wrapped(string name, string setting) =>
            (name, ClassOf(whole.Config?[setting] as JsonObject), ConfigOf(whole.Config?[setting] as JsonObject));
    }

    static string? NameOf(Hdf5Group layer) => layer.Groups.GetValueOrDefault("vars")?.Attributes.GetValueOrDefault("name");

    static JsonObject? ConfigOf(JsonObject? serialized) => serialized?["config"] as JsonObject;

    static string? ClassOf(JsonObject? serialized) =>
        JsonText.Text(serialized?["class_name"]) is { } name ? LowerThenUpper().Replace(AnyThenWord().Replace(name, "$1_$2"), "$1_$2").ToLowerInvariant() : null;

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
    readonly record struct Part(Hdf5Group Group, string Location, string Path, string? Class, JsonObject? Config);
}
