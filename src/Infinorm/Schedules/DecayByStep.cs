using Infinorm.Config;

namespace Infinorm.Schedules;

/// <summary>Base of Keras's schedules that decay by a rate in intervals of steps.</summary>
public abstract class DecayByStep : LearningRateSchedule
{
    readonly Hyperparameter<double> _initialLearningRate, _decaySteps, _decayRate;
    readonly Hyperparameter<bool> _staircase;

    private protected DecayByStep(double initialLearningRate, double decaySteps, double decayRate, bool staircase, string? name)
        : base(name)
    {
        _initialLearningRate = Hyperparameters.RequiredNumber("initial_learning_rate", initialLearningRate);
        _decaySteps = Hyperparameters.RequiredSteps("decay_steps", decaySteps, NumberRange.Positive);
        _decayRate = Hyperparameters.RequiredNumber("decay_rate", decayRate);
        _staircase = Hyperparameters.Switch("staircase", staircase);
    }

    /// <inheritdoc/>
    public sealed override double At(long step)
    {
        float decays = (float)step / (float)_decaySteps;
        return At((float)_initialLearningRate, (float)_decayRate, _staircase ? MathF.Floor(decays) : decays);
    }

    /// <summary>The rate after a number of decays, which may have a fraction.</summary>
    private protected abstract float At(float initialLearningRate, float decayRate, float decays);
}
