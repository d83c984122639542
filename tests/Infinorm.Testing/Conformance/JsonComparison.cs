using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Infinorm.Tests.Conformance;

/// <summary>
/// Comparison of config objects: equal text, key order included. Four differences are Infinorm's own: a setting that is a floating-point
/// number is written as one (<c>1.0</c>) also if it was given as an integer (Keras: <c>1</c>), a whole number of a schedule's steps as an
/// integer also if it was given as a floating-point number, a switch given as 0 or 1 as false or true, and a zero that means "off" as null.
/// </summary>
static class JsonComparison
{
    static readonly string[] OffIfZero =
        ["clipnorm", "global_clipnorm", "clipvalue", "ema_overwrite_frequency", "gradient_accumulation_steps"];

    /// <summary>Settings that are on or off; Python takes 0 and 1 for these, too.</summary>
    public static readonly string[] Switches = ["use_ema", "nesterov", "centered", "amsgrad", "relative_step", "exclude_embeddings"];

    static readonly string[] Steps = ["decay_steps", "first_decay_steps", "warmup_steps", "boundaries[]"];

    /// <summary>The config object of an optimizer, as its text has it.</summary>
    public static JsonObject ConfigOf(Optimizer optimizer) => (JsonObject)JsonNode.Parse(optimizer.ToJson())!;

    public static void AssertSame(JsonNode? expected, JsonNode? actual) => CountRewritten(expected, actual, "$");

    /// <summary>Compares an optimizer's config object, which may have an automatic name if <paramref name="input"/> gave none.</summary>
    public static void AssertSame(JsonObject expected, Optimizer actual, JsonObject? input)
    {
        JsonObject config = ConfigOf(actual);
        AssertSame(WithAutomaticNames(expected, config, input), config);
    }

    public static void AssertSameText(string expected, string actual)
    {
        if (CountRewritten(JsonNode.Parse(expected), JsonNode.Parse(actual), "$") == 0)
            Assert.Equal(expected, actual);
    }

    /// <summary>
    /// <paramref name="expected"/> with the automatic names of <paramref name="actual"/> where <paramref name="input"/> named nothing: the
    /// number at their end counts the optimizers that this process has made.
    /// </summary>
    static JsonObject WithAutomaticNames(JsonObject expected, JsonObject actual, JsonObject? input)
    {
        var result = (JsonObject)expected.DeepClone();
        foreach (var (want, got) in KerasConfig.Optimizers(result).Zip(KerasConfig.Optimizers(actual)))
        {
            string path = want.GetPath();
            bool isNamed = input is not null && KerasConfig.Optimizers((JsonObject)input.DeepClone())
                .Any(given => given.GetPath() == path && given["config"]?["name"] is not null);
            if (isNamed || (string?)want["config"]?["name"] is not { } name)
                continue;
            string gotName = (string)got["config"]!["name"]!;
            Assert.Matches($@"^{Regex.Escape(name)}(_\d+)?$", gotName);
            want["config"]!["name"] = gotName;
        }

        return result;
    }

    /// <summary>Compares, and counts the values written in Infinorm's own way.</summary>
    static int CountRewritten(JsonNode? expected, JsonNode? actual, string path)
    {
        switch (expected, actual)
        {
            case (JsonObject want, JsonObject got):
                Assert.Equal(want.Select(item => item.Key), got.Select(item => item.Key));
                return want.Sum(item => CountRewritten(item.Value, got[item.Key], $"{path}.{item.Key}"));
            case (JsonArray want, JsonArray got):
                Assert.Equal(want.Count, got.Count);
                return want.Zip(got).Sum(pair => CountRewritten(pair.First, pair.Second, $"{path}[]"));
            default:
                string wantText = Text(expected), gotText = Text(actual);
                if (wantText == gotText)
                    return 0;
                string key = path.Split('.')[^1];
                bool isIntegerWrittenAsFloat = KerasConfig.IsInteger(expected) && IsFloat(actual) && (double)expected! == (double)actual!;
                bool isFloatWrittenAsInteger = Steps.Contains(key) && IsFloat(expected) && KerasConfig.IsInteger(actual)
                    && (double)expected! == (double)actual!;
                bool isZeroWrittenAsNull = OffIfZero.Contains(key) && (wantText is "0" or "0.0") && actual is null;
                bool isIntegerWrittenAsSwitch = Switches.Contains(key) && (wantText, gotText) is ("0", "false") or ("1", "true");
                Assert.True(
                    isIntegerWrittenAsSwitch || isIntegerWrittenAsFloat || isFloatWrittenAsInteger || isZeroWrittenAsNull,
                    $"{path}: {gotText}, expected {wantText}.");
                return 1;
        }
    }

    static bool IsFloat(JsonNode? node) =>
        node is JsonValue value && value.GetValueKind() == JsonValueKind.Number && !KerasConfig.IsInteger(node);

    static string Text(JsonNode? node) => node?.ToJsonString() ?? "null";
}
