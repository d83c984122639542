using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// RMSprop (Hinton, 2012): v ← ρ · v + (1 − ρ) · g², w ← w − rate · g / √(v + ε). Centered, v − a² stands for v, with the mean
/// a ← ρ · a + (1 − ρ) · g. With momentum, m ← momentum · m + the step, w ← w − m.
/// </summary>
public sealed class RMSprop : RuleOptimizer
{
    readonly Hyperparameter<double> _rho, _momentum, _epsilon;
    readonly Hyperparameter<bool> _centered;
    Slot _velocity, _moment, _mean;

    /// <summary>RMSprop with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="rho">Decay of the means, in [0, 1].</param>
    /// <param name="momentum">How much of the last step is taken again, finite and ≥ 0; 0, the default, keeps no slot.</param>
    /// <param name="epsilon">Added against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <param name="centered">Whether the mean of the gradients is taken off, so that their variance remains.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public RMSprop(
        LearningRate? learningRate = null, double rho = 0.9, double momentum = 0, double epsilon = 1e-7, bool centered = false)
        : base(learningRate ?? 0.001)
    {
        _rho = Hyperparameters.Number("rho", rho, NumberRange.Unit);
        _momentum = Hyperparameters.Number("momentum", momentum, NumberRange.NotNegative);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
        _centered = Hyperparameters.Switch("centered", centered);
    }

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots)
    {
        _velocity = slots.Add(new SlotSpec("velocity") { IsNeverNegative = true });
        _moment = _momentum > 0 ? slots.Add("momentum") : Slot.Absent;
        _mean = _centered ? slots.Add("average_gradient") : Slot.Absent;
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(
        new Rule<L>(context.LearningRate, L.Of(_rho), L.Of(1 - _rho), L.Of(_momentum), L.Of(_epsilon), _centered, _momentum > 0),
        _velocity, _moment, _mean);

    readonly struct Rule<L>(L rate, L rho, L rest, L momentum, L epsilon, bool centered, bool moves) : IRule3<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L velocity, ref L moment, ref L mean)
        {
            velocity = rho * velocity + rest * (gradient * gradient);
            mean = rho * mean + rest * gradient;
            L step = rate * gradient / L.Sqrt((centered ? velocity - mean * mean : velocity) + epsilon);
            moment = momentum * moment + step;
            weight -= moves ? moment : step;
        }
    }
}
