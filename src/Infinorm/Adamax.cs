using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Infinorm.Kernels;
using Infinorm.Pipeline;

namespace Infinorm;

/// <summary>
/// Adamax, the variant of Adam based on the infinity norm (Kingma and Ba, 2014, section 7.1), as Keras computes it:
/// <code>
/// m ← m + (g − m) · (1 − β₁)
/// u ← max(β₂ · u, |g|)
/// w ← w − rate · m / ((1 − β₁ᵗ) · (u + ε))
/// </code>
/// It is less sensitive to the scale of the gradients than Adam, which helps where their noise changes with time, as in speech.
/// </summary>
public sealed class Adamax : Optimizer, IBetas
{
    Slot _momentum, _norm;

#pragma warning disable RS0026 // A lambda does not go through a conversion to LearningRate, so it needs a constructor of its own.
    /// <summary>An Adamax with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1]. Keras: <c>beta_1</c>.</param>
    /// <param name="beta2">Decay of the infinity norm of the gradients, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <param name="epsilon">Added to the norm against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Adamax(LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7)
        : base(learningRate ?? 0.001)
    {
        Beta1 = beta1;
        Beta2 = beta2;
        Epsilon = Check.NotNegative(epsilon, nameof(epsilon));
    }

    /// <summary>An Adamax whose rate is computed by the caller.</summary>
    /// <param name="learningRate">A function that is asked for the rate of each step.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1]. Keras: <c>beta_1</c>.</param>
    /// <param name="beta2">Decay of the infinity norm of the gradients, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <param name="epsilon">Added to the norm against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Adamax(Func<double> learningRate, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7)
        : this(new LearningRate(learningRate), beta1, beta2, epsilon)
    {
    }

#pragma warning restore RS0026

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

    /// <summary>Added to the norm against division by zero.</summary>
    public double Epsilon { get; }

    /// <inheritdoc/>
    protected override void Build(Slots slots)
    {
        _momentum = slots.Add("momentum");
        _norm = slots.Add("norm");
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(Step<L> step)
    {
        L correction = L.Of(1) - L.Pow(Beta1, step.Iterations + 1);
        step.Run(new Rule<L>(step.LearningRate, L.Of(1 - Beta1), L.Of(Beta2), L.Of(Epsilon), correction), _momentum, _norm);
    }

    /// <inheritdoc/>
    protected override void GetConfig(JsonObject config)
    {
        config["beta_1"] = Beta1;
        config["beta_2"] = Beta2;
        config["epsilon"] = Epsilon;
    }

    internal static Adamax FromConfig(ConfigReader config) => new(
        config.LearningRate(0.001), config.Number("beta_1", 0.9), config.Number("beta_2", 0.999), config.Number("epsilon", 1e-7));

    readonly struct Rule<L>(L rate, L take, L keepNorm, L epsilon, L correction) : IRule2<L>
        where L : struct, ILane<L>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Step(ref L weight, L gradient, ref L momentum, ref L norm)
        {
            momentum += (gradient - momentum) * take;
            norm = L.Max(keepNorm * norm, L.Abs(gradient));
            weight -= rate * momentum / (correction * (norm + epsilon));
        }
    }
}
