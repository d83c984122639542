using Infinorm.Types;

namespace Infinorm;

/// <summary>What a call of Apply did.</summary>
public enum StepResult
{
    /// <summary>The variables were updated.</summary>
    Updated,

    /// <summary>The gradients were accumulated. A later call makes the update.</summary>
    Accumulated,

    /// <summary>
    /// A gradient was not finite, so a <see cref="LossScaleOptimizer"/> skipped the step and halved its scale. Nothing else changed.
    /// </summary>
    Skipped,
}

/// <summary>The result of a call of Apply, with what it measured.</summary>
public readonly record struct StepInfo
{
    /// <summary>Whether the variables were updated.</summary>
    public StepResult Result { get; internal init; }

    /// <summary>The number of variables without a gradient in this call.</summary>
    public int MissingGradients { get; internal init; }

    /// <summary>
    /// The norm of all gradients before clipping. Null unless <see cref="RuleOptimizer.GlobalClipNorm"/> is set and this call made an update.
    /// </summary>
    public double? GradientNorm { get; internal init; }

    /// <summary>The factor that clipped the gradients. Null under the same condition.</summary>
    public double? ClipFactor { get; internal init; }

    /// <summary>The learning rate of this call. If groups of variables have rates of their own, the rate of the first group.</summary>
    public double LearningRate { get; internal init; }

    /// <summary>A description in one line: <c>Updated at rate 0.002, norm 3.5, clipped by 0.2857</c>.</summary>
    public override string ToString()
    {
        string text = $"{Result} at rate {NumberText.Of(LearningRate)}";
        if (GradientNorm is { } norm)
            text += $", norm {NumberText.Of(norm)}";
        if (ClipFactor is { } factor)
            text += $", clipped by {NumberText.Of(factor)}";
        return MissingGradients > 0 ? $"{text}, {MissingGradients} variables without gradient" : text;
    }
}
