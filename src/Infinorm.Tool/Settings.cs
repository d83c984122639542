using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Tool.Files;
using Infinorm.Types;

namespace Infinorm.Tool;

/// <summary>The settings of an optimizer, as rows and compared.</summary>
static class Settings
{
    const string FloatX = "floatx", Exclusions = "weight_decay_exclusions";

    static readonly IReadOnlyDictionary<string, string> NoGroups = new Dictionary<string, string>();

    /// <summary>All settings of a file: names as <see cref="SettingDifference"/> has them, and their JSON.</summary>
    public static IEnumerable<(string Name, string Json)> Of(StateFile file)
    {
        IEnumerable<(string, string)> settings = file.Settings is null ? [] : Flatten(file.Settings, "");
        return settings.Concat(BesideConfig(file).Concat(file.Groups ?? NoGroups).Select(pair => (pair.Key, pair.Value)));
    }

    /// <summary>All settings that differ between two files; what one of them does not hold at all is left out.</summary>
    public static IEnumerable<SettingDifference> Compare(StateFile first, StateFile second)
    {
        if (first.Settings is not null && second.Settings is not null)
        {
            foreach (SettingDifference difference in ConfigComparison.Compare(Known(first.Settings), Known(second.Settings)))
                yield return difference;
        }
        else if (first.Settings is not null || second.Settings is not null)
        {
            yield return new("(all)", Has(first), Has(second));
        }

        Dictionary<string, string> others = BesideConfig(second);
        foreach (var (name, value) in BesideConfig(first))
        {
            if (others.TryGetValue(name, out string? other) && other != value)
                yield return new(name, value, other);
        }

        if (first.Groups is not null && second.Groups is not null)
        {
            foreach (string key in first.Groups.Keys.Union(second.Groups.Keys))
            {
                string one = first.Groups.GetValueOrDefault(key, "nothing"), two = second.Groups.GetValueOrDefault(key, "nothing");
                if (one != two)
                    yield return new(key, one, two);
            }
        }

        static string Has(StateFile file) => file.Settings is null ? "nothing" : "an optimizer";
    }

    // Keras writes whole numbers and defaults in more than one way: read and written again, they are the same.
    static JsonObject Known(JsonObject config)
    {
        try
        {
            return Optimizer.FromConfig(config).GetConfig();
        }
        catch (FormatException)
        {
            return config; // of an optimizer that is not known here
        }
    }

    static Dictionary<string, string> BesideConfig(StateFile file)
    {
        var settings = new Dictionary<string, string>();
        if (file.FloatX is { } floatX)
            settings.Add(FloatX, floatX.KerasName());
        if (file.WeightDecayExclusions is { } paths)
        {
            IEnumerable<JsonNode> ordered = paths.Order(StringComparer.Ordinal).Select(path => JsonValue.Create(path));
            settings.Add(Exclusions, PythonJson.Write(new JsonArray([.. ordered])));
        }

        return settings;
    }

    /// <summary>A JSON object in the metadata as a row for each of its values: "run seed".</summary>
    public static IEnumerable<(string Name, string Text)> Flat(string key, string json) =>
        Flatten((JsonObject)JsonNode.Parse(json)!, $"{key} ");

    static IEnumerable<(string, string)> Flatten(JsonObject config, string path)
    {
        foreach (var (key, value) in config)
        {
            if (key is "module" or "registered_name")
                continue;
            if (value is not JsonObject inner)
                yield return (path + key, PythonJson.Write(value));
            else
            {
                foreach (var setting in Flatten(inner, key == "config" ? path : $"{path}{key}/"))
                    yield return setting;
            }
        }
    }
}
