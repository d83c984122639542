namespace Infinorm;

/// <summary>What a call of Apply did.</summary>
public enum StepResult
{
    /// <summary>The variables were updated.</summary>
    Updated,

    /// <summary>The gradients were accumulated; the update comes with a later call.</summary>
    Accumulated,

    /// <summary>
    /// A gradient was not finite, so a <see cref="LossScaleOptimizer"/> dropped the call and halved its scale; nothing else changed.
    /// </summary>
    Skipped,
}

/// <summary>What a call of Apply did and what it saw.</summary>
/// <param name="Result">Whether the variables were updated.</param>
/// <param name="MissingGradients">How many of the built variables had no gradient in this call.</param>
/// <param name="GradientNorm">
/// The norm of all gradients before clipping, if <see cref="Optimizer.GlobalClipNorm"/> is set and this call updated; else null.
/// </param>
/// <param name="ClipFactor">What the gradients were multiplied by, in the same case; else null.</param>
/// <param name="LearningRate">The rate in force; where variables are in groups with rates of their own, that of the first group.</param>
public readonly record struct StepInfo(
    StepResult Result, int MissingGradients, double? GradientNorm, double? ClipFactor, double LearningRate);
