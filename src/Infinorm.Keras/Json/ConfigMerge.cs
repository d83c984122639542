using System.Text.Json.Nodes;
using Infinorm.Config;

namespace Infinorm.Keras.Json;

/// <summary>Changes in a serialized config what another one says, and leaves the rest as it was written.</summary>
static class ConfigMerge
{
    /// <summary>Puts a value in the place of another where it differs; what an object of the same class has besides stays.</summary>
    /// <returns>Whether anything differed.</returns>
    public static bool Put(JsonObject parent, string key, JsonNode? value)
    {
        JsonNode? former = parent[key];
        if (former is JsonObject old && value is JsonObject now && ClassOf(old) == ClassOf(now))
        {
            bool changed = false;
            foreach (var (name, item) in now.ToArray())
            {
                if (name is not ("module" or "class_name" or "registered_name")) // Keras has them in more than one spelling
                    changed |= Put(old, name, item);
            }

            return changed;
        }

        if (IsSame(former, value) && parent.ContainsKey(key))
            return false;
        parent[key] = value?.DeepClone();
        return true;
    }

    static string? ClassOf(JsonObject config) => JsonText.Text(config["class_name"])?.ToLowerInvariant();

    // 1 is 1.0: Keras keeps what was given.
    static bool IsSame(JsonNode? a, JsonNode? b) =>
        (a, b) is (JsonValue x, JsonValue y) && x.TryGetValue(out double first) && y.TryGetValue(out double second)
            ? first == second
            : PythonJson.Write(a) == PythonJson.Write(b);
}
