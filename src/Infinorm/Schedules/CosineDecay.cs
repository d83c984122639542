using Infinorm.Config;
using Infinorm.Types;

namespace Infinorm.Schedules;

/// <summary>
/// Keras's <c>CosineDecay</c>: half a cosine from the initial rate down to <c>alpha</c> times it, over <c>decaySteps</c>. With a
/// <c>warmupTarget</c> the rate first rises in a straight line to that target over <c>warmupSteps</c>, and decays from there.
/// </summary>
public sealed class CosineDecay : LearningRateSchedule
{
    readonly Hyperparameter<double> _initialLearningRate, _decaySteps, _alpha, _warmupSteps;
    readonly Hyperparameter<double?> _warmupTarget;

    /// <param name="initialLearningRate">The rate at step 0; finite. Keras: <c>initial_learning_rate</c>.</param>
    /// <param name="decaySteps">Steps of the decay, warm-up not counted; finite, &gt; 0. Keras: <c>decay_steps</c>.</param>
    /// <param name="alpha">The last rate as a fraction of the one the decay starts from; finite.</param>
    /// <param name="name">Keras's <c>name</c>; "CosineDecay" by default.</param>
    /// <param name="warmupTarget">The rate to rise to; finite; null for no warm-up. Keras: <c>warmup_target</c>.</param>
    /// <param name="warmupSteps">Steps of the warm-up; finite; without meaning if there is no target. Keras: <c>warmup_steps</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public CosineDecay(
        double initialLearningRate,
        double decaySteps,
        double alpha = 0,
        string? name = null,
        double? warmupTarget = null,
        double warmupSteps = 0)
        : base(name)
    {
        _initialLearningRate = Hyperparameters.RequiredNumber("initial_learning_rate", initialLearningRate);
        _decaySteps = Hyperparameters.RequiredSteps("decay_steps", decaySteps, NumberRange.Positive);
        _alpha = Hyperparameters.Number("alpha", alpha);
        DeclareName();
        _warmupTarget = Hyperparameters.OptionalNumber("warmup_target", warmupTarget);
        _warmupSteps = Hyperparameters.Steps("warmup_steps", warmupSteps);
    }

    /// <inheritdoc/>
    public override double At(long step)
    {
        float current = step;
        float initial = (float)_initialLearningRate;
        float decaySteps = (float)_decaySteps;
        if (_warmupTarget.Value is not double warmupTarget)
            return Decay(MathF.Min(current, decaySteps), decaySteps, initial);

        float target = (float)warmupTarget;
        float warmupSteps = (float)_warmupSteps;
        current = MathF.Min(current, decaySteps + warmupSteps);
        return current < warmupSteps
            ? (target - initial) * (current / warmupSteps) + initial
            : Decay(current - warmupSteps, decaySteps, target);
    }

    float Decay(float step, float decaySteps, float from)
    {
        float cosine = 0.5f * (1 + Float32.Cos(MathF.PI * (step / decaySteps)));
        // Keras forms 1 - alpha in double here; in CosineDecayRestarts it does so in float32.
        return from * ((float)(1 - _alpha) * cosine + (float)_alpha);
    }
}
