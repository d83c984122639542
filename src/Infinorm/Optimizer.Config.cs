using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Types;

namespace Infinorm;

public abstract partial class Optimizer
{
    /// <summary>The Python module of Keras's optimizers.</summary>
    internal const string KerasModule = "keras.optimizers";

    /// <summary>All classes that configs can name. Those of <c>Optimizers</c> add themselves.</summary>
    internal static Registry<Optimizer> Classes { get; } = new Registry<Optimizer>("optimizer", ignoresCase: true)
        .Add(KerasModule, LossScaleOptimizer.FromConfig)
        .Add(KerasModule, MultiOptimizer.FromConfig);

    /// <summary>
    /// The settings of the subclass, which it declares in its constructor. They are its config, in the order of their declaration.
    /// </summary>
    protected Hyperparameters Hyperparameters { get; } = new();

    /// <summary>
    /// Everything needed to make the optimizer again, without its state: the object that Keras's <c>serialize_keras_object</c> gives.
    /// Exclusions from weight decay are not in it, as in Keras. Keras: <c>get_config</c>.
    /// </summary>
    public JsonObject GetConfig()
    {
        var config = new JsonObject { ["name"] = Name };
        WriteConfig(config);
        Hyperparameters.Write(config);
        return Classes.Wrap(this, config);
    }

    /// <summary>The text of <see cref="GetConfig()"/>, equal to what Python's <c>json.dumps</c> writes.</summary>
    public string ToJson() => PythonJson.Write(GetConfig());

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
        try
        {
            Optimizer optimizer = Classes.Create(read);
            optimizer.SetFloatX(floatX);
            return optimizer;
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
        return Classes.Knows(nameOrJson)
            ? FromConfig(new JsonObject { ["class_name"] = nameOrJson })
            : throw new ArgumentException(
                $"There is no optimizer \"{nameOrJson}\"; known are {string.Join(", ", Classes.Names)}.", nameof(nameOrJson));
    }

    /// <summary>Lets configs name an optimizer of your own. A name registered again means the new function.</summary>
    /// <param name="className">Name of the C# class, which is also its name in configs.</param>
    /// <param name="create">Makes the optimizer with its defaults; what a config has is set afterwards.</param>
    /// <exception cref="ArgumentException">The name is empty, or that of a built-in optimizer.</exception>
    public static void Register(string className, Func<RuleOptimizer> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        Classes.Register(className, RuleOptimizer.Reading(create));
    }

    /// <summary>Takes the name from a config.</summary>
    private protected void ReadName(ConfigReader config)
    {
        if (config.Text("name", null) is { } name)
            _name = CheckName(name);
    }

    /// <summary>Adds what stands before the hyperparameters.</summary>
    private protected abstract void WriteConfig(JsonObject config);
}
