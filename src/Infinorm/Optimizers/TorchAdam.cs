using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Adam as PyTorch's <c>torch.optim.Adam</c> computes it: ε is added after the correction of the bias, w ← w − rate / (1 − β₁ᵗ) · m /
/// (√v / √(1 − β₂ᵗ) + ε). AMSGrad divides by the largest v so far.
/// </summary>
public class TorchAdam : RuleOptimizer, IBetas
{
    readonly Hyperparameter<double> _beta1, _beta2, _epsilon, _coupledWeightDecay;
    readonly Hyperparameter<bool> _amsGrad, _maximize;
    Slot _momentum, _velocity, _largest;

    /// <summary>An Adam with PyTorch's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. PyTorch: <c>lr</c>.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1].</param>
    /// <param name="beta2">Decay of the mean of their squares, in [0, 1].</param>
    /// <param name="epsilon">Added against division by zero, finite and ≥ 0. PyTorch: <c>eps</c>.</param>
    /// <param name="coupledWeightDecay">Part of the weight that is added to its gradient. PyTorch: <c>weight_decay</c>.</param>
    /// <param name="amsGrad">Whether the largest mean of squares so far is kept and used. PyTorch: <c>amsgrad</c>.</param>
    /// <param name="maximize">Whether the objective is to grow.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public TorchAdam(
        LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double coupledWeightDecay = 0,
        bool amsGrad = false, bool maximize = false)
        : base(learningRate ?? 0.001)
    {
        _beta1 = Hyperparameters.Number("beta_1", beta1, NumberRange.Unit);
        _beta2 = Hyperparameters.Number("beta_2", beta2, NumberRange.Unit);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
        _coupledWeightDecay = Hyperparameters.Number("coupled_weight_decay", coupledWeightDecay);
        _amsGrad = Hyperparameters.Switch("amsgrad", amsGrad);
        _maximize = Hyperparameters.Switch("maximize", maximize);
    }

    /// <summary>Decay of the mean of the gradients, in [0, 1]. It may be changed between steps.</summary>
    public double Beta1 { get => _beta1; set => _beta1.Value = value; }

    /// <summary>Decay of the mean of their squares, in [0, 1]. It may be changed between steps.</summary>
    public double Beta2 { get => _beta2; set => _beta2.Value = value; }

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots)
    {
        (_momentum, _velocity) = slots.Add("momentum", new SlotSpec("velocity") { IsNeverNegative = true });
        _largest = _amsGrad ? slots.Add(new SlotSpec("velocity_hat") { IsNeverNegative = true }) : Slot.Absent;
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        // PyTorch forms its coefficients in double.
        double rate = context.UnroundedLearningRate / (1 - Math.Pow(Beta1, context.Iterations + 1));
        double root = Math.Sqrt(1 - Math.Pow(Beta2, context.Iterations + 1));
        var rule = new Rule<L>(
            L.Of(rate), L.Of(root), L.Of(1 - Beta1), L.Of(Beta2), L.Of(1 - Beta2), L.Of(_epsilon), L.Of(_coupledWeightDecay),
            L.Of(_maximize ? -1 : 1));
        if (_largest.IsAbsent)
            context.Run(rule, _momentum, _velocity);
        else
            context.Run(rule, _momentum, _velocity, _largest);
    }

    readonly struct Rule<L>(L rate, L root, L rest1, L beta2, L rest2, L epsilon, L decay, L sign) : IRule2<L>, IRule3<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L velocity)
        {
            gradient = sign * gradient + decay * weight;
            momentum += (gradient - momentum) * rest1;
            velocity = beta2 * velocity + rest2 * (gradient * gradient);
            weight -= rate * momentum / (L.Sqrt(velocity) / root + epsilon);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L velocity, ref L largest)
        {
            gradient = sign * gradient + decay * weight;
            momentum += (gradient - momentum) * rest1;
            velocity = beta2 * velocity + rest2 * (gradient * gradient);
            largest = L.Max(largest, velocity);
            weight -= rate * momentum / (L.Sqrt(largest) / root + epsilon);
        }
    }
}
