namespace Infinorm.Schedules;

/// <summary>
/// Keras's <c>InverseTimeDecay</c>: <c>initialLearningRate / (1 + decayRate * step / decaySteps)</c>, the quotient <c>step / decaySteps</c>
/// rounded down if <c>staircase</c>.
/// </summary>
public sealed class InverseTimeDecay : DecayByStep
{
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
        : base(initialLearningRate, decaySteps, decayRate, staircase, name)
    {
    }

    private protected override float At(float initialLearningRate, float decayRate, float decays) =>
        initialLearningRate / (1 + decayRate * decays);
}
