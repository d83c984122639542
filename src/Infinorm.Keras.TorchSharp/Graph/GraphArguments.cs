using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Keras.Torch.Layers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>The arguments of calls in a model's config.</summary>
static class GraphArguments
{
    /// <summary>Reads an argument: a tensor of another node, a constant, a slice, or a list or dictionary of arguments.</summary>
    /// <exception cref="FormatException">It is of another kind.</exception>
    public static object? Read(JsonNode? node) => node switch
    {
        null => null,
        JsonArray list => list.Select(Read).ToArray(),
        JsonObject { Count: > 0 } item when item["class_name"]?.ToString() is { } className && item.ContainsKey("config") => OfClass(className, item["config"]),
        JsonObject named => named.ToDictionary(item => item.Key, item => Read(item.Value)),
        _ => Constant(node),
    };

    /// <summary>Reads <c>[layer, call, index]</c>.</summary>
    public static NodeOutput ReadOutput(JsonNode? node) =>
        node is JsonArray { Count: >= 3 } place && int.TryParse(place[1]?.ToString(), out int call) && int.TryParse(place[2]?.ToString(), out int index)
            ? new NodeOutput((place[0]!.ToString(), call), index)
            : throw new FormatException($"a tensor's place in the graph should be [layer, call, output], found {PythonJson.Write(node)}");

    static object? OfClass(string className, JsonNode? config) => className switch
    {
        "__keras_tensor__" => ReadOutput(config!["keras_history"]),
        "__tuple__" => Read(config),
        "__slice__" => new SliceArgument(Bound(config!["start"]), Bound(config["stop"]), Bound(config["step"])),
        "__ellipsis__" => EllipsisArgument.Instance,
        "__tensor__" or "__numpy__" => ConstantTensor(config!),
        "DTypePolicy" => config?["name"]?.ToString(),
        _ => throw new FormatException($"an argument of class '{className}' is not supported"),
    };

    static long? Bound(JsonNode? node) => node is null ? null
        : Constant(node) is long bound ? bound : throw new FormatException($"a bound of a slice should be a whole number, found {PythonJson.Write(node)}");

    static object Constant(JsonNode node) => node.GetValueKind() switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => node.ToString(),
        _ => PythonJson.Write(node) is var text && long.TryParse(text, out long whole) ? whole : Number(text),
    };

    static object Number(string text) => text switch
    {
        "Infinity" => double.PositiveInfinity,
        "-Infinity" => double.NegativeInfinity,
        "NaN" => double.NaN,
        _ => double.Parse(text, System.Globalization.CultureInfo.InvariantCulture),
    };

    static Tensor ConstantTensor(JsonNode config)
    {
        var shape = new List<long>();
        for (JsonNode? level = config["value"]; level is JsonArray list; level = list.Count > 0 ? list[0] : null)
            shape.Add(list.Count);
        var values = new List<double>();
        Collect(config["value"]);
        ScalarType type = DTypes.Parse(config["dtype"]?.ToString()) ?? ScalarType.Float32;
        using Tensor doubles = tensor(values.ToArray(), [.. shape], dtype: ScalarType.Float64);
        return doubles.to(type).DetachFromDisposeScope();

        void Collect(JsonNode? node)
        {
            if (node is JsonArray list)
            {
                foreach (JsonNode? item in list)
                    Collect(item);
                return;
            }

            values.Add(Constant(node!) switch { long whole => whole, double number => number, bool truth => truth ? 1 : 0, _ => throw new FormatException("a constant tensor should hold numbers") });
        }
    }
}

/// <summary><c>start:stop:step</c> in an index.</summary>
sealed record SliceArgument(long? Start, long? Stop, long? Step);

/// <summary><c>...</c> in an index.</summary>
sealed class EllipsisArgument
{
    public static EllipsisArgument Instance { get; } = new();
}
