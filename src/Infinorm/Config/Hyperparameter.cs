using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Infinorm.Types;

namespace Infinorm.Config;

/// <summary>Which numbers a hyperparameter takes.</summary>
/// <param name="description">What a number must be, for messages: "a finite number &gt; 0".</param>
/// <param name="contains">Whether a number is one of them.</param>
public sealed class NumberRange(string description, Func<double, bool> contains)
{
    /// <summary>Every finite number.</summary>
    public static NumberRange Finite { get; } = new("a finite number", double.IsFinite);

    /// <summary>Finite numbers above zero.</summary>
    public static NumberRange Positive { get; } = new("a finite number > 0", value => double.IsFinite(value) && value > 0);

    /// <summary>Finite numbers from zero up.</summary>
    public static NumberRange NotNegative { get; } = new("a finite number >= 0", value => double.IsFinite(value) && value >= 0);

    /// <summary>Finite numbers up to zero.</summary>
    public static NumberRange NotPositive { get; } = new("a finite number <= 0", value => double.IsFinite(value) && value <= 0);

    /// <summary>Finite numbers other than zero.</summary>
    public static NumberRange NotZero { get; } = new("a finite number other than 0", value => double.IsFinite(value) && value != 0);

    /// <summary>Numbers from 0 to 1.</summary>
    public static NumberRange Unit { get; } = new("in [0, 1]", value => value is >= 0 and <= 1);

    /// <summary>The number, if it is one of them.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    internal double Check(double value, string name) =>
        contains(value) ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} must be {description}.");
}

/// <summary>
/// A setting that stands in the config of an optimizer, a schedule or a constraint. It is declared once, with its name, key and range; the
/// check when it is set, the config out and in, and what checkpoints compare all follow from that.
/// </summary>
/// <param name="name">Its name in C#, for messages.</param>
/// <param name="key">Its key in configs, Keras's where Keras has it.</param>
public abstract class Hyperparameter(string name, string key)
{
    /// <summary>Its name in C#.</summary>
    public string Name { get; } = name;

    /// <summary>Its key in configs.</summary>
    public string Key { get; } = key;

    /// <summary>Whether a config must have it.</summary>
    internal bool IsRequired { get; init; }

    /// <summary>Its value in a config; null for Python's None.</summary>
    internal abstract JsonNode? ToConfig();

    /// <summary>Takes its value from a config that has the key.</summary>
    internal abstract void Read(ConfigReader config);

    /// <summary>Whether a config has it.</summary>
    internal abstract bool IsWritten { get; }
}

/// <summary>A setting of some type.</summary>
/// <typeparam name="T">The type.</typeparam>
public sealed class Hyperparameter<T> : Hyperparameter
{
    readonly Func<T, T> _check;
    readonly Func<ConfigReader, string, T> _read;
    readonly Func<T, JsonNode?> _write;
    Func<T, bool> _isWritten = static _ => true;

    internal Hyperparameter(
        string name, string key, T value, Func<T, T> check, Func<ConfigReader, string, T> read, Func<T, JsonNode?> write)
        : base(name, key)
    {
        (_check, _read, _write) = (check, read, write);
        Value = value;
    }

    /// <summary>The value, checked when it is set.</summary>
    /// <exception cref="ArgumentException">The value is not allowed.</exception>
    public T Value
    {
        get;
        set => field = _check(value);
    }

    /// <summary>Says that Keras does not know it, so that a config has it only where it is another value than this.</summary>
    internal Hyperparameter<T> WrittenUnless(T usual)
    {
        _isWritten = value => !EqualityComparer<T>.Default.Equals(value, usual);
        return this;
    }

    /// <summary>The value.</summary>
    public static implicit operator T(Hyperparameter<T> parameter) => parameter.Value;

    internal override bool IsWritten => _isWritten(Value);

    internal override JsonNode? ToConfig() => _write(Value);

    internal override void Read(ConfigReader config) => Value = _read(config, Key);
}

