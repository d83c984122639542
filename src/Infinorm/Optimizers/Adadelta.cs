using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Adadelta (Zeiler, 2012): a ← ρ · a + (1 − ρ) · g², d = −√(s + ε) · g / √(a + ε), s ← ρ · s + (1 − ρ) · d², w ← w + rate · d.
/// </summary>
public sealed class Adadelta : RuleOptimizer
{
    readonly Hyperparameter<double> _rho, _epsilon;
    Slot _gradients, _steps;

    /// <summary>An Adadelta with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="rho">Decay of the means of squares, in [0, 1]. Keras: <c>rho</c>.</param>
    /// <param name="epsilon">Added against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Adadelta(LearningRate? learningRate = null, double rho = 0.95, double epsilon = 1e-7)
        : base(learningRate ?? 0.001)
    {
        _rho = Hyperparameters.Number("rho", rho, NumberRange.Unit);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
    }

    /// <summary>Decay of the means of squares, in [0, 1]; 0.95 by default. Keras: <c>rho</c>.</summary>
    public double Rho => _rho;

    /// <summary>Added against division by zero, finite and ≥ 0; 1e-7 by default. Keras: <c>epsilon</c>.</summary>
    public double Epsilon => _epsilon;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) => (_gradients, _steps) = slots.Add(
        new SlotSpec("accumulated_grad") { IsNeverNegative = true, Decay = () => Rho },
        new SlotSpec("accumulated_delta_var") { IsNeverNegative = true, Decay = () => Rho });

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context) =>
        context.Run(new Rule<L>(context.LearningRate, L.Of(Rho), L.Of(1 - Rho), L.Of(Epsilon)), _gradients, _steps);

    readonly struct Rule<L>(L rate, L rho, L rest, L epsilon) : IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L gradients, ref L steps)
        {
            gradients = rho * gradients + rest * (gradient * gradient);
            L step = -(L.Sqrt(steps + epsilon) * gradient / L.Sqrt(gradients + epsilon));
            steps = rho * steps + rest * (step * step);
            weight += rate * step;
        }
    }
}
