using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Infinorm.Tests.Conformance;

/// <summary>Keras's config objects: putting them together and looking into them.</summary>
static class KerasConfig
{
    /// <summary>An optimizer's config object, wrapped in that of a LossScaleOptimizer when there are arguments for one.</summary>
    public static JsonObject Of(string className, JsonObject kwargs, JsonObject? lossScaleKwargs = null)
    {
        var config = new JsonObject { ["class_name"] = className, ["config"] = kwargs.DeepClone() };
        if (lossScaleKwargs is null)
            return config;
        var wrapper = (JsonObject)lossScaleKwargs.DeepClone();
        wrapper["inner_optimizer"] = config;
        return new JsonObject { ["class_name"] = "LossScaleOptimizer", ["config"] = wrapper };
    }

    public static JsonObject OfSchedule(string className, JsonObject kwargs) => new()
    {
        ["module"] = "keras.optimizers.schedules",
        ["class_name"] = className,
        ["config"] = kwargs.DeepClone(),
    };

    /// <summary>The class of a config object; of the innermost one when it is a wrapper.</summary>
    public static string InnermostClass(JsonObject config) =>
        config["config"]?["inner_optimizer"] is JsonObject inner ? InnermostClass(inner) : (string)config["class_name"]!;

    /// <summary>Adds the automatic names that a process gives out first.</summary>
    public static JsonObject WithNames(JsonObject config)
    {
        foreach (JsonObject optimizer in Optimizers(config))
            optimizer["config"]!["name"] ??= Optimizer.SnakeCase((string)optimizer["class_name"]!);
        return config;
    }

    /// <summary>A config object and all those of optimizers inside of it: that of a LossScaleOptimizer, those of a MultiOptimizer.</summary>
    public static IEnumerable<JsonObject> Optimizers(JsonObject config)
    {
        var arguments = config["config"] as JsonObject;
        var map = arguments?["optimizer_map"]?["config"] as JsonObject;
        IEnumerable<JsonNode?> inner = [arguments?["inner_optimizer"], .. (map?["optimizer_map"] as JsonObject ?? []).Select(item => item.Value), map?["default_optimizer"]];
        return [config, .. inner.OfType<JsonObject>().SelectMany(Optimizers)];
    }

    /// <summary>The settings of the optimizers that step: all but those of wrappers.</summary>
    public static IEnumerable<JsonObject> Steppers(JsonObject config) => Optimizers(config)
        .Select(optimizer => optimizer["config"] as JsonObject ?? [])
        .Where(arguments => !arguments.ContainsKey("inner_optimizer") && !arguments.ContainsKey("optimizer_map"));

    /// <summary>The value of <c>{"callable": value}</c>, the golden data's form of a function; null for anything else.</summary>
    public static double? Callable(JsonNode? rate) =>
        rate is JsonObject item && item.TryGetPropertyValue("callable", out JsonNode? value) ? (double)value! : null;

    /// <summary>The arguments of a config object; those of the innermost one when it is a wrapper.</summary>
    public static JsonObject Innermost(JsonObject config)
    {
        var arguments = config["config"] as JsonObject ?? [];
        return arguments["inner_optimizer"] is JsonObject inner ? Innermost(inner) : arguments;
    }

    /// <summary>The number at <paramref name="key"/>, also where it is the text <c>NaN</c>, <c>Infinity</c> or <c>-Infinity</c>.</summary>
    public static double? Number(JsonObject arguments, string key) => arguments[key] switch
    {
        JsonValue value when value.GetValueKind() == JsonValueKind.Number => (double)value,
        JsonValue value when value.GetValueKind() == JsonValueKind.String => value.ToString() switch
        {
            "NaN" => double.NaN,
            "Infinity" => double.PositiveInfinity,
            "-Infinity" => double.NegativeInfinity,
            _ => null,
        },
        _ => null,
    };

    /// <summary>Whether a switch is on, which may be written as a number.</summary>
    public static bool IsOn(JsonNode? node) => node?.ToJsonString() is "true" or "1";

    public static bool IsInteger(JsonNode? node) =>
        node is JsonValue value && value.GetValueKind() == JsonValueKind.Number && IsInteger(value.ToJsonString());

    public static bool IsInteger(string number) => number.AsSpan().IndexOfAny(".eEN") < 0;
}

/// <summary>Reads an axis, which is a number or a list of them.</summary>
sealed class OneOrManyConverter : JsonConverter<int[]>
{
    public override int[] Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Number
            ? [reader.GetInt32()]
            : JsonElement.ParseValue(ref reader).Deserialize<int[]>()!;

    public override void Write(Utf8JsonWriter writer, int[] value, JsonSerializerOptions options) => throw new NotSupportedException();
}
