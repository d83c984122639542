using System.Globalization;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Keras.Hdf5;
using Infinorm.Keras.Json;
using Infinorm.Keras.Torch.Layers;
using Infinorm.Variables;

namespace Infinorm.Keras.Torch;

/// <summary>
/// A whole model in the HDF5 layout of Keras 2 (<c>model.h5</c>), which Keras 3 still reads and writes: config and training config are
/// attributes, the weights lie by the layers' names. It becomes an archive of the present layout.
/// </summary>
static class LegacyModel
{
    const string Weights = "model_weights", OptimizerWeights = "optimizer_weights", ConfigAttribute = "model_config",
        TrainingAttribute = "training_config";

    // What Keras 2 calls the state of its optimizers.
    static readonly Dictionary<string, string[]> Keras2Names = new(StringComparer.Ordinal)
    {
        ["iteration"] = ["iter"],
        ["momentum"] = ["m", "momentum"],
        ["norm"] = ["v"],
        ["velocity"] = ["v", "rms"],
        ["velocity_hat"] = ["vhat"],
        ["average_gradient"] = ["mg"],
        ["accumulated_grad"] = ["accum_grad"],
        ["accumulated_delta_var"] = ["accum_var"],
    };

    /// <summary>The archive and its layers; null if the file is no such model.</summary>
    /// <param name="file">The file's name, for messages.</param>
    /// <param name="stream">The file; it is read from its beginning.</param>
    /// <param name="build">Makes the layers of a config, and refuses what is not known.</param>
    /// <exception cref="InvalidFileException">The file is malformed, or lacks a weight.</exception>
    public static (KerasArchive Archive, KerasLayer Root)? TryOpen(string file, Stream stream, Func<JsonObject, KerasLayer> build)
    {
        Span<byte> start = stackalloc byte[8];
        stream.Position = 0;
        bool isHdf5 = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length
            && start.StartsWith(Hdf5Reader.Signature);
        stream.Position = 0;
        if (!isHdf5)
            return null;
        Hdf5Group root = Hdf5Reader.Read(file, FileImage.Read(stream, stream.Length));
        stream.Position = 0;
        if (!root.Groups.TryGetValue(Weights, out Hdf5Group? stored))
            return null;
        JsonObject config = Attribute(file, root, ConfigAttribute)
            ?? throw new InvalidFileException(file, $"it has weights, but no {ConfigAttribute}");
        if (Attribute(file, root, TrainingAttribute) is { } training)
            config["compile_config"] = CompileConfig(training);
        KerasLayer layers = build(config);
        var arrays = new Dictionary<string, NdArray>();
        foreach (KerasLayer layer in layers.InnerLayers)
        {
            foreach ((string location, LayerWeight weight) in Locations(layer, layer.StoredKey))
                arrays[location] = Find(file, stored, layer.LayerName, weight).ToNdArray();
        }

        return (WithOptimizer(root, arrays, KerasArchive.Create(arrays, modelConfig: config)), layers);
    }

    static JsonObject? Attribute(string file, Hdf5Group root, string name) =>
        root.Attributes.GetValueOrDefault(name) is { } text ? JsonText.Parse(file, name, System.Text.Encoding.UTF8.GetBytes(text)) : null;

    static JsonObject CompileConfig(JsonObject training)
    {
        JsonObject? optimizer = training["optimizer_config"] as JsonObject;
        return new JsonObject
        {
            ["optimizer"] = optimizer is null ? null : new JsonObject
            {
                ["module"] = optimizer["module"]?.DeepClone() ?? "keras.optimizers",
                ["class_name"] = optimizer["class_name"]?.DeepClone(),
                ["config"] = optimizer["config"]?.DeepClone(),
                ["registered_name"] = optimizer["registered_name"]?.DeepClone(),
            },
            ["loss"] = training["loss"]?.DeepClone(),
            ["loss_weights"] = training["loss_weights"]?.DeepClone(),
            ["metrics"] = training["metrics"]?.DeepClone(),
            ["weighted_metrics"] = training["weighted_metrics"]?.DeepClone(),
        };
    }

