using System.Buffers;
using System.Runtime.CompilerServices;
using Infinorm.Execution;
using Infinorm.Variables;

namespace Infinorm;

public abstract partial class Optimizer
{
    /// <summary>
    /// Makes the optimizer's state for these variables. A second call with the same variables does nothing. Keras: <c>build</c>.
    /// </summary>
    /// <param name="trainableVariables">Float variables, each once, over memory that does not overlap.</param>
    /// <exception cref="ArgumentException">There is no variable, one occurs twice, two overlap, or one has an integer type.</exception>
    /// <exception cref="InvalidOperationException">
    /// The optimizer was built for other variables, or its settings exclude each other.
    /// </exception>
    public void Build(params ReadOnlySpan<Variable> trainableVariables) => BuildTogether(trainableVariables, Grouping.None, scope: null);

    /// <inheritdoc cref="Build(ReadOnlySpan{Variable})"/>
    public void Build(IEnumerable<Variable> trainableVariables)
    {
        ArgumentNullException.ThrowIfNull(trainableVariables);
        BuildTogether([.. trainableVariables], Grouping.None, scope: null);
    }

    /// <summary>
    /// Makes the optimizer's state for groups of variables, each with a learning rate and a weight decay of its own or the optimizer's.
    /// Everything else is over all groups: clipping by global norm, loss scaling, accumulation and averages.
    /// </summary>
    /// <param name="groups">The groups. The variables' order is that of the groups.</param>
    /// <inheritdoc cref="Build(ReadOnlySpan{Variable})"/>
    [OverloadResolutionPriority(-1)] // an empty list is one of variables
    public void Build(params ReadOnlySpan<VariableGroup> groups)
    {
        var variables = new List<Variable>();
        var groupOf = new List<int>();
        for (int i = 0; i < groups.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(groups[i], nameof(groups));
            variables.AddRange(groups[i].Variables);
            groupOf.AddRange(groups[i].Variables.Select(_ => i));
        }

        BuildTogether([.. variables], new Grouping([.. groups], [.. groupOf]), scope: null);
    }

    /// <summary>
    /// Steps the built variables by their gradients. Nothing is changed if it throws. Keras: <c>apply</c>.
    /// </summary>
    /// <param name="gradients">One for each built variable, in that order; <see langword="default"/> where there is none.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="ArgumentException">
    /// The counts differ, no variable has a gradient, or a gradient's length differs from its variable's or its memory overlaps a variable.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The optimizer is not built, another thread is stepping it, its averages are in the variables, or the schedule or function gives a
    /// rate that is not finite.
    /// </exception>
    public StepInfo Apply(params ReadOnlySpan<Gradient> gradients)
    {
        if (!IsBuilt)
        {
            throw new InvalidOperationException(
                $"{Name} is not built. Call Build with the variables first, or pass them to Apply together with the gradients.");
        }

        using var _ = Enter();
        World?.BeginCall();
        try
        {
            return gradients.Length == TrainableVariables.Count
                ? Advance(gradients, dynamicScale: null)
                : throw new ArgumentException(
                    $"{Name}: {gradients.Length} gradients, the optimizer was built for {TrainableVariables.Count} variables.",
                    nameof(gradients));
        }
        catch (Exception e) when (World is { IsExchanging: false })
        {
            FailTogether(e);
            throw;
        }
    }

    /// <summary>
    /// Steps these variables by their gradients, building the optimizer for them first if it is not. Nothing is changed if it throws.
    /// Keras: <c>apply(grads, trainable_variables)</c>.
    /// </summary>
    /// <param name="gradients">One for each variable; <see langword="default"/> where there is none.</param>
    /// <param name="trainableVariables">Variables that the optimizer was built for, each at most once, in any order.</param>
    /// <inheritdoc cref="Apply(ReadOnlySpan{Gradient})" path="/exception|/returns|/typeparam"/>
    public StepInfo Apply(ReadOnlySpan<Gradient> gradients, ReadOnlySpan<Variable> trainableVariables)
    {
        using var _ = Enter();
        if (IsBuilt)
            return AdvanceInAnyOrder(gradients, trainableVariables);

        BuildTogether(trainableVariables, Grouping.None, ScopeInApply);
        try
        {
            return AdvanceInAnyOrder(gradients, trainableVariables);
        }
        catch
        {
            Unbuild();
            throw;
        }
    }

