using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Adam (Kingma and Ba, 2014), as Keras computes it: m ← m + (g − m) · (1 − β₁), v ← v + (g² − v) · (1 − β₂),
/// w ← w − m · α / (√v + ε) with α = rate · √(1 − β₂ᵗ) / (1 − β₁ᵗ). AMSGrad divides by the largest v so far.
/// </summary>
public class Adam : RuleOptimizer, IBetas
{
    readonly Hyperparameter<double> _beta1, _beta2, _epsilon;
    readonly Hyperparameter<bool> _amsGrad;
    Slot _momentum, _velocity, _largest;

    /// <summary>An Adam with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1]. Keras: <c>beta_1</c>.</param>
    /// <param name="beta2">Decay of the mean of their squares, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <param name="epsilon">Added against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <param name="amsGrad">Whether the largest mean of squares so far is kept and used. Keras: <c>amsgrad</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Adam(
        LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7, bool amsGrad = false)
        : base(learningRate ?? 0.001)
    {
        _beta1 = Hyperparameters.Number("beta_1", beta1, NumberRange.Unit);
        _beta2 = Hyperparameters.Number("beta_2", beta2, NumberRange.Unit);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
        _amsGrad = Hyperparameters.Switch("amsgrad", amsGrad);
    }

    /// <summary>Decay of the mean of the gradients, in [0, 1]. It may be changed between steps.</summary>
    public double Beta1 { get => _beta1; set => _beta1.Value = value; }

    /// <summary>Decay of the mean of their squares, in [0, 1]. It may be changed between steps.</summary>
    public double Beta2 { get => _beta2; set => _beta2.Value = value; }

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots)
    {
        (_momentum, _velocity) = slots.Add("momentum", new SlotSpec("velocity") { IsNeverNegative = true, Decay = () => Beta2 });
        _largest = _amsGrad ? slots.Add(new SlotSpec("velocity_hat") { IsNeverNegative = true }) : Slot.Absent;
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        L one = L.Of(1), power1 = L.Pow(Beta1, context.Iterations + 1), power2 = L.Pow(Beta2, context.Iterations + 1);
        L alpha = context.LearningRate * L.Sqrt(one - power2) / (one - power1);
        var rule = new Rule<L>(alpha, L.Of(1 - Beta1), L.Of(1 - Beta2), L.Of(_epsilon));
        if (_largest.IsAbsent)
            context.Run(rule, _momentum, _velocity);
        else
            context.Run(rule, _momentum, _velocity, _largest);
    }

    readonly struct Rule<L>(L alpha, L rest1, L rest2, L epsilon) : IRule2<L>, IRule3<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L velocity)
        {
            momentum += (gradient - momentum) * rest1;
            velocity += (gradient * gradient - velocity) * rest2;
            weight -= momentum * alpha / (L.Sqrt(velocity) + epsilon);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L velocity, ref L largest)
        {
            momentum += (gradient - momentum) * rest1;
            velocity += (gradient * gradient - velocity) * rest2;
            largest = L.Max(largest, velocity);
            weight -= momentum * alpha / (L.Sqrt(largest) + epsilon);
        }
    }
}