/// <summary>The settings of one object, in the order of its config.</summary>
public sealed class Hyperparameters
{
    readonly List<Hyperparameter> _all = [];

    internal Hyperparameters()
    {
    }

    /// <summary>All of them.</summary>
    internal IReadOnlyList<Hyperparameter> All => _all;

    /// <summary>Declares a number.</summary>
    /// <param name="key">Its key in configs, Keras's where Keras has it.</param>
    /// <param name="value">Its value; what a config without the key gives.</param>
    /// <param name="range">Which numbers it takes; null for every finite one.</param>
    /// <param name="name">Its name in C#, for messages; by default the argument given for the value.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in the range.</exception>
    public Hyperparameter<double> Number(
        string key, double value, NumberRange? range = null, [CallerArgumentExpression(nameof(value))] string name = "") =>
        Add(Numeric(name, key, value, range, isRequired: false));

    /// <summary>Declares a number that every config must have.</summary>
    /// <inheritdoc cref="Number"/>
    public Hyperparameter<double> RequiredNumber(
        string key, double value, NumberRange? range = null, [CallerArgumentExpression(nameof(value))] string name = "") =>
        Add(Numeric(name, key, value, range, isRequired: true));

    /// <summary>Declares a number that may be missing: null, Python's None.</summary>
    /// <inheritdoc cref="Number"/>
    public Hyperparameter<double?> OptionalNumber(
        string key, double? value, NumberRange? range = null, [CallerArgumentExpression(nameof(value))] string name = "") =>
        Add(new Hyperparameter<double?>(
            name, key, value, number => number is { } some ? (range ?? NumberRange.Finite).Check(some, name) : null,
            static (config, key) => config.OptionalNumber(key), static number => number));

    /// <summary>Declares a number of steps that every config must have: written as an integer where it is whole, as Keras's users give it.</summary>
    /// <inheritdoc cref="Number"/>
    public Hyperparameter<double> RequiredSteps(
        string key, double value, NumberRange? range = null, [CallerArgumentExpression(nameof(value))] string name = "") =>
        Add(Numeric(name, key, value, range, isRequired: true, AsSteps));

    /// <summary>Declares a number of steps.</summary>
    /// <inheritdoc cref="RequiredSteps"/>
    public Hyperparameter<double> Steps(
        string key, double value, NumberRange? range = null, [CallerArgumentExpression(nameof(value))] string name = "") =>
        Add(Numeric(name, key, value, range, isRequired: false, AsSteps));

    /// <summary>Declares a list of numbers that every config must have.</summary>
    /// <param name="key">Its key in configs, Keras's where Keras has it.</param>
    /// <param name="values">The numbers, finite.</param>
    /// <param name="areSteps">Whether they are numbers of steps: written as integers where all are whole.</param>
    /// <param name="name">Its name in C#, for messages; by default the argument given for the values.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is not finite.</exception>
    internal Hyperparameter<double[]> RequiredNumbers(
        string key, double[] values, bool areSteps = false, [CallerArgumentExpression(nameof(values))] string name = "") =>
        Add(new Hyperparameter<double[]>(
            name, key, values, numbers => [.. numbers.Select(number => NumberRange.Finite.Check(number, name))],
            static (config, key) => config.Numbers(key),
            numbers =>
            {
                bool whole = areSteps && Array.TrueForAll(numbers, double.IsInteger);
                return new JsonArray([.. numbers.Select(number => whole ? AsSteps(number) : number)]);
            })
        {
            IsRequired = true,
        });

    /// <summary>Declares a text; in a config, null is what it was declared with.</summary>
    internal Hyperparameter<string> Text(string key, string value, Action<string> changed) => Add(new Hyperparameter<string>(
        key, key, value,
        text =>
        {
            changed(text);
            return text;
        },
        (config, key) => config.Text(key, null) ?? value, static text => text));

