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

    /// <summary>RMSprop with Keras's defaults. A rate of null is 0.001; the properties describe the other arguments.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public RMSprop(LearningRate? learningRate = null, double rho = 0.9, double momentum = 0, double epsilon = 1e-7, bool centered = false)
        : base(learningRate ?? 0.001)
    {
        _rho = Hyperparameters.Number("rho", rho, NumberRange.Unit);
        _momentum = Hyperparameters.Number("momentum", momentum, NumberRange.NotNegative);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
        _centered = Hyperparameters.Switch("centered", centered);
    }

    /// <summary>Decay of the means, in [0, 1]; 0.9 by default. Keras: <c>rho</c>.</summary>
    public double Rho => _rho;

    /// <summary>How much of the last step is taken again, finite and ≥ 0; 0, the default, keeps no slot. Keras: <c>momentum</c>.</summary>
    public double Momentum => _momentum;

    /// <summary>Added against division by zero, finite and ≥ 0; 1e-7 by default. Keras: <c>epsilon</c>.</summary>
    public double Epsilon => _epsilon;

    /// <summary>Whether the squared mean of the gradients is taken off v; false by default. Keras: <c>centered</c>.</summary>
    public bool Centered => _centered;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots)
    {
        _velocity = slots.Add(new SlotSpec("velocity") { IsNeverNegative = true, Decay = () => Rho, NeedsFullStorage = Centered });
        _moment = Momentum > 0 ? slots.Add("momentum") : Slot.Absent;
        _mean = Centered ? slots.Add("average_gradient") : Slot.Absent;
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(
        new Rule<L>(context.LearningRate, L.Of(Rho), L.Of(1 - Rho), L.Of(Momentum), L.Of(Epsilon), Centered, Momentum > 0),
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
