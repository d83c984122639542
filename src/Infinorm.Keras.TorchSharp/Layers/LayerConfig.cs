using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Config;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>
/// The settings of a layer, from its Keras <c>config</c>. It remembers which were asked for: one that nobody reads is refused.
/// </summary>
/// <remarks>Every method throws a <see cref="FormatException"/> that names the setting where a value is of the wrong kind.</remarks>
public sealed class LayerConfig
{
    readonly JsonObject _config;
    readonly ConfigReader _reader;
    readonly ILayerFactory _factory;

    internal LayerConfig(string className, JsonObject config, string? parentPath, ILayerFactory factory, string? name = null)
    {
        ClassName = className == "GroupQueryAttention" ? "GroupedQueryAttention" : className; // Keras writes a former name
        _config = config;
        _reader = new ConfigReader(className, config);
        _factory = factory;
        string? own = _reader.Text("name", null);
        Name = name ?? own ?? className;
        Path = Join(parentPath, Name);

        // Weights come from the archive; their constraints are the variables'. How a layer was built says nothing new.
        foreach (var (key, _) in config)
        {
            if (key.EndsWith("_initializer", StringComparison.Ordinal) || key.EndsWith("_constraint", StringComparison.Ordinal) || key == "seed")
                _reader.Ignore(key);
        }

        if (Json("quantization_config") is not null)
            throw new FormatException($"{ClassName}: the layer is quantized, which is not supported. Save the model before it is quantized");
        if (Json("lora_rank") is not null)
            throw new FormatException($"{ClassName}: the layer has LoRA, which is not supported. Save the model before it is switched on");
        foreach (string key in (ReadOnlySpan<string>)["lora_alpha", "batch_shape", "batch_input_shape"])
            _reader.Ignore(key);
    }

    /// <summary>The layer's class in Keras.</summary>
    public string ClassName { get; }

    /// <summary>The layer's name.</summary>
    public string Name { get; }

    /// <summary>The names of what it is in and its own, joined by <c>/</c>; empty for the whole model.</summary>
    public string Path { get; }

    /// <summary>The path of something in what has a path; null where nothing is around it, then it has none.</summary>
    internal static string Join(string? parentPath, string name) => parentPath switch { null => "", "" => name, _ => $"{parentPath}/{name}" };

    /// <summary>True or false, or the default when the setting is missing.</summary>
    public bool Boolean(string key, bool defaultValue) => _reader.Boolean(key, defaultValue);

    /// <summary>A finite number, or the default when the setting is missing.</summary>
    public double Number(string key, double defaultValue) => _reader.Number(key, defaultValue);

    /// <summary>A finite number, or null when the setting is missing or null.</summary>
    public double? OptionalNumber(string key) => _reader.OptionalNumber(key);

    /// <summary>A whole number that must be there.</summary>
    public int Integer(string key) => _reader.OptionalInteger(key) ?? throw new FormatException($"{ClassName}: config key '{key}' is missing");

    /// <summary>A whole number, or null when the setting is missing or null.</summary>
    public int? OptionalInteger(string key) => _reader.OptionalInteger(key);

    /// <summary>A string, or the default when the setting is missing or null.</summary>
    public string Text(string key, string defaultValue) => _reader.Text(key, defaultValue);

    /// <summary>A list of finite numbers that must be there.</summary>
    public double[] Numbers(string key) => _reader.Numbers(key);

    /// <summary>The setting as JSON; null when it is missing or null.</summary>
    public JsonNode? Json(string key)
    {
        _reader.Ignore(key);
        return _config[key];
    }

    /// <summary>A number or a list of so many, as kernel sizes and strides are given.</summary>
    internal long[] Sizes(string key, int count, long? defaultValue = null)
    {
        switch (Json(key))
        {
            case null when defaultValue is { } size:
                return [.. Enumerable.Repeat(size, count)];
            case JsonArray list when list.Count == count:
                return [.. list.Select(item => Whole(key, item))];
            case JsonValue value:
                return [.. Enumerable.Repeat(Whole(key, value), count)];
            case var other:
                throw new FormatException($"{ClassName}: config key '{key}' should be {count} whole numbers, found {PythonJson.Write(other)}");
        }
    }

