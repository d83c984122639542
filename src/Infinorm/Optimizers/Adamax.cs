using System.Runtime.CompilerServices;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Adamax, the variant of Adam based on the infinity norm (Kingma and Ba, 2014, section 7.1), as Keras computes it:
/// <code>
/// m ← m + (g − m) · (1 − β₁)
/// u ← max(β₂ · u, |g|)
/// w ← w − rate · m / ((1 − β₁ᵗ) · (u + ε))
/// </code>
/// It is less sensitive to the scale of the gradients than Adam, which helps where their noise changes with time, as in speech.
/// </summary>
public sealed class Adamax : MomentsOptimizer
{
    Slot _momentum, _norm;

    /// <summary>An Adamax with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="beta1">
    /// Decay of the mean of the gradients, in [0, 1]. At 1 every weight is NaN after the first step, as in Keras. Keras: <c>beta_1</c>.
    /// </param>
    /// <param name="beta2">Decay of the infinity norm of the gradients, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <param name="epsilon">Added to the norm against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Adamax(LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7)
        : base(learningRate ?? 0.001, beta1, beta2, epsilon)
    {
    }

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) =>
        (_momentum, _norm) = slots.Add("momentum", new SlotSpec("norm") { IsNeverNegative = true, IsMaximum = true, Decay = () => Beta2 });

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        L correction = L.Of(1) - L.Pow(Beta1, context.Iterations + 1);
        context.Run(new Rule<L>(context.LearningRate, L.Of(1 - Beta1), L.Of(Beta2), L.Of(Epsilon), correction), _momentum, _norm);
    }

    readonly struct Rule<L>(L rate, L oneMinusBeta1, L beta2, L epsilon, L correction) : IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L norm)
        {
            momentum += (gradient - momentum) * oneMinusBeta1;
            norm = L.Max(beta2 * norm, L.Abs(gradient));
            weight -= rate * momentum / (correction * (norm + epsilon));
        }
    }
}
