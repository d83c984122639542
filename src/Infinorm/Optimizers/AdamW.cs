using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// AdamW (Loshchilov and Hutter, 2017), as Keras computes it: <see cref="Adam"/> with a decoupled weight decay of 0.004 unless
/// <see cref="RuleOptimizer.WeightDecay"/> says otherwise; without any it cannot be built.
/// </summary>
public sealed class AdamW : Adam
{
    /// <summary>An AdamW with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1]. Keras: <c>beta_1</c>.</param>
    /// <param name="beta2">Decay of the mean of their squares, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <param name="epsilon">Added against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <param name="amsGrad">Whether the largest mean of squares so far is kept and used. Keras: <c>amsgrad</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public AdamW(
        LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7, bool amsGrad = false)
        : base(learningRate, beta1, beta2, epsilon, amsGrad) => WeightDecay = 0.004;

    private protected override void CheckSettings()
    {
        base.CheckSettings();
        if (WeightDecay is null)
            throw new ArgumentException($"{nameof(AdamW)}: WeightDecay must be a number, found none. Use Adam for no decay.", nameof(WeightDecay));
    }
}
