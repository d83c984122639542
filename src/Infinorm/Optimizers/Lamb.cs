using System.Numerics;
using Infinorm.Config;
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
public sealed class Lamb : RuleOptimizer
{
    readonly Hyperparameter<double> _beta1, _beta2, _epsilon;
    Slot _momentum, _velocity;

    /// <summary>A Lamb with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1]. Keras: <c>beta_1</c>.</param>
    /// <param name="beta2">Decay of the mean of their squares, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <param name="epsilon">Added to the root against division by zero. Keras: <c>epsilon</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Lamb(LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7)
        : base(learningRate ?? 0.001)
    {
        _beta1 = Hyperparameters.Number("beta_1", beta1, NumberRange.Unit);
        _beta2 = Hyperparameters.Number("beta_2", beta2, NumberRange.Unit);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
    }

    /// <summary>Decay of the mean of the gradients.</summary>
    public double Beta1 => _beta1;

    /// <summary>Decay of the mean of the squares of the gradients.</summary>
    public double Beta2 => _beta2;

    /// <summary>Added to the root against division by zero.</summary>
    public double Epsilon => _epsilon;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) =>
        (_momentum, _velocity) = slots.Add("momentum", new SlotSpec("velocity") { IsNeverNegative = true });

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context) =>
        context.Run(new Rule(this, context.UnroundedLearningRate, context.Iterations + 1));

    sealed class Rule(Lamb lamb, double rate, long step) : IBlockRule
    {
        public bool NeedsWholeVariables => true;

        public void Step<T>(Block<T> block)
            where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T correction1 = T.One - IntegerPower.Of<T>(lamb.Beta1, step), correction2 = T.One - IntegerPower.Of<T>(lamb.Beta2, step);
            T oneMinusBeta1 = T.CreateTruncating(1 - lamb.Beta1), oneMinusBeta2 = T.CreateTruncating(1 - lamb.Beta2);
            T epsilon = T.CreateTruncating(lamb.Epsilon);
            Span<T> weights = block.Weights, m = block[lamb._momentum], v = block[lamb._velocity];
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
            T scaledRate = ratio * T.CreateTruncating(rate);
            for (int i = 0; i < weights.Length; i++)
                weights[i] -= scaledRate * Update(m[i], v[i]);

            T Update(T mean, T square) => mean / correction1 / (T.Sqrt(square / correction2) + epsilon);
        }
    }
}
