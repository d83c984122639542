using System.Collections.Concurrent;
using System.Text.Json.Nodes;

namespace Infinorm;

public abstract partial class Optimizer
{
    const string KerasModule = "keras.optimizers";

    static readonly Dictionary<string, Func<ConfigReader, Optimizer>> BuiltIn = new(StringComparer.OrdinalIgnoreCase)
    {
        [nameof(Adamax)] = Adamax.FromConfig,
        [nameof(LossScaleOptimizer)] = LossScaleOptimizer.FromConfig,
        [nameof(TorchAdamax)] = TorchAdamax.FromConfig,
    };

    static readonly ConcurrentDictionary<string, Func<ConfigReader, Optimizer>> Registered = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Everything needed to make the optimizer again, without its state: the object that Keras's <c>serialize_keras_object</c> gives.
    /// Exclusions from weight decay are not in it, as in Keras. Keras: <c>get_config</c>.
    /// </summary>
    public JsonObject GetConfig()
    {
        var config = new JsonObject { ["name"] = Name };
        GetSharedConfig(config);
        GetConfig(config);
        string className = GetType().Name;
        return this is Adamax or LossScaleOptimizer
            ? KerasObject.Wrap(KerasModule, className, config, registeredName: null)
            : KerasObject.Wrap(module: null, className, config, registeredName: className);
    }

    /// <summary>The text of <see cref="GetConfig()"/>, equal to what Python's <c>json.dumps</c> writes.</summary>
    public string ToJson() => PythonJson.Write(GetConfig());

    /// <summary>Adds the settings of the subclass, under their Keras names.</summary>
    protected abstract void GetConfig(JsonObject config);

    // What all optimizers have stands before the subclass's own; an optimizer around another one has only its own.
    private protected virtual void GetSharedConfig(JsonObject config)
    {
        config["learning_rate"] = _learningRate.Number is null ? _learningRate.ToConfig() : HeldRate;
        _settings.Write(config);
    }

    /// <summary>
    /// Makes an optimizer from what <see cref="GetConfig()"/> or Keras wrote; the keys may stand in any order, missing settings have
    /// their defaults. Keras: <c>keras.optimizers.deserialize</c>.
    /// </summary>
    /// <param name="config">The object with <c>class_name</c> and <c>config</c>.</param>
    /// <param name="floatX">See <see cref="FloatX"/>, which a config does not hold.</param>
    /// <exception cref="FormatException">A class or key is unknown, or a value is of the wrong kind or not allowed.</exception>
    public static Optimizer FromConfig(JsonObject config, DType floatX = DType.Float32)
    {
        ArgumentNullException.ThrowIfNull(config);
        var read = KerasObject.Read("optimizer", config);
        if (!BuiltIn.TryGetValue(read.ClassName, out var create) && !Registered.TryGetValue(read.ClassName, out create))
        {
            throw new FormatException($"optimizer: no class '{read.ClassName}'; known are {string.Join(", ", BuiltIn.Keys.Concat(Registered.Keys))}. "
                + $"Others must be registered first with {nameof(Optimizer)}.{nameof(Register)}.");
        }

        try
        {
            return read.Create(reader =>
            {
                Optimizer optimizer = create(reader);
                if (reader.Text("name", null) is { } name)
                    optimizer._name = CheckName(name);
                optimizer._settings.Read(reader);
                optimizer.SetFloatX(floatX);
                return optimizer;
            });
        }
        catch (ArgumentException e)
        {
            throw new FormatException($"{read.ClassName}: {e.Message}", e);
        }
    }

    /// <summary>
    /// Makes an optimizer from its class's name, in any case, with defaults, or from the JSON text of its config.
    /// Keras: <c>keras.optimizers.get</c>.
    /// </summary>
    /// <exception cref="ArgumentException">There is no such class.</exception>
    /// <exception cref="FormatException">The text is not the config of an optimizer.</exception>
    public static Optimizer Get(string nameOrJson)
    {
        ArgumentNullException.ThrowIfNull(nameOrJson);
        if (nameOrJson.AsSpan().TrimStart().StartsWith("{"))
            return FromConfig(PythonJson.Parse(nameOrJson).AsObject());
        return BuiltIn.ContainsKey(nameOrJson) || Registered.ContainsKey(nameOrJson)
            ? FromConfig(new JsonObject { ["class_name"] = nameOrJson })
            : throw new ArgumentException($"There is no optimizer \"{nameOrJson}\".", nameof(nameOrJson));
    }

    /// <summary>Lets configs name an optimizer of your own. A name registered again means the new function.</summary>
    /// <param name="className">Name of the C# class, which is also its name in configs.</param>
    /// <param name="create">
    /// Makes the optimizer from its own settings, those it adds in <see cref="GetConfig(JsonObject)"/>, and the learning rate; the
    /// settings all optimizers share are set afterwards.
    /// </param>
    /// <exception cref="ArgumentException">The name is empty, or one of Infinorm's.</exception>
    public static void Register(string className, Func<ConfigReader, Optimizer> create)
    {
        ArgumentException.ThrowIfNullOrEmpty(className);
        ArgumentNullException.ThrowIfNull(create);
        if (BuiltIn.ContainsKey(className))
            throw new ArgumentException($"'{className}' is built in; register yours under a name of its own.", nameof(className));
        Registered[className] = create;
    }
}
