using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// Adam (Kingma and Ba, 2014), as Keras computes it: m ← m + (g − m) · (1 − β₁), v ← v + (g² − v) · (1 − β₂),
/// w ← w − m · α / (√v + ε) with α = rate · √(1 − β₂ᵗ) / (1 − β₁ᵗ). AMSGrad divides by the largest v so far.
/// </summary>
public class Adam : MomentsOptimizer
{
    readonly Hyperparameter<bool> _amsGrad;
    private protected Slot _momentum, _velocity, _largest;

    /// <summary>An Adam with Keras's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. Keras: <c>learning_rate</c>.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1]. Keras: <c>beta_1</c>.</param>
    /// <param name="beta2">Decay of the mean of their squares, in [0, 1]. Keras: <c>beta_2</c>.</param>
    /// <param name="epsilon">Added against division by zero, finite and ≥ 0. Keras: <c>epsilon</c>.</param>
    /// <param name="amsGrad">Whether the largest mean of squares so far is kept and used. Keras: <c>amsgrad</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public Adam(
        LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7, bool amsGrad = false)
        : base(learningRate ?? 0.001, beta1, beta2, epsilon) => _amsGrad = Hyperparameters.Switch("amsgrad", amsGrad);

    /// <summary>Whether the largest mean of squares so far is kept and used; false by default. Keras: <c>amsgrad</c>.</summary>
    public bool AmsGrad => _amsGrad;

    /// <inheritdoc/>
    protected override void DefineSlots(Slots slots)
    {
        (_momentum, _velocity) = slots.Add("momentum", new SlotSpec("velocity") { IsNeverNegative = true, Decay = () => Beta2 });
        _largest = AmsGrad ? slots.Add(new SlotSpec("velocity_hat") { IsNeverNegative = true, IsMaximum = true, Decay = static () => 1 }) : Slot.Absent;
    }

    /// <inheritdoc/>
    protected override void UpdateStep<L>(RuleContext<L> context)
    {
        var rule = AdamRule<L>.Of(context.LearningRate, context.Iterations + 1, Beta1, Beta2, Epsilon);
        if (AmsGrad)
            context.Run(rule, _momentum, _velocity, _largest);
        else
            context.Run(rule, _momentum, _velocity);
    }
}
