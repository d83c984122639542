using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Adam as PyTorch's <c>torch.optim.Adam</c> computes it, with the slots of <see cref="Adam"/>: ε is added after the correction of the bias,
/// w ← w − rate / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε). AMSGrad divides by the largest v so far.
/// </summary>
public class TorchAdam : Adam
{
    readonly Hyperparameter<double> _coupledWeightDecay;
    readonly Hyperparameter<bool> _maximize;

    /// <summary>An Adam with PyTorch's defaults. A rate of null is 0.001; the properties describe the other arguments.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public TorchAdam(
        LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double coupledWeightDecay = 0,
        bool amsGrad = false, bool maximize = false)
        : base(learningRate, beta1, beta2, epsilon, amsGrad)
    {
        _coupledWeightDecay = Hyperparameters.Number("coupled_weight_decay", coupledWeightDecay);
        _maximize = Hyperparameters.Switch("maximize", maximize);
    }

    /// <summary>Part of the weight that is added to its gradient, any finite number; 0 by default. PyTorch: <c>weight_decay</c>.</summary>
    public double CoupledWeightDecay => _coupledWeightDecay;

    /// <summary>Whether the objective is to grow; false by default. PyTorch: <c>maximize</c>.</summary>
    public bool Maximize => _maximize;

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        // PyTorch forms its coefficients in double.
        double rate = context.UnroundedLearningRate / (1 - Math.Pow(Beta1, context.Iterations + 1));
        double root = Math.Sqrt(1 - Math.Pow(Beta2, context.Iterations + 1));
        var rule = new Rule<L>(
            L.Of(rate), L.Of(root), L.Of(1 - Beta1), L.Of(Beta2), L.Of(1 - Beta2), L.Of(Epsilon), L.Of(CoupledWeightDecay),
            L.Of(Maximize ? -1 : 1), AmsGrad);
        context.Run(rule, _momentum, _velocity, _largest);
    }

    readonly struct Rule<L>(L rate, L root, L rest1, L beta2, L rest2, L epsilon, L decay, L sign, bool amsGrad) : IRule3<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L velocity, ref L largest)
        {
            gradient = sign * gradient + decay * weight;
            momentum += (gradient - momentum) * rest1;
            velocity = beta2 * velocity + rest2 * (gradient * gradient);
            largest = L.Max(largest, velocity);
            weight -= rate * momentum / (L.Sqrt(amsGrad ? largest : velocity) / root + epsilon);
        }
    }
}