    /// <summary>Declares a list of texts, each checked; it may be empty.</summary>
    internal Hyperparameter<string[]> Texts(
        string key, IEnumerable<string> values, Action<string> check, [CallerArgumentExpression(nameof(values))] string name = "") =>
        Add(new Hyperparameter<string[]>(
            name, key, [.. values],
            texts =>
            {
                Array.ForEach(texts, check);
                return texts;
            },
            static (config, key) => config.Texts(key), static texts => new JsonArray([.. texts.Select(text => JsonValue.Create(text))])));

    /// <summary>Whether a key is declared.</summary>
    internal bool Declares(string key) => _all.Exists(parameter => parameter.Key == key);

    /// <summary>Declares a switch.</summary>
    /// <param name="key">Its key in configs, Keras's where Keras has it.</param>
    /// <param name="value">Its value; what a config without the key gives.</param>
    /// <param name="name">Its name in C#, for messages; by default the argument given for the value.</param>
    public Hyperparameter<bool> Switch(string key, bool value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        Add(new Hyperparameter<bool>(
            name, key, value, static on => on, (config, key) => config.Boolean(key, value), static on => on));

    /// <summary>Declares a whole number.</summary>
    /// <param name="key">Its key in configs, Keras's where Keras has it.</param>
    /// <param name="value">Its value; what a config without the key gives.</param>
    /// <param name="least">The least number that is allowed.</param>
    /// <param name="name">Its name in C#, for messages; by default the argument given for the value.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than the least.</exception>
    public Hyperparameter<int> Integer(
        string key, int value, int least = int.MinValue, [CallerArgumentExpression(nameof(value))] string name = "") =>
        Add(new Hyperparameter<int>(
            name, key, value, number => Check.AtLeast(least, number, name),
            (config, key) => config.OptionalInteger(key) ?? value, static number => number));

    /// <summary>A number that is off where it is missing or, in a config, zero, as Keras reads it.</summary>
    internal Hyperparameter<double?> NumberOrOff(string key, Func<double?, double?> check, string name) => Add(new Hyperparameter<double?>(
        name, key, null, check, static (config, key) => config.OptionalNumber(key) is { } number and not 0 ? number : null, static number => number));

    /// <summary>A whole number that is off where it is missing or, in a config, zero, as Keras reads it.</summary>
    internal Hyperparameter<int?> IntegerOrOff(string key, int least, string name) => Add(new Hyperparameter<int?>(
        name, key, null, number => number is { } some ? Check.AtLeast(least, some, name) : null,
        static (config, key) => config.OptionalInteger(key) is { } number and not 0 ? number : null, static number => number));

    T Add<T>(T parameter)
        where T : Hyperparameter
    {
        _all.Add(parameter);
        return parameter;
    }

    /// <summary>Writes all into a config, in order.</summary>
    internal void Write(JsonObject config)
    {
        foreach (Hyperparameter parameter in _all)
        {
            if (parameter.IsWritten)
                config[parameter.Key] = parameter.ToConfig();
        }
    }

    /// <summary>Takes over what a config has; the others keep their values.</summary>
    /// <exception cref="FormatException">A value is of the wrong kind, or one that must be there is missing.</exception>
    /// <exception cref="ArgumentException">A value is not allowed.</exception>
    internal void Read(ConfigReader config)
    {
        foreach (Hyperparameter parameter in _all)
        {
            if (parameter.IsRequired || config.Has(parameter.Key))
                parameter.Read(config);
        }
    }

    static Hyperparameter<double> Numeric(
        string name, string key, double value, NumberRange? range, bool isRequired, Func<double, JsonNode?>? write = null) => new(
        name, key, value, number => (range ?? NumberRange.Finite).Check(number, name),
        static (config, key) => config.Number(key), write ?? (static number => number))
        {
            IsRequired = isRequired,
        };

    // Step counts are ints in Keras's practice and keep their kind in a config: 5 is written 5, 2.5 stays 2.5.
    static JsonNode AsSteps(double steps) =>
        double.IsInteger(steps) && Math.Abs(steps) < long.MaxValue ? JsonValue.Create((long)steps) : JsonValue.Create(steps);
}
