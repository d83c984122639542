using System.Text.Json.Nodes;
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

    static bool HasFloats(Hdf5Group group) =>
        group.AllDatasets().Any(d => d.Dataset.Type.DType is { } type && type.IsFloating());
}