    /// <summary>A number or a list of any length; null when the setting is missing or null.</summary>
    internal long[]? Axes(string key) => Json(key) switch
    {
        null => null,
        JsonArray list => [.. list.Select(item => Whole(key, item))],
        var value => [Whole(key, value)],
    };

    /// <summary>One of some texts.</summary>
    internal string OneOf(string key, string defaultValue, params ReadOnlySpan<string> known)
    {
        string found = Text(key, defaultValue);
        return known.Contains(found)
            ? found
            : throw new FormatException($"{ClassName}: config key '{key}' should be {string.Join(" or ", known)}, found '{found}'");
    }

    /// <summary>Refuses a setting that has another value than the only one that is supported.</summary>
    internal void Only(string key, JsonNode? supported)
    {
        if (_reader.HasOther(key, supported))
            throw new FormatException($"{ClassName}: {key} = {PythonJson.Write(_config[key])} is not supported, only {PythonJson.Write(supported)}");
    }

    internal bool IsChannelsFirst() => OneOf("data_format", "channels_last", "channels_last", "channels_first") == "channels_first";

    internal Func<Tensor, Tensor> Activation(string key, string defaultValue = "linear") => Json(key) switch
    {
        null => Activations.Get(defaultValue),
        JsonObject serialized when serialized["class_name"]?.ToString() is "function" or "Function" => Activations.OfFunction(serialized),
        JsonObject serialized => Layer(serialized) is var layer ? x => layer.Invoke(x, new ForwardContext(training: false)) : null!,
        var name => Activations.Get(name.ToString()),
    };

    internal Regularizer? Regularizer(string key) => Layers.Regularizer.FromConfig(Json(key));

    /// <summary>A layer in this one.</summary>
    internal KerasLayer Layer(string key, string? name = null) => Json(key) is JsonObject serialized
        ? Layer(serialized, name)
        : throw new FormatException($"{ClassName}: config key '{key}' should be a layer");

    internal KerasLayer Layer(JsonObject serialized, string? name = null) => _factory.Create(serialized, Path, name);

    /// <summary>The settings of a part that has this layer's own, such as the cell of a recurrent layer.</summary>
    internal LayerConfig Part(string className, string name)
    {
        var config = (JsonObject)_config.DeepClone();
        config.Remove("activity_regularizer");
        return new LayerConfig(className, config, Path, _factory, name);
    }

    /// <summary>Lets settings pass that another part reads.</summary>
    internal void Ignore(params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
            _reader.Ignore(key);
    }

    /// <summary>Lets all settings pass that were not asked for.</summary>
    internal void IgnoreRest()
    {
        foreach (var (key, _) in _config)
            _reader.Ignore(key);
    }

    internal (ScalarType Compute, ScalarType Variable) DTypePolicy()
    {
        string name = Json("dtype") switch
        {
            null => "float32",
            JsonObject policy when policy["class_name"]?.ToString() is "DTypePolicy" or "Policy" or "FloatDTypePolicy" => policy["config"]?["name"]?.ToString() ?? "float32",
            JsonObject policy => throw new FormatException(
                $"{ClassName}: the dtype policy {policy["class_name"]} ({policy["config"]?["mode"] ?? policy["config"]?["name"]}) is not supported: the layer is quantized. Save the model before it is quantized"),
            var text => text.ToString(),
        };
        return name switch
        {
            "mixed_float16" => (ScalarType.Float16, ScalarType.Float32),
            "mixed_bfloat16" => (ScalarType.BFloat16, ScalarType.Float32),
            _ => DTypes.Parse(name) is { } type ? (type, type) : throw new FormatException($"{ClassName}: the dtype {name} is not supported"),
        };
    }

    /// <summary>Changes a setting, in the archive's config too.</summary>
    internal void Set(string key, JsonNode value) => _config[key] = value;

    internal void RequireAllRead() => _reader.RequireAllRead();

    long Whole(string key, JsonNode? node) =>
        node?.GetValueKind() is JsonValueKind.Number && double.Parse(PythonJson.Write(node), CultureInfo.InvariantCulture) is var number && number == (long)number
            ? (long)number
            : throw new FormatException($"{ClassName}: config key '{key}' should be of whole numbers, found {PythonJson.Write(node)}");
}
