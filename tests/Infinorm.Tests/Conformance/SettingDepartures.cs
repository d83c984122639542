using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using static Infinorm.Tests.Conformance.Departures;

namespace Infinorm.Tests.Conformance;

/// <summary>Settings that Keras lets pass and Infinorm refuses, or the other way round.</summary>
static class SettingDepartures
{
    static readonly string[] Finite =
    [
        "learning_rate", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "epsilon", "loss_scale_factor", "initial_scale",
        "momentum", "initial_accumulator_value", "beta", "l1_regularization_strength", "l2_regularization_strength",
        "l2_shrinkage_regularization_strength", "learning_rate_power",
    ];

    static readonly string[] NotNegative =
    [
        "clipnorm", "clipvalue", "global_clipnorm", "epsilon", "ema_overwrite_frequency", "momentum", "initial_accumulator_value",
        "warmup_steps",
    ];

    static readonly string[] NotZero = ["loss_scale_factor"];
    static readonly string[] Positive = ["initial_scale", "dynamic_growth_steps"];
    static readonly string[] UnitInterval = ["beta_1", "beta_2", "rho", "ema_momentum"];
    static readonly string[] Integers = ["ema_overwrite_frequency", "gradient_accumulation_steps", "dynamic_growth_steps", "ns_steps"];

    /// <summary>The departure of a config object, or of one inside it.</summary>
    public static Departure? Of(JsonObject config) =>
        KerasConfig.Optimizers(config).Select(OfOne).FirstOrDefault(departure => departure is not null);

    static Departure? OfOne(JsonObject config)
    {
        if (config["config"] is not JsonObject arguments)
            return null;
        if (arguments["decay"] is not null)
            return Refused<FormatException>("the old setting decay");
        if (arguments["name"]?.ToString() == "")
            return Refused<FormatException>("an empty name");
        if (arguments["inner_optimizer"]?["class_name"]?.ToString() == "LossScaleOptimizer")
            return Refused<FormatException>("a LossScaleOptimizer around another");
        if (arguments["boundaries"] is JsonArray { Count: 0 })
            return Refused<ArgumentException>("a piecewise schedule without boundaries");
        if (arguments["learning_rate"] is JsonObject schedule && schedule["class_name"]?.ToString() == "function")
            return Refused<FormatException>("a function that is not registered");
        if (config["class_name"]?.ToString().ToUpperInvariant() == "SGD" && KerasConfig.IsInteger(arguments["momentum"]))
            return Different("an integer momentum is a number");
        if (KerasConfig.IsInteger(arguments["learning_rate"]))
            return Different("an integer learning rate is a number");

        if (arguments["exclude_layers"] is JsonValue)
            return Refused<FormatException>("a text for a list of expressions, which Keras takes letter by letter");
        if (arguments["exclude_layers"] is JsonArray expressions && expressions.Any(expression => !IsExpression(expression)))
            return Refused<FormatException>("what is no expression, at which Keras fails when it is used");
        if (IsInsideOfMulti(arguments, "LossScaleOptimizer") || IsInsideOfMulti(arguments, "MultiOptimizer"))
            return Refused<FormatException>("a wrapper inside a MultiOptimizer, at which Keras may fail only when it is built");

        foreach (string key in JsonComparison.Switches)
        {
            if (arguments[key] is { } value && value.ToJsonString() is not ("true" or "false" or "0" or "1"))
                return Refused<FormatException>($"{key} that is neither true nor false");
        }

        foreach (string key in Integers)
        {
            if (arguments[key] is { } value && !KerasConfig.IsInteger(value))
                return Refused<FormatException>($"{key} that is no integer");
        }

        return Finite.Select(key => OutOfRange(arguments, key, double.IsFinite, "not finite"))
            .Concat(NotNegative.Select(key => OutOfRange(arguments, key, value => value >= 0, "negative")))
            .Concat(NotZero.Select(key => OutOfRange(arguments, key, value => value != 0, "zero")))
            .Concat(Positive.Select(key => OutOfRange(arguments, key, value => value > 0, "not positive")))
            .Concat(UnitInterval.Select(key => OutOfRange(arguments, key, value => value is >= 0 and <= 1, "outside [0, 1]")))
            .FirstOrDefault(departure => departure is not null);
    }

    static bool IsInsideOfMulti(JsonObject arguments, string className) =>
        arguments["optimizer_map"] is not null && KerasConfig.Optimizers(new JsonObject { ["config"] = arguments.DeepClone() })
            .Skip(1).Any(inner => inner["class_name"]?.ToString() == className);

    static bool IsExpression(JsonNode? expression) => expression?.GetValueKind() == JsonValueKind.String
        && Record.Exception(() => new Regex(expression.ToString(), RegexOptions.CultureInvariant)) is null;

    static Departure? OutOfRange(JsonObject arguments, string key, Func<double, bool> isInRange, string reason) =>
        KerasConfig.Number(arguments, key) is { } value && !isInRange(value) ? Refused<FormatException>($"{key} {reason}") : null;
}
