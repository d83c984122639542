using System.Collections.Concurrent;
using System.Text.Json.Nodes;

namespace Infinorm;

/// <summary>
/// A learning rate that is a function of the steps taken. Keras's six schedules compute in float32, as Keras does, and round after
/// every operation; their results are exact float32 numbers. A schedule does not change after construction.
/// </summary>
/// <remarks>
/// Another schedule is a subclass with <see cref="At"/> and <see cref="GetConfig(JsonObject)"/>;
/// <see cref="Register"/> lets configs name it.
/// </remarks>
public abstract class LearningRateSchedule
{
    /// <summary>The Python module of Keras's schedules.</summary>
    internal const string KerasModule = "keras.optimizers.schedules";

    static readonly Dictionary<string, Func<ConfigReader, LearningRateSchedule>> BuiltIn = new()
    {
        [nameof(ExponentialDecay)] = config => new ExponentialDecay(config),
        [nameof(PiecewiseConstantDecay)] = config => new PiecewiseConstantDecay(config),
        [nameof(PolynomialDecay)] = config => new PolynomialDecay(config),
        [nameof(InverseTimeDecay)] = config => new InverseTimeDecay(config),
        [nameof(CosineDecay)] = config => new CosineDecay(config),
        [nameof(CosineDecayRestarts)] = config => new CosineDecayRestarts(config),
    };

    static readonly ConcurrentDictionary<string, Func<ConfigReader, LearningRateSchedule>> Registered = new();

    /// <param name="name">Keras's <c>name</c>; the name of the class by default.</param>
    protected LearningRateSchedule(string? name = null) => Name = name ?? GetType().Name;

    /// <summary>Keras's <c>name</c>: kept and written to the config, without other meaning.</summary>
    public string Name { get; }

    /// <summary>The rate for the step after <paramref name="step"/> steps.</summary>
    /// <param name="step">How often the optimizer was applied before, from 0; accumulating calls count.</param>
    public abstract double At(long step);

    /// <summary>The whole serialized object, as Keras's <c>serialize_keras_object</c> makes it.</summary>
    public JsonObject GetConfig()
    {
        var config = new JsonObject();
        GetConfig(config);
        string className = GetType().Name;
        bool builtIn = GetType().Assembly == typeof(LearningRateSchedule).Assembly;
        return builtIn
            ? KerasObject.Wrap(KerasModule, className, config, registeredName: null)
            : KerasObject.Wrap(module: null, className, config, registeredName: className);
    }

    /// <summary>Adds every argument of the constructor, <c>name</c> included, under its Keras name and in Keras's order.</summary>
    protected abstract void GetConfig(JsonObject config);

    /// <summary>Makes a schedule from what <see cref="GetConfig()"/> or Keras wrote. The keys may stand in any order.</summary>
    /// <exception cref="FormatException">
    /// The class is unknown (one of Keras's needs its <c>module</c>), a key is unknown or missing, or a value is of the wrong kind.
    /// </exception>
    /// <exception cref="ArgumentException">A value is one that the constructor refuses.</exception>
    public static LearningRateSchedule FromConfig(JsonObject config)
    {
        ArgumentNullException.ThrowIfNull(config);
        var read = KerasObject.Read("learning rate schedule", config);
        if (Registered.TryGetValue(read.ClassName, out var create))
            return read.Create(create);
        if (read.Module == KerasModule && BuiltIn.TryGetValue(read.ClassName, out create))
            return read.Create(create);
        string where = read.Module is null ? "without a module" : $"in module '{read.Module}'";
        throw new FormatException($"learning rate schedule: no class '{read.ClassName}' {where}; Keras's are in '{KerasModule}', "
            + $"others must be registered first with {nameof(LearningRateSchedule)}.{nameof(Register)}");
    }

    /// <summary>Lets configs name a schedule of your own. A name registered again means the new function.</summary>
    /// <param name="className">Name of the C# class, which is also its name in configs.</param>
    /// <param name="create">Makes the schedule from its settings; it must read every key that the schedule writes.</param>
    /// <exception cref="ArgumentException">The name is empty, or one of Keras's.</exception>
    public static void Register(string className, Func<ConfigReader, LearningRateSchedule> create)
    {
        ArgumentException.ThrowIfNullOrEmpty(className);
        ArgumentNullException.ThrowIfNull(create);
        if (BuiltIn.ContainsKey(className))
        {
            throw new ArgumentException(
                $"'{className}' is one of Keras's schedules; register yours under a name of its own.", nameof(className));
        }
        Registered[className] = create;
    }

    /// <summary>Keras's step counts are ints in practice and keep their kind in a config: 5 is written 5, 2.5 stays 2.5.</summary>
    private protected static JsonNode IntegerIfWhole(double steps) =>
        double.IsInteger(steps) && Math.Abs(steps) < long.MaxValue ? JsonValue.Create((long)steps) : JsonValue.Create(steps);
}
