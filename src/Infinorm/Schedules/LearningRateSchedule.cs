using System.Text.Json.Nodes;
using Infinorm.Config;

namespace Infinorm.Schedules;

/// <summary>
/// A learning rate that is a function of the steps taken. Keras's six schedules compute in float32, as Keras does, and round after
/// every operation; their results are exact float32 numbers. A schedule does not change after construction.
/// </summary>
/// <remarks>
/// Another schedule is a subclass with <see cref="At"/> that declares its settings in <see cref="Hyperparameters"/>;
/// <see cref="Register"/> lets configs name it.
/// </remarks>
public abstract class LearningRateSchedule
{
    /// <summary>The Python module of Keras's schedules.</summary>
    internal const string KerasModule = "keras.optimizers.schedules";

    internal static readonly Registry<LearningRateSchedule> Classes =
        new Registry<LearningRateSchedule>("learning rate schedule", requiresModule: true)
            .Add(KerasModule, Reading(() => new ExponentialDecay(1, 1, 1)))
            .Add(KerasModule, Reading(() => new PiecewiseConstantDecay([0], [0, 0])))
            .Add(KerasModule, Reading(() => new PolynomialDecay(1, 1)))
            .Add(KerasModule, Reading(() => new InverseTimeDecay(1, 1, 1)))
            .Add(KerasModule, Reading(() => new CosineDecay(1, 1)))
            .Add(KerasModule, Reading(() => new CosineDecayRestarts(1, 1)));

    /// <param name="name">Keras's <c>name</c>; the name of the class by default.</param>
    protected LearningRateSchedule(string? name = null) => Name = name ?? GetType().Name;

    /// <summary>Keras's <c>name</c>: kept and written to the config, without other meaning.</summary>
    public string Name { get; private set; }

    /// <summary>The rate for the step after <paramref name="step"/> steps.</summary>
    /// <param name="step">How often the optimizer was applied before, from 0; accumulating calls count.</param>
    public abstract double At(long step);

    /// <summary>
    /// The arguments of the constructor, which it declares there, in Keras's order. They are the schedule's config; the name comes last,
    /// unless it is declared before.
    /// </summary>
    protected Hyperparameters Hyperparameters { get; } = new();

    /// <summary>The whole serialized object, as Keras's <c>serialize_keras_object</c> makes it.</summary>
    public JsonObject GetConfig()
    {
        var config = new JsonObject();
        DeclareName();
        Hyperparameters.Write(config);
        return Classes.Wrap(this, config);
    }

    /// <summary>The class and its settings: <c>CosineDecay(initial_learning_rate: 0.001, decay_steps: 1000, …)</c>.</summary>
    public override string ToString() =>
        $"{GetType().Name}({string.Join(", ", Hyperparameters.All.Where(setting => setting.Key != "name").Select(Text))})";

    /// <summary>Makes a schedule from what <see cref="GetConfig()"/> or Keras wrote. The keys may stand in any order.</summary>
    /// <exception cref="FormatException">
    /// The class is unknown (one of Keras's needs its <c>module</c>), a key is unknown or missing, or a value is of the wrong kind.
    /// </exception>
    /// <exception cref="ArgumentException">A value is one that the constructor refuses.</exception>
    public static LearningRateSchedule FromConfig(JsonObject config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return Classes.Create(KerasObject.Read("learning rate schedule", config));
    }

    /// <summary>Lets configs name a schedule of your own. A name registered again means the new function.</summary>
    /// <param name="className">Name of the C# class, which is also its name in configs.</param>
    /// <param name="create">Makes a schedule with any settings; what a config has is set afterwards.</param>
    /// <exception cref="ArgumentException">The name is empty, or one of Keras's.</exception>
    public static void Register(string className, Func<LearningRateSchedule> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        Classes.Register(className, Reading(create));
    }

    /// <summary>Checks settings that must fit each other, once all are set. It accepts all by default.</summary>
    /// <exception cref="ArgumentException">They do not fit.</exception>
    protected virtual void Validate()
    {
    }

    /// <summary>Gives the name its place among the settings.</summary>
    private protected void DeclareName()
    {
        lock (Hyperparameters)
        {
            if (!Hyperparameters.Declares("name"))
                Hyperparameters.Text("name", Name, name => Name = name);
        }
    }

    static string Text(Hyperparameter setting) => $"{setting.Key}: {PythonJson.Write(setting.ToConfig())}";

    static Func<ConfigReader, T> Reading<T>(Func<T> create)
        where T : LearningRateSchedule => config =>
    {
        T schedule = create() ?? throw new InvalidOperationException($"{config.ClassName}: the function that makes it gave null.");
        schedule.DeclareName();
        schedule.Hyperparameters.Read(config);
        schedule.Validate();
        return schedule;
    };
}
