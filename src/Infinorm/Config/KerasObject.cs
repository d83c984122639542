using System.Text.Json.Nodes;

namespace Infinorm.Config;

/// <summary>
/// What Keras wraps around the config of everything it serializes:
/// <c>{"module": …, "class_name": …, "config": …, "registered_name": …}</c>.
/// </summary>
/// <param name="Module">Python module of the class; null for a class that is not Keras's own.</param>
/// <param name="ClassName">Name of the class, or "function".</param>
/// <param name="Config">The settings as an object; of a function its name.</param>
/// <param name="RegisteredName">The name under which a class that is not Keras's own was registered; null for Keras's.</param>
readonly record struct KerasObject(string? Module, string ClassName, JsonNode Config, string? RegisteredName)
{
    /// <summary>The class name that Keras gives to a function; its config is the function's name.</summary>
    public const string FunctionClass = "function";

    /// <summary>The object with Keras's keys in Keras's order.</summary>
    public static JsonObject Wrap(string? module, string className, JsonNode config, string? registeredName) => new()
    {
        ["module"] = module,
        ["class_name"] = className,
        ["config"] = config,
        ["registered_name"] = registeredName,
    };

    /// <summary>Reads the keys in any order. All but <c>class_name</c> may be missing: the config then is empty, the others null.</summary>
    /// <param name="kind">What the object should be, for messages: "optimizer", "learning rate schedule".</param>
    /// <param name="json">The object with the keys above.</param>
    /// <exception cref="FormatException">The class name is missing, a value is of the wrong kind, or a key is unknown.</exception>
    public static KerasObject Read(string kind, JsonObject json)
    {
        var reader = new ConfigReader(kind, json);
        string className = reader.Text("class_name", null)
            ?? throw new FormatException($"{kind}: config key 'class_name' is missing");
        var result = new KerasObject(
            reader.Text("module", null),
            className,
            className == FunctionClass ? reader.Text("config", "") : reader.Object("config") ?? [],
            reader.Text("registered_name", null));
        reader.Ignore("shared_object_id"); // Keras adds it to an object that occurs twice
        reader.RequireAllRead();
        return result;
    }

    /// <summary>Reads the settings of a class with a function for it, and makes sure that it has read all of them.</summary>
    /// <exception cref="FormatException">A setting is not known or of the wrong kind.</exception>
    public T Create<T>(Func<ConfigReader, T> read)
    {
        var reader = new ConfigReader(ClassName, (JsonObject)Config);
        var result = read(reader);
        reader.RequireAllRead();
        return result;
    }
}
