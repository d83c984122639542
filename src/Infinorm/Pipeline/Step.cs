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
    // Memory is stepped by the pipeline, without an interface's call between; else there is an executor.
    readonly BlockPipeline? _pipeline;
    readonly WorkList? _work;
    readonly IExecutor? _executor;

    internal Step(BlockPipeline pipeline, WorkList work)
    {
        _pipeline = pipeline;
        _work = work;
    }

    internal Step(IExecutor executor) => _executor = executor;

    /// <summary>The rate of this step, rounded to the element type.</summary>
    public L LearningRate => L.Of(Plan.LearningRate);

    /// <summary>Completed updates before this one.</summary>
    public long Iterations => Plan.Iterations;

    ref readonly StepPlan Plan => ref _executor is null ? ref _pipeline!.Plan : ref _executor.Plan;

    /// <summary>Runs the rule over every variable that has a gradient. Called once.</summary>
    /// <param name="rule">The formula with its coefficients, formed before.</param>
    public void Run<TRule>(TRule rule)
        where TRule : struct, IRule0<L> => RunSlots(new SlotRule0<L, TRule>(rule));

    /// <inheritdoc cref="Run{TRule}(TRule)"/>
    /// <param name="rule">The formula with its coefficients, formed before.</param>
    /// <param name="slot">The slot the rule steps.</param>
    public void Run<TRule>(TRule rule, Slot slot)
        where TRule : struct, IRule1<L> => RunSlots(new SlotRule1<L, TRule>(rule, slot));

    /// <inheritdoc cref="Run{TRule}(TRule)"/>
    /// <param name="rule">The formula with its coefficients, formed before.</param>
    /// <param name="first">The rule's first slot.</param>
    /// <param name="second">The rule's second slot.</param>
    public void Run<TRule>(TRule rule, Slot first, Slot second)
        where TRule : struct, IRule2<L> => RunSlots(new SlotRule2<L, TRule>(rule, first, second));

    /// <inheritdoc cref="Run{TRule}(TRule)"/>
    /// <param name="rule">The formula with its coefficients, formed before.</param>
    /// <param name="first">The rule's first slot.</param>
    /// <param name="second">The rule's second slot.</param>
    /// <param name="third">The rule's third slot.</param>
    public void Run<TRule>(TRule rule, Slot first, Slot second, Slot third)
        where TRule : struct, IRule3<L> => RunSlots(new SlotRule3<L, TRule>(rule, first, second, third));

    void RunSlots<TRule>(TRule rule)
        where TRule : struct, ISlotRule<L>
    {
        if (_executor is null)
            _pipeline!.RunTasks<L, TRule>(_work!, rule);
        else
            _executor.RunRule<L, TRule>(in rule);
    }
}
