namespace Infinorm.Pipeline;

/// <summary>One slot of one variable.</summary>
/// <param name="Of">Whose it is.</param>
/// <param name="Name">What it is: "momentum", "average".</param>
/// <param name="Values">Its elements.</param>
readonly record struct NamedSlot(Variable Of, string Name, Variable Values);

/// <summary>What an executor keeps for each variable.</summary>
/// <param name="Slots">The names of the rule's slots.</param>
/// <param name="HasAverages">Whether there is a moving average.</param>
/// <param name="HasAccumulators">Whether there is a gradient accumulator.</param>
/// <param name="HasMasterWeights">Whether a 16-bit variable has a float copy, which is stepped.</param>
readonly record struct SlotNeeds(IReadOnlyList<string> Slots, bool HasAverages, bool HasAccumulators, bool HasMasterWeights);

/// <summary>
/// Carries plans out over what is not memory of this process, such as tensors of a device: in place of the <see cref="BlockPipeline"/>,
/// with the same order of stages, and the same rule in lanes of its own.
/// </summary>
interface IExecutor
{
    /// <summary>Whether the slots are made.</summary>
    bool IsBuilt { get; }

    /// <summary>The plan being carried out.</summary>
    ref readonly StepPlan Plan { get; }

    /// <summary>Makes the slots, zero at first, and the master weights, equal to their variables.</summary>
    /// <param name="variables">The variables, which the executor knows how to step.</param>
    /// <param name="decays">Whether weight decay applies to each.</param>
    /// <param name="groupOf">The group of each.</param>
    /// <param name="needs">What to keep for each.</param>
    /// <param name="pathOf">The path of a variable's slot of some name.</param>
    /// <returns>All averages, all accumulators, the slots of each variable in turn, then all master weights.</returns>
    IReadOnlyList<NamedSlot> Build(
        ReadOnlySpan<Variable> variables, bool[] decays, int[] groupOf, SlotNeeds needs, Func<Variable, string, string> pathOf);

    /// <inheritdoc cref="BlockPipeline.Run"/>
    bool Run(IUpdateStep optimizer, ReadOnlySpan<StepPlan> plans, ReadOnlySpan<Gradient> gradients, out GradientNorm norm);

    /// <summary>Steps the variables that <see cref="Plan"/> is for by their rule, as <see cref="Step{L}"/> asks.</summary>
    void RunRule<L, TRule>(in TRule rule)
        where L : struct, Kernels.ILane<L>
        where TRule : struct, ISlotRule<L>;
}
