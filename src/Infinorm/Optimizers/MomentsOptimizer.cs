using Infinorm.Config;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>What the optimizers of Adam's kind share: the decays of two means of the gradients, and what is added against division by zero.</summary>
public abstract class MomentsOptimizer : RuleOptimizer
{
    readonly Hyperparameter<double> _beta1, _beta2, _epsilon;

    /// <summary>Declares what they share.</summary>
    /// <param name="learningRate">A number, a schedule or a function.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1].</param>
    /// <param name="beta2">Decay of the mean of the gradients' squares, or of their norm, in [0, 1].</param>
    /// <param name="epsilon">Added against division by zero, finite and ≥ 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    protected MomentsOptimizer(LearningRate learningRate, double beta1, double beta2, double epsilon)
        : base(learningRate)
    {
        _beta1 = Hyperparameters.Number("beta_1", beta1, NumberRange.Unit);
        _beta2 = Hyperparameters.Number("beta_2", beta2, NumberRange.Unit);
        _epsilon = Hyperparameters.Number("epsilon", epsilon, NumberRange.NotNegative);
    }

    /// <summary>
    /// Decay of the mean of the gradients, in [0, 1]; 0.9 by default. It may be changed between steps. At 1 the mean stays 0, and where it is
    /// divided by 1 − β₁ᵗ every weight is NaN after the first step, as in Keras. Keras: <c>beta_1</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is outside its range.</exception>
    public double Beta1
    {
        get => _beta1;
        set => _beta1.Value = value;
    }

    /// <summary>
    /// Decay of the mean of the gradients' squares, or of their infinity norm, in [0, 1]; 0.999 by default. It may be changed between steps.
    /// Keras: <c>beta_2</c>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is outside its range.</exception>
    public double Beta2
    {
        get => _beta2;
        set => _beta2.Value = value;
    }

    /// <summary>Added against division by zero, finite and ≥ 0; the constructors have the defaults. Keras: <c>epsilon</c>.</summary>
    public double Epsilon => _epsilon;
}
