using System.Collections.Concurrent;

namespace Infinorm.Config;

/// <summary>
/// What configs can name: the classes of one kind that are built in, and the classes and functions that users register.
/// </summary>
/// <param name="kind">What they are, for messages: "optimizer".</param>
/// <param name="ignoresCase">Whether names are compared without case.</param>
/// <param name="requiresModule">Whether a built-in class is only found with its Python module.</param>
/// <param name="functionRegistrar">The public method that registers functions, for messages; null if there is none.</param>
sealed class Registry<T>(string kind, bool ignoresCase = false, bool requiresModule = false, string? functionRegistrar = null)
    where T : class
{
    readonly Dictionary<string, Entry> _builtIn = new(Comparer(ignoresCase));
    readonly ConcurrentDictionary<string, Func<ConfigReader, T>> _registered = new(Comparer(ignoresCase));
    readonly ConcurrentDictionary<string, T> _functions = new();

    /// <summary>One built-in class.</summary>
    /// <param name="Name">Its name in configs.</param>
    /// <param name="Type">The class.</param>
    /// <param name="Module">The Python module of the class; null where Keras does not have it.</param>
    /// <param name="Create">Makes an object from its settings.</param>
    readonly record struct Entry(string Name, Type Type, string? Module, Func<ConfigReader, T> Create);

    /// <summary>All names.</summary>
    public IEnumerable<string> Names => _builtIn.Keys.Concat(_registered.Keys).Order(StringComparer.OrdinalIgnoreCase);

    /// <summary>Adds a class of ours.</summary>
    public Registry<T> Add<TClass>(string? module, Func<ConfigReader, TClass> create)
        where TClass : T => Add(typeof(TClass).Name, module, create);

    /// <summary>Adds a class of ours under a name that is not its own.</summary>
    public Registry<T> Add<TClass>(string name, string? module, Func<ConfigReader, TClass> create)
        where TClass : T
    {
        _builtIn.Add(name, new Entry(name, typeof(TClass), module, config => create(config)));
        return this;
    }

    /// <summary>Adds a class of a user's; one that is registered again means the new function.</summary>
    /// <exception cref="ArgumentException">The name is empty, or one of ours.</exception>
    public void Register(string className, Func<ConfigReader, T> create)
    {
        ArgumentException.ThrowIfNullOrEmpty(className);
        ArgumentNullException.ThrowIfNull(create);
        if (_builtIn.ContainsKey(className))
            throw new ArgumentException($"'{className}' is a built-in {kind}; register yours under a name of its own.", nameof(className));
        _registered[className] = create;
    }

    /// <summary>Adds a function of a user's, which has a name and no settings; a name that is registered again means the new one.</summary>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public void RegisterFunction(string name, T function)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(function);
        _functions[name] = function;
    }

    /// <summary>A name under which the function is registered; null if it is not.</summary>
    public string? NameOf(T function) =>
        _functions.Where(named => named.Value.Equals(function)).Select(named => named.Key).Order(StringComparer.Ordinal).FirstOrDefault();

    /// <summary>Whether configs can name it.</summary>
    public bool Knows(string className) => _builtIn.ContainsKey(className) || _registered.ContainsKey(className);

    /// <summary>Wraps the settings of an object as Keras does, by its class.</summary>
    public System.Text.Json.Nodes.JsonObject Wrap(T value, System.Text.Json.Nodes.JsonObject config)
    {
        string className = value.GetType().Name;
        return _builtIn.TryGetValue(className, out Entry entry) && entry.Type == value.GetType() && entry.Module is not null
            ? KerasObject.Wrap(entry.Module, entry.Name, config, registeredName: null)
            : KerasObject.Wrap(module: null, className, config, registeredName: className);
    }

    /// <summary>Makes an object from what was read of it, or finds the function.</summary>
    /// <exception cref="FormatException">
    /// No such class or function is known, or a setting is unknown or of the wrong kind.
    /// </exception>
    public T Create(KerasObject read)
    {
        if (read.ClassName == KerasObject.FunctionClass)
        {
            string name = read.Config.GetValue<string>();
            return _functions.TryGetValue(name, out T? function)
                ? function
                : throw new FormatException($"{kind}: the function '{name}' is not known"
                    + (functionRegistrar is null ? "" : $"; register it first with {functionRegistrar}"));
        }

        if (_registered.TryGetValue(read.ClassName, out Func<ConfigReader, T>? create))
            return read.Create(create);
        if (_builtIn.TryGetValue(read.ClassName, out Entry entry) && (!requiresModule || read.Module == entry.Module))
            return read.Create(entry.Create);
        string where = !requiresModule ? "" : read.Module is null ? " without a module" : $" in module '{read.Module}'";
        throw new FormatException(
            $"{kind}: no class '{read.ClassName}'{where}; known are {string.Join(", ", Names)}. Others must be registered first.");
    }

    static StringComparer Comparer(bool ignoresCase) => ignoresCase ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal;
}
