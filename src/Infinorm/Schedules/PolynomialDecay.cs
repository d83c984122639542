using System.Text.Json.Nodes;

namespace Infinorm;

/// <summary>
/// Keras's <c>PolynomialDecay</c>: from the initial to the end rate as <c>(1 - step / decaySteps) ^ power</c> falls from 1 to 0; then it
/// stays, or starts again over a longer stretch if <c>cycle</c>.
/// </summary>
public sealed class PolynomialDecay : LearningRateSchedule
{
    readonly double _initialLearningRate;
    readonly double _decaySteps;
    readonly double _endLearningRate;
    readonly double _power;
    readonly bool _cycle;

    /// <param name="initialLearningRate">The rate at step 0; finite. Keras: <c>initial_learning_rate</c>.</param>
    /// <param name="decaySteps">Steps until the end rate is reached; finite, &gt; 0. Keras: <c>decay_steps</c>.</param>
    /// <param name="endLearningRate">The rate at the end; finite. Keras: <c>end_learning_rate</c>.</param>
    /// <param name="power">The exponent; finite; 1 is a straight line.</param>
    /// <param name="cycle">
    /// Whether, past the end, the decay is stretched to the next multiple of <paramref name="decaySteps"/>. At the multiple itself the
    /// rate is the end rate.
    /// </param>
    /// <param name="name">Keras's <c>name</c>; "PolynomialDecay" by default.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public PolynomialDecay(
        double initialLearningRate,
        double decaySteps,
        double endLearningRate = 0.0001,
        double power = 1,
        bool cycle = false,
        string? name = null)
        : base(name)
    {
        _initialLearningRate = Check.Finite(initialLearningRate);
        _decaySteps = Check.Positive(decaySteps);
        _endLearningRate = Check.Finite(endLearningRate);
        _power = Check.Finite(power);
        _cycle = cycle;
    }

    internal PolynomialDecay(ConfigReader config)
        : this(
            config.Number("initial_learning_rate"),
            config.Number("decay_steps"),
            config.Number("end_learning_rate", 0.0001),
            config.Number("power", 1),
            config.Boolean("cycle", false),
            config.Text("name", null))
    {
    }

    /// <inheritdoc/>
    public override double At(long step)
    {
        float current = step;
        float decaySteps = (float)_decaySteps;
        float end = (float)_endLearningRate;
        if (!_cycle)
            current = MathF.Min(current, decaySteps);
        else if (step != 0)
            decaySteps *= MathF.Ceiling(current / decaySteps);

        float remaining = 1 - current / decaySteps;
        return ((float)_initialLearningRate - end) * Float32.Pow(remaining, (float)_power) + end;
    }

    /// <inheritdoc/>
    protected override void GetConfig(JsonObject config)
    {
        config["initial_learning_rate"] = _initialLearningRate;
        config["decay_steps"] = IntegerIfWhole(_decaySteps);
        config["end_learning_rate"] = _endLearningRate;
        config["power"] = _power;
        config["cycle"] = _cycle;
        config["name"] = Name;
    }
}
