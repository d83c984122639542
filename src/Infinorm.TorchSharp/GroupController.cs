using Infinorm.Optimizers;
using Infinorm.Variables;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>A group of parameters as TorchSharp's schedulers see it.</summary>
/// <param name="optimizer">The optimizer that steps.</param>
/// <param name="group">The group.</param>
/// <param name="isOnly">Whether all parameters are in it; then its rate is the optimizer's own, which checkpoints hold.</param>
sealed class GroupController(Optimizer optimizer, VariableGroup group, bool isOnly) : torch.optim.ILearningRateController, torch.optim.IBetas
{
    (double, double)? _betas;

    /// <summary>The rate in force for the next step; set, it is the group's own from then on.</summary>
    /// <exception cref="InvalidOperationException">It is set where a schedule or function gives the rate.</exception>
    public double LearningRate
    {
        get => optimizer.CurrentRateOf(group);
        set
        {
            if ((group.LearningRate ?? optimizer.LearningRate).Value is null)
            {
                throw new InvalidOperationException(
                    $"{optimizer.Name}: a schedule or function gives the learning rate, so it cannot be set to {value}; use either "
                    + "Infinorm's schedules or TorchSharp's.");
            }

            if (isOnly && group.LearningRate is null)
                optimizer.LearningRate = value;
            else
                group.LearningRate = value;
        }
    }

    public double InitialLearningRate { get; set; } = optimizer.CurrentRateOf(group);

    /// <summary>The optimizer's betas. What is set for one group must be set for all before the next step.</summary>
    public (double, double) Betas
    {
        get => _betas ?? (Of(optimizer).Beta1, Of(optimizer).Beta2);
        set
        {
            (Of(optimizer).Beta1, Of(optimizer).Beta2) = value;
            _betas = value;
        }
    }

    /// <summary>Whether the same betas were set for both.</summary>
    public bool SharesBetasWith(GroupController other) => _betas == other._betas;

    static MomentsOptimizer Of(Optimizer optimizer) => optimizer.Steppers is [MomentsOptimizer moments] ? moments
        : throw new NotSupportedException(
            $"{optimizer.Name}: an optimizer of class {optimizer.GetType().Name} has no betas; make the scheduler with cycle_momentum false.");
}
