using System.Text;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Config;
using Infinorm.Keras.Json;
using Infinorm.Types;

namespace Infinorm.Tool.Files;

/// <summary>
/// What a safetensors file that was converted from a Keras archive says of it in its metadata, so that the archive can be made again.
/// </summary>
/// <param name="Config">The model; null for a weights file.</param>
/// <param name="Metadata">Keras's version and the date; null for a weights file.</param>
/// <param name="GroupNames">Keras's names of the groups.</param>
/// <param name="Arrays">By its location, which tensor has an array's values, and which type it had.</param>
sealed record KerasOrigin(
    JsonObject? Config,
    JsonObject? Metadata,
    IReadOnlyDictionary<string, string> GroupNames,
    IReadOnlyDictionary<string, (string Tensor, DType DType)> Arrays)
{
    /// <summary>The key of the file's metadata.</summary>
    public const string Key = "keras_archive";

    const string ConfigKey = "config", MetadataKey = "metadata", GroupsKey = "groups";
    const string ArraysKey = "arrays", TensorKey = "tensor", DTypeKey = "dtype";

    // HDF5 has attributes of less than 64 KB.
    const int MaxNameLength = 60_000;

    public static KerasOrigin? Read(SafetensorsFile file)
    {
        if (!file.Metadata.TryGetValue(Key, out string? text))
            return null;
        JsonObject json = JsonText.Parse(file.Name, Key, Encoding.UTF8.GetBytes(text));
        var groups = Object(json, GroupsKey).ToDictionary(pair => pair.Key, pair => Text(pair.Value, pair.Key));
        if (groups.Values.FirstOrDefault(name => Encoding.UTF8.GetByteCount(name) > MaxNameLength) is not null)
            throw file.Invalid($"{Key}: a name of a group is longer than {MaxNameLength} bytes");
        return new(
            json[ConfigKey] as JsonObject, json[MetadataKey] as JsonObject, groups,
            Object(json, ArraysKey).ToDictionary(pair => pair.Key, pair => Array(pair.Key, pair.Value)));

        (string, DType) Array(string location, JsonNode? node)
        {
            var array = node as JsonObject ?? throw file.Invalid($"{Key}: {location} is not an object");
            string name = Text(array[TensorKey], location), type = Text(array[DTypeKey], location);
            if (!file.Tensors.ContainsKey(name))
                throw file.Invalid($"{Key}: {location} is the tensor {name}, which is not in the file");
            DType? dtype = Enum.GetValues<DType>().Select(dtype => (DType?)dtype).FirstOrDefault(dtype => dtype!.Value.KerasName() == type);
            return (name, dtype ?? throw file.Invalid($"{Key}: {location} is of the type {type}, which is unknown"));
        }

        JsonObject Object(JsonObject parent, string key) =>
            parent[key] as JsonObject ?? throw file.Invalid($"{Key}: {key} is not an object");

        string Text(JsonNode? node, string of) => JsonText.Text(node) ?? throw file.Invalid($"{Key}: {of} has no text where it should");
    }

    public string ToJson()
    {
        var json = new JsonObject();
        if (Config is not null)
            json[ConfigKey] = Config.DeepClone();
        if (Metadata is not null)
            json[MetadataKey] = Metadata.DeepClone();
        json[GroupsKey] = new JsonObject(GroupNames.Select(pair => KeyValuePair.Create<string, JsonNode?>(pair.Key, pair.Value)));
        json[ArraysKey] = new JsonObject(Arrays.Select(pair => KeyValuePair.Create<string, JsonNode?>(
            pair.Key, new JsonObject { [TensorKey] = pair.Value.Tensor, [DTypeKey] = pair.Value.DType.KerasName() })));
        return PythonJson.Write(json);
    }
}
