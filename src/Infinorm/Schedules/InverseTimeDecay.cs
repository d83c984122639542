using System.Text.Json.Nodes;

namespace Infinorm;

/// <summary>
/// Keras's <c>InverseTimeDecay</c>: <c>initialLearningRate / (1 + decayRate * step / decaySteps)</c>, the quotient <c>step / decaySteps</c>
/// rounded down if <c>staircase</c>.
/// </summary>
public sealed class InverseTimeDecay : LearningRateSchedule
{
    readonly double _initialLearningRate;
    readonly double _decaySteps;
    readonly double _decayRate;
    readonly bool _staircase;

    /// <param name="initialLearningRate">The rate at step 0; finite. Keras: <c>initial_learning_rate</c>.</param>
    /// <param name="decaySteps">
    /// Steps in which the denominator grows by <paramref name="decayRate"/>; finite, &gt; 0. Keras: <c>decay_steps</c>.
    /// </param>
    /// <param name="decayRate">The growth; finite. Keras: <c>decay_rate</c>.</param>
    /// <param name="staircase">Whether the rate changes only at multiples of <paramref name="decaySteps"/>.</param>
    /// <param name="name">Keras's <c>name</c>; "InverseTimeDecay" by default.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public InverseTimeDecay(
        double initialLearningRate, double decaySteps, double decayRate, bool staircase = false, string? name = null)
        : base(name)
    {
        _initialLearningRate = Check.Finite(initialLearningRate);
        _decaySteps = Check.Positive(decaySteps);
        _decayRate = Check.Finite(decayRate);
        _staircase = staircase;
    }

    internal InverseTimeDecay(ConfigReader config)
        : this(
            config.Number("initial_learning_rate"),
            config.Number("decay_steps"),
            config.Number("decay_rate"),
            config.Boolean("staircase", false),
            config.Text("name", null))
    {
    }

    /// <inheritdoc/>
    public override double At(long step)
    {
        float decays = (float)step / (float)_decaySteps;
        if (_staircase)
            decays = MathF.Floor(decays);
        return (float)_initialLearningRate / (1 + (float)_decayRate * decays);
    }

    /// <inheritdoc/>
    protected override void GetConfig(JsonObject config)
    {
        config["initial_learning_rate"] = _initialLearningRate;
        config["decay_steps"] = IntegerIfWhole(_decaySteps);
        config["decay_rate"] = _decayRate;
        config["staircase"] = _staircase;
        config["name"] = Name;
    }
}
