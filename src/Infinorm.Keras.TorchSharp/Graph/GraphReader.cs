using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Keras.Torch.Layers;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>What a model's config says of its graph.</summary>
abstract class GraphReader
{
    public GraphInput[] Inputs { get; protected set; } = [];

    public NodeOutput[] Outputs { get; protected set; } = [];

    public IReadOnlyList<string>? InputsByName { get; protected set; }

    public IReadOnlyList<string>? OutputsByName { get; protected set; }

    public bool ListsOutputs { get; protected set; }

    public Dictionary<(string, int), GraphNode> Nodes { get; } = [];

    /// <summary>Inputs and layers, as a summary lists them.</summary>
    public List<(GraphInput? Input, KerasLayer? Layer)> Listed { get; } = [];

    protected static GraphInput ReadInput(JsonObject config, string fallbackName)
    {
        if (config["sparse"]?.GetValue<bool>() == true || config["ragged"]?.GetValue<bool>() == true)
            throw new FormatException("sparse and ragged inputs are not supported");
        JsonArray? shape = (config["batch_shape"] ?? config["batch_input_shape"]) as JsonArray;
        string type = config["dtype"] is JsonObject policy ? policy["config"]?["name"]?.ToString() ?? "float32" : config["dtype"]?.ToString() ?? "float32";
        return new GraphInput(
            (config["name"]?.ToString() ?? fallbackName, 0),
            shape is null ? null : [.. shape.Select(size => size is null ? -1 : long.Parse(size.ToString(), System.Globalization.CultureInfo.InvariantCulture))],
            DTypes.Parse(type) ?? throw new FormatException($"an input of type {type} is not supported"));
    }

    protected static JsonObject ConfigOf(JsonObject layer) => layer["config"] as JsonObject ?? [];
}

/// <summary>A model of the functional API: layers with the calls that were made of them.</summary>
sealed class FunctionalReader : GraphReader
{
    public FunctionalReader(LayerConfig config, ILayerFactory factory, Func<KerasLayer, KerasLayer> add)
    {
        var inputs = new Dictionary<string, GraphInput>();
        foreach (JsonNode? node in config.Json("layers") as JsonArray ?? throw new FormatException("the model has no layers"))
        {
            var serialized = (JsonObject)node!;
            string className = serialized["class_name"]?.ToString() ?? "?";
            string name = serialized["name"]?.ToString() ?? ConfigOf(serialized)["name"]?.ToString() ?? className;
            if (className == "InputLayer")
            {
                inputs[name] = ReadInput(ConfigOf(serialized), name) with { Key = (name, 0) };
                Listed.Add((inputs[name], null));
                continue;
            }

            KerasLayer? layer = null;
            Operation? operation = null;
            if (Operation.IsOperation(serialized))
                operation = Operation.Of(serialized, problem => factory.Report(LayerConfig.Join(config.Path, name), className, problem));
            else
                Listed.Add((null, layer = add(factory.Create(serialized, config.Path))));
            int call = 0;
            foreach (JsonNode? made in serialized["inbound_nodes"] as JsonArray ?? [])
                Nodes[(name, call++)] = ReadNode(made, layer, operation);
        }

        (JsonNode?[] places, InputsByName, _) = ReadPlaces(config.Json("input_layers"));
        Inputs = [.. places.Select(place => inputs.GetValueOrDefault(GraphArguments.ReadOutput(place).Node.Name)
            ?? throw new FormatException($"the model's input {place} is not one of its layers"))];
        (places, OutputsByName, ListsOutputs) = ReadPlaces(config.Json("output_layers"));
        Outputs = [.. places.Select(GraphArguments.ReadOutput)];
    }

    static GraphNode ReadNode(JsonNode? made, KerasLayer? layer, Operation? operation)
    {
        if (made is JsonObject { } call)
        {
            var named = (call["kwargs"] as JsonObject ?? []).ToDictionary(item => item.Key, item => GraphArguments.Read(item.Value));
            return new GraphNode(layer, operation, (object?[])GraphArguments.Read(call["args"])!, named);
        }

        // Keras 2: [[layer, call, output, kwargs], …].
        if (made is not JsonArray { Count: > 0 } tensors)
            throw new FormatException($"a call of a layer should be an object or a list, found {PythonJson.Write(made)}");
        if (tensors[0] is not JsonArray)
            tensors = new JsonArray(tensors.DeepClone());
        object?[] arguments = [.. tensors.Select(place => (object?)GraphArguments.ReadOutput(place))];
        var kwargs = ((tensors[0] as JsonArray)!.ElementAtOrDefault(3) as JsonObject ?? [])
            .ToDictionary(item => item.Key, item => item.Value is JsonArray { Count: 3 } place && place[0]?.GetValueKind() is System.Text.Json.JsonValueKind.String
                ? GraphArguments.ReadOutput(place) : GraphArguments.Read(item.Value));
        return new GraphNode(layer, operation, [arguments.Length == 1 ? arguments[0] : arguments], kwargs);
    }

    // One place, a list of places, or a dictionary of them, which Keras takes in the order of its keys.
    static (JsonNode?[] Places, string[]? Names, bool IsList) ReadPlaces(JsonNode? node) => node switch
    {
        JsonObject named => ([.. named.OrderBy(item => item.Key, StringComparer.Ordinal).Select(item => item.Value)], [.. named.Select(item => item.Key).Order(StringComparer.Ordinal)], false),
        JsonArray { Count: 3 } place when place[0]?.GetValueKind() is System.Text.Json.JsonValueKind.String => ([place], null, false),
        JsonArray list => ([.. list], null, true),
        _ => throw new FormatException($"the model's inputs and outputs should be places in its graph, found {PythonJson.Write(node)}"),
    };
}

/// <summary>A model that is a list of layers, one after the other.</summary>
sealed class SequentialReader : GraphReader
{
    public SequentialReader(LayerConfig config, ILayerFactory factory, Func<KerasLayer, KerasLayer> add, JsonObject serialized)
    {
        JsonArray? built = (config.Json("build_input_shape") ?? serialized["build_config"]?["input_shape"]) as JsonArray;
        GraphInput? input = null;
        object? last = null;
        foreach (JsonNode? node in config.Json("layers") as JsonArray ?? throw new FormatException("the model has no layers"))
        {
            var layer = (JsonObject)node!;
            if (layer["class_name"]?.ToString() == "InputLayer")
            {
                input = ReadInput(ConfigOf(layer), "input");
                continue;
            }

            if (input is null)
            {
                JsonObject settings = ConfigOf(layer);
                JsonNode? shape = settings["batch_shape"] ?? settings["batch_input_shape"] ?? built;
                JsonNode? type = layer["class_name"]?.ToString() == "Embedding" ? "int32" : settings["dtype"]?.DeepClone();
                input = ReadInput(new JsonObject { ["batch_shape"] = shape?.DeepClone(), ["dtype"] = type is JsonObject ? "float32" : type?.DeepClone() }, "input");
            }

            last ??= new NodeOutput(input.Key, 0);
            KerasLayer made = add(factory.Create(layer, config.Path));
            Listed.Add((null, made));
            Nodes[(made.LayerName, 0)] = new GraphNode(made, null, [last], Values.NoNames);
            last = new NodeOutput((made.LayerName, 0), 0);
        }

        Inputs = [input ?? throw new FormatException("the model has no layers")];
        Outputs = [last is NodeOutput output ? output : new NodeOutput(input.Key, 0)];
    }
}
