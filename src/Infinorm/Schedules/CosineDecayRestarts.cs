using Infinorm.Config;
using Infinorm.Types;

namespace Infinorm.Schedules;

/// <summary>
/// Keras's <c>CosineDecayRestarts</c>: cosine decays one after another, each <c>tMul</c> times as long as the one before and starting
/// from <c>mMul</c> times its rate.
/// </summary>
/// <remarks>
/// Unless <c>tMul</c> is 1, the number of restarts comes from a float32 logarithm, as in Keras: at the exact step of a restart one
/// unit in its last place decides whether the restart has happened.
/// </remarks>
public sealed class CosineDecayRestarts : LearningRateSchedule
{
    readonly Hyperparameter<double> _initialLearningRate, _firstDecaySteps, _tMul, _mMul, _alpha;

    /// <param name="initialLearningRate">The rate at step 0; finite. Keras: <c>initial_learning_rate</c>.</param>
    /// <param name="firstDecaySteps">Steps until the first restart; finite, &gt; 0. Keras: <c>first_decay_steps</c>.</param>
    /// <param name="tMul">How many times longer each decay is than the one before; finite. Keras: <c>t_mul</c>.</param>
    /// <param name="mMul">The first rate of each decay as a multiple of that of the one before; finite. Keras: <c>m_mul</c>.</param>
    /// <param name="alpha">The lowest rate as a fraction of the initial rate; finite.</param>
    /// <param name="name">Keras's <c>name</c>; "SGDRDecay" by default.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public CosineDecayRestarts(
        double initialLearningRate, double firstDecaySteps, double tMul = 2, double mMul = 1, double alpha = 0, string? name = null)
        : base(name ?? "SGDRDecay")
    {
        _initialLearningRate = Hyperparameters.RequiredNumber("initial_learning_rate", initialLearningRate);
        _firstDecaySteps = Hyperparameters.RequiredSteps("first_decay_steps", firstDecaySteps, NumberRange.Positive);
        _tMul = Hyperparameters.Number("t_mul", tMul);
        _mMul = Hyperparameters.Number("m_mul", mMul);
        _alpha = Hyperparameters.Number("alpha", alpha);
    }

    /// <inheritdoc/>
    public override double At(long step)
    {
        float completed = (float)step / (float)_firstDecaySteps;
        float t = (float)_tMul;
        float restarts;
        if (t == 1)
        {
            restarts = MathF.Floor(completed);
            completed -= restarts;
        }
        else
        {
            // The decays before the n-th restart take 1 + t + … + t^(n-1) = (1 - t^n) / (1 - t) times the first one's steps.
            restarts = MathF.Floor(Float32.Log(1 - completed * (1 - t)) / Float32.Log(t));
            float length = Float32.Pow(t, restarts);
            completed = (completed - (1 - length) / (1 - t)) / length;
        }

        float cosine = 0.5f * Float32.Pow((float)_mMul, restarts) * (1 + Float32.Cos(MathF.PI * completed));
        float alpha = (float)_alpha;
        return (float)_initialLearningRate * ((1 - alpha) * cosine + alpha);
    }
}
