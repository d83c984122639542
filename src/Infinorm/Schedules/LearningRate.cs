using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Types;

namespace Infinorm.Schedules;

/// <summary>
/// A learning rate: a number, a <see cref="LearningRateSchedule"/>, or a function that is called once in every step. All three convert to it
/// implicitly.
/// </summary>
public sealed class LearningRate
{
    /// <summary>The name that Python gives to a function without one.</summary>
    const string Lambda = "<lambda>";

    static readonly Registry<Func<double>> Functions =
        new("learning rate", functionRegistrar: $"{nameof(LearningRate)}.{nameof(RegisterFunction)}");

    /// <summary>A constant rate, which can be changed between steps.</summary>
    /// <param name="value">Any finite number. A negative rate climbs instead of descending, and reverses weight decay.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is NaN or infinite.</exception>
    public LearningRate(double value) => Value = Check.Finite(value, "learningRate");

    /// <summary>A rate computed from the number of steps taken.</summary>
    /// <exception cref="ArgumentNullException">The schedule is null.</exception>
    public LearningRate(LearningRateSchedule schedule)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        Schedule = schedule;
    }

    /// <summary>A rate that a function computes. Double variables use its value without rounding.</summary>
    /// <exception cref="ArgumentNullException">The function is null.</exception>
    public LearningRate(Func<double> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        Function = function;
    }

    /// <summary>The number; null if a schedule or a function gives the rate.</summary>
    public double? Value { get; }

    /// <summary>The schedule; null if there is none.</summary>
    public LearningRateSchedule? Schedule { get; }

    /// <summary>The function; null if there is none.</summary>
    public Func<double>? Function { get; }

    /// <inheritdoc cref="LearningRate(double)"/>
    public static implicit operator LearningRate(double value) => new(value);

    /// <inheritdoc cref="LearningRate(LearningRateSchedule)"/>
    public static implicit operator LearningRate(LearningRateSchedule schedule) => new(schedule);

    /// <inheritdoc cref="LearningRate(Func{double})"/>
    public static implicit operator LearningRate(Func<double> function) => new(function);

    /// <summary>The number, the schedule with its settings, or the function's name.</summary>
    public override string ToString() => Value is { } number ? NumberText.Of(number)
        : Schedule?.ToString() ?? $"function {NameOf(Function!)}";

    /// <summary>
    /// Gives a function the name under which configs hold it. A config that names a function can be read only after the function was
    /// registered (in Keras: passed as a custom object). A name registered again means the new function.
    /// </summary>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static void RegisterFunction(string name, Func<double> function) => Functions.RegisterFunction(name, function);

    /// <summary>
    /// The rate as it stands in an optimizer's config. An optimizer writes a number itself: the one that its variable holds by then.
    /// </summary>
    internal JsonNode ToConfig()
    {
        if (Schedule is not null)
            return Schedule.GetConfig();
        if (Function is not null)
            return KerasObject.Wrap("builtins", KerasObject.FunctionClass, NameOf(Function), KerasObject.FunctionClass);
        return Value!.Value;
    }

    /// <summary>
    /// The rate under the key <c>learning_rate</c>: a number, a schedule or a registered function; the default when the key is missing.
    /// </summary>
    /// <exception cref="FormatException">It is none of these, or names a schedule or function that is not registered.</exception>
    internal static LearningRate Read(ConfigReader config, LearningRate defaultValue) =>
        config.NumberOrObject("learning_rate", "a number, a schedule or a function") switch
        {
            null => defaultValue,
            JsonObject serialized => FromConfig(serialized),
            JsonNode number => new LearningRate(number.GetValue<double>()),
        };

    /// <summary>Reads a schedule or a function that is registered.</summary>
    /// <exception cref="FormatException">It is neither, is not known, or has a setting that is not allowed.</exception>
    internal static LearningRate FromConfig(JsonObject config)
    {
        var read = KerasObject.Read("learning rate", config);
        return read.ClassName == KerasObject.FunctionClass ? Functions.Create(read) : ScheduleOf(config, read.ClassName);
    }

    static LearningRateSchedule ScheduleOf(JsonObject config, string className)
    {
        try
        {
            return LearningRateSchedule.FromConfig(config);
        }
        catch (ArgumentException e)
        {
            throw new FormatException($"{className}: {e.Message}", e);
        }
    }

    static string NameOf(Func<double> function)
    {
        if (Functions.NameOf(function) is { } name)
            return name;
        string method = function.Method.Name;
        return method.Contains('<') ? Lambda : method; // the compiler's names for lambdas and local functions
    }
}
