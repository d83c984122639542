using Infinorm.Kernels;

namespace Infinorm.Pipeline;

/// <summary>Whoever forms the coefficients of a step and hands its rule to the pipeline.</summary>
interface IUpdateStep
{
    void UpdateStep<L>(Step<L> step)
        where L : struct, ILane<L>;
}

/// <summary>One update of all variables of one type, as an optimizer's <see cref="Optimizer.UpdateStep{L}"/> sees it.</summary>
/// <typeparam name="L">The lanes it is computed in.</typeparam>
public readonly struct Step<L>
    where L : struct, ILane<L>
{
    readonly BlockPipeline _pipeline;
    readonly WorkList _work;

    internal Step(BlockPipeline pipeline, WorkList work)
    {
        _pipeline = pipeline;
        _work = work;
    }

    /// <summary>The rate of this step, rounded to the element type.</summary>
    public L LearningRate => L.Of(_pipeline.Plan.LearningRate);

    /// <summary>Completed updates before this one.</summary>
    public long Iterations => _pipeline.Plan.Iterations;

    /// <summary>Runs the rule over every variable that has a gradient. Called once.</summary>
    /// <param name="rule">The formula with its coefficients, formed before.</param>
    public void Run<TRule>(TRule rule)
        where TRule : struct, IRule0<L> => _pipeline.RunTasks<L, SlotRule0<L, TRule>>(_work, new(rule));

    /// <inheritdoc cref="Run{TRule}(TRule)"/>
    /// <param name="rule">The formula with its coefficients, formed before.</param>
    /// <param name="slot">The slot the rule steps.</param>
    public void Run<TRule>(TRule rule, Slot slot)
        where TRule : struct, IRule1<L> => _pipeline.RunTasks<L, SlotRule1<L, TRule>>(_work, new(rule, slot));

    /// <inheritdoc cref="Run{TRule}(TRule)"/>
    /// <param name="rule">The formula with its coefficients, formed before.</param>
    /// <param name="first">The rule's first slot.</param>
    /// <param name="second">The rule's second slot.</param>
    public void Run<TRule>(TRule rule, Slot first, Slot second)
        where TRule : struct, IRule2<L> => _pipeline.RunTasks<L, SlotRule2<L, TRule>>(_work, new(rule, first, second));

    /// <inheritdoc cref="Run{TRule}(TRule)"/>
    /// <param name="rule">The formula with its coefficients, formed before.</param>
    /// <param name="first">The rule's first slot.</param>
    /// <param name="second">The rule's second slot.</param>
    /// <param name="third">The rule's third slot.</param>
    public void Run<TRule>(TRule rule, Slot first, Slot second, Slot third)
        where TRule : struct, IRule3<L> => _pipeline.RunTasks<L, SlotRule3<L, TRule>>(_work, new(rule, first, second, third));
}