    /// <summary>As <see cref="Apply(ReadOnlySpan{Gradient}, ReadOnlySpan{Variable})"/>, with pairs. Keras: <c>apply_gradients</c>.</summary>
    /// <param name="gradientsAndVariables">Each variable at most once.</param>
    /// <inheritdoc cref="Apply(ReadOnlySpan{Gradient})"/>
    public StepInfo ApplyGradients(params ReadOnlySpan<(Gradient Gradient, Variable Variable)> gradientsAndVariables)
    {
        int count = gradientsAndVariables.Length;
        Gradient[] gradients = ArrayPool<Gradient>.Shared.Rent(count);
        Variable[] variables = ArrayPool<Variable>.Shared.Rent(count);
        try
        {
            for (int i = 0; i < count; i++)
                (gradients[i], variables[i]) = gradientsAndVariables[i];
            return Apply(gradients.AsSpan(0, count), variables.AsSpan(0, count));
        }
        finally
        {
            ArrayPool<Gradient>.Shared.Return(gradients, clearArray: true);
            ArrayPool<Variable>.Shared.Return(variables, clearArray: true);
        }
    }

    /// <summary>
    /// Has the ranks of a world train one model: each rank's calls take the gradients of its part of the batches that make an update
    /// (<see cref="World.Share"/>), <see cref="RuleOptimizer.GradientAccumulationSteps"/> in all, and each keeps its part of the state. The
    /// result is the same for any number of ranks, bit for bit. Called before Build, on all ranks; then all ranks make the same calls.
    /// </summary>
    /// <param name="world">The ranks; <see cref="World.Alone"/> for one.</param>
    /// <exception cref="InvalidOperationException">The optimizer is built.</exception>
    public void Over(World world)
    {
        ArgumentNullException.ThrowIfNull(world);
        if (IsBuilt)
            throw new InvalidOperationException($"{Name} is built already; call Over before Build.");
        SetWorld(world);
    }

    /// <summary>
    /// Has what goes wrong on this rank alone, before the ranks exchange anything, go wrong on all of them: they drop the batches of the update.
    /// Without other ranks it does nothing.
    /// </summary>
    /// <exception cref="WorldException">There are other ranks.</exception>
    internal void FailTogether(Exception failure)
    {
        if (World is not { Size: > 1 } world || !IsBuilt)
            return;
        DropUpdate();
        if (failure is not WorldException)
            world.Agree(failure);
    }

    /// <summary>Forgets the batches since the last update.</summary>
    internal abstract void DropUpdate();

    StepInfo AdvanceInAnyOrder(ReadOnlySpan<Gradient> gradients, ReadOnlySpan<Variable> variables)
    {
        World?.BeginCall();
        try
        {
            return gradients.Length == variables.Length
                ? Advance(Ordered(gradients, variables), dynamicScale: null)
                : throw new ArgumentException($"{Name}: {gradients.Length} gradients for {variables.Length} variables.", nameof(gradients));
        }
        catch (Exception e) when (World is { IsExchanging: false })
        {
            FailTogether(e);
            throw;
        }
    }

    void BuildTogether(ReadOnlySpan<Variable> variables, Grouping grouping, string? scope)
    {
        bool isFirst = !IsBuilt;
        World?.BeginCall();
        try
        {
            BuildAt(variables, grouping, scope);
        }
        catch (Exception e) when (isFirst && e is not WorldException && World is { Size: > 1, IsExchanging: false })
        {
            World.Agree(e);
            throw;
        }
    }

    /// <summary>What the slots' paths begin with when the first Apply builds.</summary>
    private protected virtual string ScopeInApply => "";

    /// <summary>
    /// Builds; the slots' paths begin with the scope and the optimizer's name. The scope is null where Build is called by itself: then Keras
    /// puts placeholders below no name.
    /// </summary>
    internal abstract void BuildAt(ReadOnlySpan<Variable> variables, Grouping grouping, string? scope);

    /// <summary>Takes the build of a first Apply back, where its gradients turn out to be wrong.</summary>
    internal abstract void Unbuild();

    /// <summary>The gradients in the order of the built variables.</summary>
    /// <exception cref="ArgumentException">A variable is unknown or listed twice.</exception>
    internal abstract ReadOnlySpan<Gradient> Ordered(ReadOnlySpan<Gradient> gradients, ReadOnlySpan<Variable> variables);

    /// <summary>One call of Apply: everything is checked and decided, then carried out.</summary>
    /// <param name="gradients">One for each built variable.</param>
    /// <param name="dynamicScale">
    /// What a <see cref="LossScaleOptimizer"/> divides by; then the call is skipped where a gradient is not finite.
    /// </param>
    internal abstract StepInfo Advance(ReadOnlySpan<Gradient> gradients, double? dynamicScale);

    /// <summary>Lets one thread in at a time, until the result is disposed.</summary>
    /// <exception cref="InvalidOperationException">Somebody is in.</exception>
    internal abstract ExclusiveUse Enter();
}
