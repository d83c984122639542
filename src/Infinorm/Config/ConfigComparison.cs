using System.Text.Json;
using System.Text.Json.Nodes;

namespace Infinorm.Config;

/// <summary>A setting that two configs have different values for.</summary>
/// <param name="Name">Its keys, joined by <c>/</c> without Keras's "config": "weight_decay", "learning_rate/decay_steps".</param>
/// <param name="First">Its JSON in the first config, or "nothing".</param>
/// <param name="Second">Its JSON in the second config, or "nothing".</param>
readonly record struct SettingDifference(string Name, string First, string Second);

/// <summary>Compares the configs of optimizers.</summary>
static class ConfigComparison
{
    /// <summary>
    /// All settings that differ, in the order of the configs. Names of objects do not count, as nothing depends on them, nor do two
    /// numbers as learning rates: that is state, which a variable holds.
    /// </summary>
    public static List<SettingDifference> Compare(JsonObject first, JsonObject second)
    {
        var differences = new List<SettingDifference>();
        Compare(first, second, "", differences);
        return differences;
    }

    // Goes down only where both are objects, so that a path is never longer than one of the shorter config's.
    static void Compare(JsonObject first, JsonObject second, string path, List<SettingDifference> differences)
    {
        foreach (string key in first.Select(property => property.Key).Union(second.Select(property => property.Key)))
        {
            bool inFirst = first.TryGetPropertyValue(key, out JsonNode? one), inSecond = second.TryGetPropertyValue(key, out JsonNode? two);
            if (key == "name" || key == "learning_rate" && IsNumber(one) && IsNumber(two))
                continue;
            if (one is JsonObject oneObject && two is JsonObject twoObject)
            {
                Compare(oneObject, twoObject, key == "config" ? path : $"{path}{key}/", differences);
                continue;
            }

            string oneText = inFirst ? PythonJson.Write(one) : "nothing", twoText = inSecond ? PythonJson.Write(two) : "nothing";
            if (oneText != twoText)
                differences.Add(new(path + key, oneText, twoText));
        }
    }

    static bool IsNumber(JsonNode? node) => node?.GetValueKind() is JsonValueKind.Number;
}
