using System.Text.Json.Nodes;

namespace Infinorm.Tests.Properties;

/// <summary>
/// Every optimizer that is built in, found by its class, and made by its name in configs; each with its defaults and, if that makes a
/// difference, with its own settings changed. A new one gets all tests of these by being registered.
/// </summary>
static class Registered
{
    const string Changed = ", changed";

    static readonly string[] Classes =
    [
        .. typeof(RuleOptimizer).Assembly.GetTypes().Where(type => type.IsPublic && !type.IsAbstract && type.IsSubclassOf(typeof(RuleOptimizer)))
            .Select(type => type.Name).Order(StringComparer.Ordinal),
    ];

    static readonly HashSet<string> SharedKeys = Classes.Select(KeysOf).Aggregate((all, keys) => [.. all.Intersect(keys)]);

    /// <summary>"Adam", "Adam, changed" and so on.</summary>
    public static IReadOnlyList<string> Variants { get; } =
        [.. Classes.Concat(Classes.Select(name => name + Changed)
            .Where(name => Config(name).ToJsonString() != Config(name[..^Changed.Length]).ToJsonString()))];

    public static RuleOptimizer Create(string variant) => (RuleOptimizer)Optimizer.FromConfig(Config(variant));

    /// <summary>Whether a key of a config is not one that all optimizers have.</summary>
    public static bool IsOwn(string key) => !SharedKeys.Contains(key);

    /// <summary>Own switches are turned, and own numbers that are 0, and so mean "off", are not.</summary>
    public static JsonObject Config(string variant)
    {
        string name = variant.Split(',')[0];
        JsonObject config = Optimizer.Get(name).GetConfig(), settings = config["config"]!.AsObject();
        if (variant != name)
        {
            foreach (string key in KeysOf(name).Where(IsOwn))
            {
                if (settings[key] is JsonValue value && value.TryGetValue(out bool on))
                    settings[key] = !on;
                else if (settings[key] is JsonValue number && number.TryGetValue(out double amount) && amount == 0)
                    settings[key] = key.EndsWith("_steps", StringComparison.Ordinal) ? 3 : 0.25;
            }
        }

        settings["name"] = "optimizer";
        return config;
    }

    static HashSet<string> KeysOf(string name) => [.. Optimizer.Get(name).GetConfig()["config"]!.AsObject().Select(pair => pair.Key)];
}
