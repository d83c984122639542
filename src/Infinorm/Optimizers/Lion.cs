using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Lion (Chen and others, 2023), whose steps all have the size of the rate: w ← w − rate · sign(β₁ · m + (1 − β₁) · g),
/// m ← β₂ · m + (1 − β₂) · g.
/// </summary>
public sealed class Lion : RuleOptimizer
{
    static readonly NumberRange AboveZero = new("in (0, 1]", value => value is > 0 and <= 1);

    readonly Hyperparameter<double> _beta1, _beta2;
    Slot _momentum;

    /// <summary>A Lion with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="beta1">Part of the mean in the step's direction, in (0, 1]. Keras: <c>beta_1</c>.</param>
    /// <param name="beta2">Decay of the mean of the gradients, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Lion(LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.99)
        : base(learningRate ?? 0.001)
    {
        _beta1 = Hyperparameters.Number("beta_1", beta1, AboveZero);
        _beta2 = Hyperparameters.Number("beta_2", beta2, NumberRange.Unit);
    }

    /// <summary>Part of the mean in the step's direction, in (0, 1]; 0.9 by default. Keras: <c>beta_1</c>.</summary>
    public double Beta1 => _beta1;

    /// <summary>Decay of the mean of the gradients, in [0, 1]; 0.99 by default. Keras: <c>beta_2</c>.</summary>
    public double Beta2 => _beta2;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) => _momentum = slots.Add("momentum");

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        L one = L.Of(1), beta1 = L.Of(Beta1), beta2 = L.Of(Beta2);
        context.Run(new Rule<L>(context.LearningRate, beta1, one - beta1, beta2, one - beta2), _momentum);
    }

    readonly struct Rule<L>(L rate, L beta1, L rest1, L beta2, L rest2) : IRule1<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum)
        {
            weight -= rate * L.Sign(momentum * beta1 + gradient * rest1);
            momentum = momentum * beta2 + gradient * rest2;
        }
    }
}
