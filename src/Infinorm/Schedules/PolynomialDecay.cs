using Infinorm.Config;
using Infinorm.Types;

namespace Infinorm.Schedules;

/// <summary>
/// Keras's <c>PolynomialDecay</c>: from the initial to the end rate as <c>(1 - step / decaySteps) ^ power</c> falls from 1 to 0; then it
/// stays, or starts again over a longer stretch if <c>cycle</c>.
/// </summary>
public sealed class PolynomialDecay : LearningRateSchedule
{
    readonly Hyperparameter<double> _initialLearningRate, _decaySteps, _endLearningRate, _power;
    readonly Hyperparameter<bool> _cycle;

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
        _initialLearningRate = Hyperparameters.RequiredNumber("initial_learning_rate", initialLearningRate);
        _decaySteps = Hyperparameters.RequiredSteps("decay_steps", decaySteps, NumberRange.Positive);
        _endLearningRate = Hyperparameters.Number("end_learning_rate", endLearningRate);
        _power = Hyperparameters.Number("power", power);
        _cycle = Hyperparameters.Switch("cycle", cycle);
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
}
