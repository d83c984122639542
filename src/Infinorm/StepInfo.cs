using Infinorm.Types;

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
public readonly record struct StepInfo
{
    /// <summary>Whether the variables were updated.</summary>
    public StepResult Result { get; internal init; }

    /// <summary>How many of the built variables had no gradient in this call.</summary>
    public int MissingGradients { get; internal init; }

    /// <summary>
    /// The norm of all gradients before clipping, if <see cref="RuleOptimizer.GlobalClipNorm"/> is set and this call updated; else null.
    /// </summary>
    public double? GradientNorm { get; internal init; }

    /// <summary>What the gradients were multiplied by, in the same case; else null.</summary>
    public double? ClipFactor { get; internal init; }

    /// <summary>The rate in force; where variables are in groups with rates of their own, that of the first group.</summary>
    public double LearningRate { get; internal init; }

    /// <summary>What was done, in one line: <c>Updated at rate 0.002, norm 3.5, clipped by 0.2857</c>.</summary>
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