    // Where the present layout has the weights of a layer and of those in it.
    static IEnumerable<(string Location, LayerWeight Weight)> Locations(KerasLayer layer, string location)
    {
        LayerWeight[] own = [.. layer.Weights.OrderByDescending(weight => weight.IsParameter)];
        for (int i = 0; i < own.Length; i++)
            yield return ($"{location}/vars/{i.ToString(CultureInfo.InvariantCulture)}", own[i]);
        foreach (KerasLayer inner in layer.InnerLayers)
        {
            foreach (var below in Locations(inner, $"{location}/{inner.StoredKey}"))
                yield return below;
        }
    }

    // The dataset has the weight's name, at times with ":0", and of those the most of the layers' names that are around it.
    static Hdf5Dataset Find(string file, Hdf5Group stored, string layer, LayerWeight weight)
    {
        string[] path = weight.Path.Split('/');
        var found = (from dataset in stored.Groups.GetValueOrDefault(layer)?.AllDatasets() ?? []
                     let names = dataset.Path.Split('/')
                     where names[^1].Split(':')[0] == weight.Name && dataset.Dataset.Type.DType is not null
                     group dataset.Dataset by path.Count(names.Contains) into alike
                     orderby alike.Key descending
                     select alike.ToArray()).FirstOrDefault();
        return found is [var only]
            ? only
            : throw new InvalidFileException(file,
                $"{Weights}/{layer} has {(found is null ? "no" : "more than one")} weight for {weight.Path}");
    }

    // Keras 2 has Adam/hidden/kernel/m or, in its last versions, Adam/m/hidden/kernel; and Adam/iter.
    static Hdf5Dataset? OfKeras2(Hdf5Group state, string name, IReadOnlyList<Variable> trained)
    {
        Variable? of = trained.FirstOrDefault(variable => name.StartsWith(Plain(variable), StringComparison.Ordinal));
        string slot = of is null ? name : name[(Plain(of).Length + 1)..];
        string[] names = Keras2Names.GetValueOrDefault(slot) ?? [slot];
        string[] path = of?.Path.Split('/') ?? [];
        Hdf5Dataset[] found = [.. from dataset in state.AllDatasets()
                                  let parts = dataset.Path.Split(':')[0].Split('/')
                                  where names.Any(parts.Contains) && path.All(parts.Contains)
                                  where of is null || of.Shape.SequenceEqual(dataset.Dataset.Shape)
                                  select dataset.Dataset];
        return found is [var only] ? only : null;

        static string Plain(Variable variable) => variable.Path.Replace('/', '_');
    }

    // The optimizer's variables by their names, in front of which the layers' models can stand. Where one is missing, the state is left
    // out, as Keras leaves it out.
    static KerasArchive WithOptimizer(Hdf5Group root, Dictionary<string, NdArray> arrays, KerasArchive archive)
    {
        if (!root.Groups.TryGetValue(OptimizerWeights, out Hdf5Group? group) || archive.OptimizerConfig is null)
            return archive;
        Optimizer optimizer;
        try
        {
            optimizer = archive.CreateOptimizer();
            optimizer.Build(archive.TrainableVariables);
        }
        catch (Exception e) when (e is InvalidFileException or ArgumentException)
        {
            return archive; // it is not known; the model predicts
        }

        (string Name, Hdf5Dataset Dataset)[] stored = [.. group.AllDatasets()
            .Select(dataset => (dataset.Path[(dataset.Path.LastIndexOf('/') + 1)..].Split(':')[0], dataset.Dataset))];
        for (int i = 0; i < optimizer.Variables.Count; i++)
        {
            Variable variable = optimizer.Variables[i];
            Hdf5Dataset? found = stored
                .Where(item => (item.Name == variable.Name || item.Name.EndsWith($"_{variable.Name}", StringComparison.Ordinal))
                    && variable.Shape.SequenceEqual(item.Dataset.Shape))
                .OrderBy(item => item.Name.Length).FirstOrDefault().Dataset;
            found ??= OfKeras2(group, variable.Name, archive.TrainableVariables);
            if (found?.Type.DType is null && variable.Name != "learning_rate") // Keras 2 has it in the config alone
                return archive;
            arrays[$"optimizer/vars/{i.ToString(CultureInfo.InvariantCulture)}"] = found?.ToNdArray().Cast(variable.DType) ?? variable.ToNdArray();
        }

        return KerasArchive.Create(arrays, modelConfig: archive.ModelConfig);
    }
}
