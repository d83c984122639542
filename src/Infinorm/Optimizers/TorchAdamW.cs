using Infinorm.Schedules;

namespace Infinorm.Optimizers;

/// <summary>
/// AdamW as PyTorch's <c>torch.optim.AdamW</c> computes it: <see cref="TorchAdam"/> with a decoupled weight decay of 0.01 unless
/// <see cref="RuleOptimizer.WeightDecay"/> says otherwise; w ← w · (1 − rate · decay), the factor rounded once.
/// </summary>
public sealed class TorchAdamW : TorchAdam
{
    /// <summary>An AdamW with PyTorch's defaults.</summary>
    /// <param name="learningRate">A number, a schedule or a function; null for 0.001. PyTorch: <c>lr</c>.</param>
    /// <param name="beta1">Decay of the mean of the gradients, in [0, 1]. PyTorch: <c>betas</c>.</param>
    /// <param name="beta2">Decay of the mean of their squares, in [0, 1]. PyTorch: <c>betas</c>.</param>
    /// <param name="epsilon">Added against division by zero, finite and ≥ 0. PyTorch: <c>eps</c>.</param>
    /// <param name="amsGrad">Whether the largest mean of squares so far is kept and used. PyTorch: <c>amsgrad</c>.</param>
    /// <param name="maximize">Whether the objective is to grow. PyTorch: <c>maximize</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    public TorchAdamW(
        LearningRate? learningRate = null, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, bool amsGrad = false,
        bool maximize = false)
        : base(learningRate, beta1, beta2, epsilon, coupledWeightDecay: 0, amsGrad, maximize) => WeightDecay = 0.01;

    private protected override bool DecaysByFactor => true;
}
