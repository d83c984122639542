using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Schedule-free AdamW (Defazio and others, 2024), which needs no decaying rate, as Keras's <c>apply</c> computes it:
/// v ← v + (g² − v) · (1 − β₂), z ← z − rate · g / (√(v / (1 − β₂ᵗ)) + ε), and w becomes a mean of z and what it was.
/// </summary>
public sealed class ScheduleFreeAdamW : MomentsOptimizer
{
    readonly Hyperparameter<double> _warmupSteps;
    Slot _momentum, _velocity;

    /// <summary>A ScheduleFreeAdamW with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.0025. Keras: <c>learning_rate</c>.</param>
    /// <param name="beta1">How much the mean weighs against z, in [0, 1]. Keras: <c>beta_1</c>.</param>
    /// <param name="beta2">Decay of the mean of their squares, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <param name="epsilon">Added against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <param name="warmupSteps">Over how many steps the rate rises, finite and ≥ 0. Keras: <c>warmup_steps</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public ScheduleFreeAdamW(
        LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double warmupSteps = 0)
        : base(learningRate ?? 0.0025, beta1, beta2, epsilon) =>
        _warmupSteps = Hyperparameters.Steps("warmup_steps", warmupSteps, NumberRange.NotNegative);

    /// <summary>Over how many steps the rate rises, finite and ≥ 0; 0 by default. Keras: <c>warmup_steps</c>.</summary>
    public double WarmupSteps => _warmupSteps;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) => (_momentum, _velocity) = slots.Add(
        new SlotSpec("momentum") { StartsAsVariable = true }, new SlotSpec("velocity") { IsNeverNegative = true });

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        L one = L.Of(1), beta1 = L.Of(Beta1), step = L.Of(context.Iterations + 1), part = one / step;
        L rate = WarmupSteps > 0 ? context.LearningRate * L.Min(step / L.Of(WarmupSteps), one) : context.LearningRate;
        L correction = one - L.Pow(Beta2, context.Iterations + 1);
        var rule = new Rule<L>(rate, beta1, one - beta1, one - L.Of(Beta2), L.Of(Epsilon), correction, part, one - part);
        context.Run(rule, _momentum, _velocity);
    }

    readonly struct Rule<L>(L rate, L beta1, L rest1, L rest2, L epsilon, L correction, L part, L rest) : IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L velocity)
        {
            velocity += (gradient * gradient - velocity) * rest2;
            momentum -= rate * gradient / (L.Sqrt(velocity / correction) + epsilon);
            L mean = rest * ((weight - rest1 * momentum) / beta1) + part * momentum;
            weight = rest1 * momentum + beta1 * mean;
        }
    }
}
