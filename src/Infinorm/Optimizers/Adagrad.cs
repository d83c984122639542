using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Adagrad (Duchi, Hazan and Singer, 2011), for sparse gradients: a ← a + g², w ← w − rate · g / √(a + ε).
/// </summary>
public sealed class Adagrad : RuleOptimizer
{
    readonly Hyperparameter<double> _initial, _epsilon;
    Slot _accumulator;

    /// <summary>An Adagrad with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="initialAccumulatorValue">
    /// Where the sums of squares begin, finite and ≥ 0. Keras: <c>initial_accumulator_value</c>.
    /// </param>
    /// <param name="epsilon">Added against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Adagrad(LearningRate? learningRate = null, double initialAccumulatorValue = 0.1, double epsilon = 1e-7)
        : base(learningRate ?? 0.001)
    {
        _initial = Hyperparameters.Number("initial_accumulator_value", initialAccumulatorValue, NumberRange.NotNegative);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
    }

    /// <summary>Where the sums of squares begin, finite and ≥ 0; 0.1 by default. Keras: <c>initial_accumulator_value</c>.</summary>
    public double InitialAccumulatorValue => _initial;

    /// <summary>Added against division by zero, finite and ≥ 0; 1e-7 by default. Keras: <c>epsilon</c>.</summary>
    public double Epsilon => _epsilon;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) =>
        _accumulator = slots.Add(new SlotSpec("accumulator") { Initial = InitialAccumulatorValue, IsNeverNegative = true, Decay = static () => 1 });

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context) =>
        context.Run(new Rule<L>(context.LearningRate, L.Of(Epsilon)), _accumulator);

    readonly struct Rule<L>(L rate, L epsilon) : IRule1<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L accumulator)
        {
            accumulator += gradient * gradient;
            weight -= rate * gradient / L.Sqrt(accumulator + epsilon);
        }
    }
}
