using System.Runtime.CompilerServices;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Adamax as PyTorch's <c>torch.optim.Adamax</c> computes it, so that a run begun there continues with the same numbers:
/// <code>
/// g ← g + coupled weight decay · w
/// m ← β₁ · m + (1 − β₁) · g
/// u ← max(β₂ · u, |g| + ε)
/// w ← w − rate / (1 − β₁ᵗ) · m / u
/// </code>
/// It differs from <see cref="Adamax"/> in where ε stands and in the defaults. Their slots have the same names and shapes, but not the
/// same norm: here it contains ε, there it does not. The state of one can be loaded into the other; the norm is then too large or too
/// small by at most ε, until a gradient renews it.
/// </summary>
public sealed class TorchAdamax : MomentsOptimizer
{
    readonly Hyperparameter<double> _coupledWeightDecay;
    Slot _momentum, _norm;

    /// <summary>An Adamax with PyTorch's defaults. A rate of null is 0.002; the properties describe the other arguments.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public TorchAdamax(
        LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double coupledWeightDecay = 0)
        : base(learningRate ?? 0.002, beta1, beta2, epsilon) =>
        _coupledWeightDecay = Hyperparameters.Number("coupled_weight_decay", coupledWeightDecay);

    /// <summary>Part of the weight that is added to its gradient, any finite number; 0 by default. PyTorch: <c>weight_decay</c>.</summary>
    public double CoupledWeightDecay => _coupledWeightDecay;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots) =>
        (_momentum, _norm) = slots.Add("momentum", new SlotSpec("norm") { IsNeverNegative = true, IsMaximum = true, Decay = () => Beta2 });

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        // PyTorch forms its coefficients in double.
        L rate = context.LearningRate / L.Of(1 - Math.Pow(Beta1, context.Iterations + 1));
        context.Run(
            new Rule<L>(rate, L.Of(CoupledWeightDecay), L.Of(Beta1), L.Of(1 - Beta1), L.Of(Beta2), L.Of(Epsilon)), _momentum, _norm);
    }

    readonly struct Rule<L>(L rate, L decay, L beta1, L oneMinusBeta1, L beta2, L epsilon) : IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L norm)
        {
            gradient += decay * weight;
            momentum = beta1 * momentum + oneMinusBeta1 * gradient;
            norm = L.Max(beta2 * norm, L.Abs(gradient) + epsilon);
            weight -= rate * momentum / norm;
        }
    }
}
