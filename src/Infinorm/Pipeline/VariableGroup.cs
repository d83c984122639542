namespace Infinorm.Pipeline;

/// <summary>Variables that are stepped together; what a group does not have of its own it has of the optimizer.</summary>
sealed class VariableGroup
{
    /// <summary>The group's own rate; null for the optimizer's.</summary>
    public LearningRate? LearningRate { get; set; }

    /// <summary>The group's own weight decay; null for the optimizer's.</summary>
    public double? WeightDecay { get; init; }
}
