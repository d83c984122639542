using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// "Follow the regularized leader" (McMahan and others, 2013), as Keras computes it: each step recomputes the weights from two slots,
/// so what was assigned to them from outside is lost.
/// </summary>
public sealed class Ftrl : RuleOptimizer
{
    readonly Hyperparameter<double> _power, _initial, _l1, _l2, _shrinkage, _beta;
    Slot _accumulator, _linear;

    /// <summary>An Ftrl with Keras's defaults. A rate of null is 0.001; the properties describe the other arguments.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Ftrl(
        LearningRate? learningRate = null, double learningRatePower = -0.5, double initialAccumulatorValue = 0.1,
        double l1RegularizationStrength = 0, double l2RegularizationStrength = 0, double l2ShrinkageRegularizationStrength = 0, double beta = 0)
        : base(learningRate ?? 0.001)
    {
        _power = Hyperparameters.Number("learning_rate_power", learningRatePower, NumberRange.NotPositive);
        _initial = Hyperparameters.Number("initial_accumulator_value", initialAccumulatorValue, NumberRange.NotNegative);
        _l1 = Hyperparameters.Number("l1_regularization_strength", l1RegularizationStrength, NumberRange.NotNegative);
        _l2 = Hyperparameters.Number("l2_regularization_strength", l2RegularizationStrength, NumberRange.NotNegative);
        _shrinkage = Hyperparameters.Number("l2_shrinkage_regularization_strength", l2ShrinkageRegularizationStrength, NumberRange.NotNegative);
        _beta = Hyperparameters.Number("beta", beta);
    }

    /// <summary>How the rate falls, finite and ≤ 0: −0.5 by default, 0 for a fixed rate. Keras: <c>learning_rate_power</c>.</summary>
    public double LearningRatePower => _power;

    /// <summary>Where the sums of squares begin, finite and ≥ 0; 0.1 by default. Keras: <c>initial_accumulator_value</c>.</summary>
    public double InitialAccumulatorValue => _initial;

    /// <summary>How much small weights are drawn to 0, finite and ≥ 0; 0 by default. Keras: <c>l1_regularization_strength</c>.</summary>
    public double L1RegularizationStrength => _l1;

    /// <summary>How much all weights are drawn to 0, finite and ≥ 0; 0 by default. Keras: <c>l2_regularization_strength</c>.</summary>
    public double L2RegularizationStrength => _l2;

    /// <summary>
    /// Half the part of the weight that is added to its gradient, finite and ≥ 0; 0 by default. Keras:
    /// <c>l2_shrinkage_regularization_strength</c>.
    /// </summary>
    public double L2ShrinkageRegularizationStrength => _shrinkage;

    /// <summary>β of the paper, any finite number; 0 by default. Keras: <c>beta</c>.</summary>
    public double Beta => _beta;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) =>
        (_accumulator, _linear) = slots.Add(
            new SlotSpec("accumulator") { Initial = _initial, IsNeverNegative = true }, new SlotSpec("linear") { NeedsFullStorage = true });

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        L rate = context.LearningRate, two = L.Of(2), l2 = L.Of(_l2) + L.Of(_beta) / (two * rate);
        context.Run(new Rule<L>(rate, L.Of(_l1), two * l2, L.Of(2 * _shrinkage), -_power), _accumulator, _linear);
    }

    readonly struct Rule<L>(L rate, L l1, L twoL2, L twoShrinkage, double power) : IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L accumulator, ref L linear)
        {
            L sum = accumulator + gradient * gradient, raised = L.Pow(sum, power);
            linear += gradient + twoShrinkage * weight - (raised - L.Pow(accumulator, power)) / rate * weight;
            weight = (L.Max(L.Min(linear, l1), -l1) - linear) / (raised / rate + twoL2);
            accumulator = sum;
        }
    }
}
