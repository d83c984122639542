using System.Numerics;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Lamb (You et al., 2019), as Keras computes it: Adam's update, scaled for each variable by the ratio of the norms of variable and update.
/// <code>
/// m ← m + (g − m) · (1 − β₁)
/// v ← v + (g² − v) · (1 − β₂)
/// u = m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)
/// w ← w − rate · ‖w‖ / ‖u‖ · u, the ratio being 1 where a norm is 0 or NaN
/// </code>
/// It is for very large batches.
/// </summary>
public sealed class Lamb : MomentsOptimizer, IBlockRule
{
    Slot _momentum, _velocity;

    /// <summary>A Lamb with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1]. Keras: <c>beta_1</c>.</param>
    /// <param name="beta2">Decay of the mean of their squares, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <param name="epsilon">Added to the root against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Lamb(LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7)
        : base(learningRate ?? 0.001, beta1, beta2, epsilon)
    {
    }

    bool IBlockRule.NeedsWholeVariables => true;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) =>
        (_momentum, _velocity) = slots.Add("momentum", new SlotSpec("velocity") { IsNeverNegative = true });

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(this);

    void IBlockRule.Step<T>(Block<T> block)
    {
        long step = block.Iterations + 1;
        T correction1 = T.One - IntegerPower.Of<T>(Beta1, step), correction2 = T.One - IntegerPower.Of<T>(Beta2, step);
        T oneMinusBeta1 = T.CreateTruncating(1 - Beta1), oneMinusBeta2 = T.CreateTruncating(1 - Beta2), epsilon = T.CreateTruncating(Epsilon);
        Span<T> weights = block.Weights, m = block[_momentum], v = block[_velocity];
        double weightSquares = 0, updateSquares = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            T gradient = block.Gradient[i];
            m[i] += (gradient - m[i]) * oneMinusBeta1;
            v[i] += ((gradient * gradient) - v[i]) * oneMinusBeta2;
            T update = Update(m[i], v[i]);
            weightSquares += double.CreateTruncating(weights[i] * weights[i]);
            updateSquares += double.CreateTruncating(update * update);
        }

        T weightNorm = T.Sqrt(T.CreateTruncating(weightSquares)), updateNorm = T.Sqrt(T.CreateTruncating(updateSquares));
        T ratio = weightNorm > T.Zero && updateNorm > T.Zero ? weightNorm / updateNorm : T.One;
        T scaledRate = ratio * block.LearningRate;
        for (int i = 0; i < weights.Length; i++)
            weights[i] -= scaledRate * Update(m[i], v[i]);

        T Update(T mean, T square) => mean / correction1 / (T.Sqrt(square / correction2) + epsilon);
    }
}
