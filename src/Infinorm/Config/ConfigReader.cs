using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Infinorm.Config;

/// <summary>
/// Reads the settings of one class from its Keras <c>config</c> and remembers which keys were asked for, so that an unknown key is
/// refused instead of ignored. Functions given to the <c>Register</c> methods read their own settings through it.
/// </summary>
/// <remarks>Every method throws a <see cref="FormatException"/> that names class and key when a value is of the wrong kind.</remarks>
public sealed class ConfigReader
{
    readonly JsonObject _config;
    readonly HashSet<string> _read = [];

    internal ConfigReader(string className, JsonObject config)
    {
        ClassName = className;
        _config = config;
        try
        {
            _ = config.Count; // an object that was parsed leniently finds out now that one of its keys occurs twice
        }
        catch (ArgumentException e)
        {
            throw new FormatException($"{className}: a config key occurs twice: {e.Message}", e);
        }
    }

    /// <summary>The class whose config is read, as the text names it.</summary>
    public string ClassName { get; }

    /// <summary>A finite number (an integer counts as one) that must be there.</summary>
    public double Number(string key) => ToNumber(key, Required(key));

    /// <summary>A finite number (an integer counts as one), or the default when the key is missing.</summary>
    public double Number(string key, double defaultValue) =>
        TryRead(key, out var node) ? ToNumber(key, node) : defaultValue;

    /// <summary>A finite number, or null when the key is missing or null.</summary>
    public double? OptionalNumber(string key) => TryRead(key, out var node) && node is not null ? ToNumber(key, node) : null;

    /// <summary>True or false (also 1 or 0, as Python takes them), or the default when the key is missing.</summary>
    public bool Boolean(string key, bool defaultValue)
    {
        if (!TryRead(key, out var node))
            return defaultValue;
        return node?.GetValueKind() switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            JsonValueKind.Number when PythonJson.Write(node) is "0" or "1" => PythonJson.Write(node) == "1",
            _ => throw Unexpected(key, node, "true or false"),
        };
    }

    /// <summary>
    /// A whole number in the range of <see cref="int"/>, written without point or exponent; null when the key is missing or null.
    /// </summary>
    public int? OptionalInteger(string key)
    {
        if (!TryRead(key, out var node) || node is null)
            return null;
        return node.GetValueKind() is JsonValueKind.Number
            && int.TryParse(PythonJson.Write(node), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value)
            ? value
            : throw Unexpected(key, node, "an integer");
    }

    /// <summary>A string, or the default when the key is missing or null.</summary>
    [return: NotNullIfNotNull(nameof(defaultValue))]
    public string? Text(string key, string? defaultValue)
    {
        if (!TryRead(key, out var node) || node is null)
            return defaultValue;
        return node.GetValueKind() is JsonValueKind.String ? node.GetValue<string>() : throw Unexpected(key, node, "a string");
    }

    /// <summary>A list of finite numbers that must be there; it may be empty.</summary>
    public double[] Numbers(string key)
    {
        var node = Required(key);
        if (node is not JsonArray array)
            throw Unexpected(key, node, "a list of numbers");
        return [.. array.Select((item, i) => ToNumber($"{key}[{i}]", item))];
    }

    /// <summary>A list of strings; empty when the key is missing or null.</summary>
    internal string[] Texts(string key)
    {
        if (!TryRead(key, out var node) || node is null)
            return [];
        return node is JsonArray array && array.All(item => item?.GetValueKind() is JsonValueKind.String)
            ? [.. array.Select(item => item!.GetValue<string>())]
            : throw Unexpected(key, node, "a list of strings");
    }

    /// <summary>A nested object, or null when the key is missing or null.</summary>
    public JsonObject? Object(string key)
    {
        if (!TryRead(key, out var node) || node is null)
            return null;
        return node as JsonObject ?? throw Unexpected(key, node, "an object");
    }

    /// <summary>Whether the key is there; it counts as asked for.</summary>
    internal bool Has(string key) => TryRead(key, out _);

    /// <summary>A nested object or a number; null when the key is missing.</summary>
    /// <param name="key">The key.</param>
    /// <param name="expected">What it should be, for messages.</param>
    internal JsonNode? NumberOrObject(string key, string expected)
    {
        if (!TryRead(key, out var node))
            return null;
        return node?.GetValueKind() switch
        {
            JsonValueKind.Number => JsonValue.Create(ToNumber(key, node)),
            JsonValueKind.Object => node,
            _ => throw Unexpected(key, node, expected),
        };
    }

    /// <summary>Whether the key's value is a list.</summary>
    internal bool IsList(string key) => TryRead(key, out JsonNode? node) && node is JsonArray;

    /// <summary>Whether the key is there with another value.</summary>
    internal bool HasOther(string key, JsonNode? usual) => TryRead(key, out JsonNode? node) && !JsonNode.DeepEquals(node, usual);

    /// <summary>Accepts a setting of old files that has no meaning any more, as long as it is null.</summary>
    internal void MustBeNull(string key)
    {
        if (TryRead(key, out var node) && node is not null)
            throw Unexpected(key, node, "null, as it is no longer supported");
    }

    /// <summary>Accepts a key whatever its value.</summary>
    internal void Ignore(string key) => _read.Add(key);

    /// <summary>Refuses the config if it has a key that was never asked for.</summary>
    internal void RequireAllRead()
    {
        foreach (var (key, _) in _config)
        {
            if (_read.Contains(key))
                continue;
            string known = string.Join(", ", _read.Order(StringComparer.Ordinal));
            throw new FormatException($"{ClassName}: unknown config key '{key}'; known are {known}");
        }
    }

    bool TryRead(string key, out JsonNode? node)
    {
        _read.Add(key);
        return _config.TryGetPropertyValue(key, out node);
    }

    JsonNode? Required(string key) =>
        TryRead(key, out var node) ? node : throw new FormatException($"{ClassName}: config key '{key}' is missing");

    double ToNumber(string key, JsonNode? node)
    {
        if (node?.GetValueKind() is not JsonValueKind.Number)
            throw Unexpected(key, node, "a number");
        double value = double.Parse(PythonJson.Write(node), CultureInfo.InvariantCulture);
        return double.IsFinite(value) ? value : throw Unexpected(key, node, "a finite number");
    }

    FormatException Unexpected(string key, JsonNode? found, string expected) =>
        new($"{ClassName}: config key '{key}' should be {expected}, found {PythonJson.Write(found)}");
}
