using Infinorm.Types;

namespace Infinorm.Schedules;

/// <summary>
/// Keras's <c>ExponentialDecay</c>: <c>initialLearningRate * decayRate ^ (step / decaySteps)</c>, the exponent rounded down if
/// <c>staircase</c>.
/// </summary>
public sealed class ExponentialDecay : DecayByStep
{
    /// <param name="initialLearningRate">The rate at step 0; finite. Keras: <c>initial_learning_rate</c>.</param>
    /// <param name="decaySteps">
    /// Steps in which the rate is multiplied by <paramref name="decayRate"/> once; finite, &gt; 0. Keras: <c>decay_steps</c>.
    /// </param>
    /// <param name="decayRate">The factor; finite. Keras: <c>decay_rate</c>.</param>
    /// <param name="staircase">Whether the rate changes only at multiples of <paramref name="decaySteps"/>.</param>
    /// <param name="name">Keras's <c>name</c>; "ExponentialDecay" by default.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public ExponentialDecay(
        double initialLearningRate, double decaySteps, double decayRate, bool staircase = false, string? name = null)
        : base(initialLearningRate, decaySteps, decayRate, staircase, name)
    {
    }

    private protected override float At(float initialLearningRate, float decayRate, float decays) =>
        initialLearningRate * Float32.Pow(decayRate, decays);
}
