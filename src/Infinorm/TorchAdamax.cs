using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Infinorm.Kernels;
using Infinorm.Pipeline;

namespace Infinorm;

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
public sealed class TorchAdamax : Optimizer, IBetas
{
    Slot _momentum, _norm;

    /// <summary>An Adamax with PyTorch's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.002. PyTorch: <c>lr</c>.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1].</param>
    /// <param name="beta2">Decay of the infinity norm of the gradients, in [0, 1].</param>
    /// <param name="epsilon">Added to the absolute gradient, finite and ≥ 0. PyTorch: <c>eps</c>.</param>
    /// <param name="coupledWeightDecay">
    /// Part of the weight that is added to its gradient, any finite number. PyTorch: <c>weight_decay</c>; the decoupled decay is
    /// <see cref="Optimizer.WeightDecay"/>.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public TorchAdamax(
        LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double coupledWeightDecay = 0)
        : base(learningRate ?? 0.002)
    {
        Beta1 = beta1;
        Beta2 = beta2;
        Epsilon = Check.NotNegative(epsilon, nameof(epsilon));
        CoupledWeightDecay = Check.Finite(coupledWeightDecay, nameof(coupledWeightDecay));
    }

    /// <summary>Decay of the mean of the gradients, in [0, 1]. It may be changed between steps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is outside its range.</exception>
    public double Beta1
    {
        get;
        set => field = Check.InUnitInterval(value, "beta1");
    }

    /// <summary>Decay of the infinity norm of the gradients, in [0, 1]. It may be changed between steps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is outside its range.</exception>
    public double Beta2
    {
        get;
        set => field = Check.InUnitInterval(value, "beta2");
    }

    /// <summary>Added to the absolute gradient.</summary>
    public double Epsilon { get; }

    /// <summary>Part of the weight that is added to its gradient.</summary>
    public double CoupledWeightDecay { get; }

    /// <inheritdoc/>
    protected override void Build(Slots slots)
    {
        _momentum = slots.Add("momentum");
        _norm = slots.Add("norm");
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(Step<L> step)
    {
        // PyTorch forms its coefficients in double.
        L rate = step.LearningRate / L.Of(1 - Math.Pow(Beta1, step.Iterations + 1));
        step.Run(
            new Rule<L>(rate, L.Of(CoupledWeightDecay), L.Of(Beta1), L.Of(1 - Beta1), L.Of(Beta2), L.Of(Epsilon)), _momentum, _norm);
    }

    /// <inheritdoc/>
    protected override void GetConfig(JsonObject config)
    {
        config["beta_1"] = Beta1;
        config["beta_2"] = Beta2;
        config["epsilon"] = Epsilon;
        config["coupled_weight_decay"] = CoupledWeightDecay;
    }

    internal static TorchAdamax FromConfig(ConfigReader config) => new(
        config.LearningRate(0.002), config.Number("beta_1", 0.9), config.Number("beta_2", 0.999), config.Number("epsilon", 1e-8),
        config.Number("coupled_weight_decay", 0));

    readonly struct Rule<L>(L rate, L decay, L keep, L take, L keepNorm, L epsilon) : IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L norm)
        {
            gradient += decay * weight;
            momentum = keep * momentum + take * gradient;
            norm = L.Max(keepNorm * norm, L.Abs(gradient) + epsilon);
            weight -= rate * momentum / norm;
        }
    }
}
