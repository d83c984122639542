using System.Buffers;
using Infinorm.Kernels;
using Infinorm.Pipeline;

namespace Infinorm;

public abstract partial class Optimizer
{
    int _busy;

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
        if (gradients.Length != TrainableVariables.Count)
        {
            throw new ArgumentException(
                $"{Name}: {gradients.Length} gradients, the optimizer was built for {TrainableVariables.Count} variables.", nameof(gradients));
        }

        return Step(gradients, dynamicScale: null);
    }

    /// <summary>
    /// Steps these variables by their gradients, building the optimizer for them first if it is not. Nothing is changed if it throws.
    /// Keras: <c>apply(grads, trainable_variables)</c>.
    /// </summary>
    /// <param name="gradients">One for each variable; <see langword="default"/> where there is none.</param>
    /// <param name="trainableVariables">Variables the optimizer was built for, each at most once, in any order.</param>
    /// <inheritdoc cref="Apply(ReadOnlySpan{Gradient})"/>
    public StepInfo Apply(ReadOnlySpan<Gradient> gradients, ReadOnlySpan<Variable> trainableVariables)
    {
        if (gradients.Length != trainableVariables.Length)
        {
            throw new ArgumentException(
                $"{Name}: {gradients.Length} gradients for {trainableVariables.Length} variables.", nameof(gradients));
        }

        using var _ = Enter();
        if (IsBuilt)
            return Step(Ordered(gradients, trainableVariables), dynamicScale: null);

        BuildAt(trainableVariables, ScopeInApply);
        try
        {
            return Step(gradients, dynamicScale: null);
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

    /// <summary>What the slots' paths begin with when the first Apply builds.</summary>
    private protected virtual string ScopeInApply => "";

    /// <summary>Takes the build of a first Apply back, where its gradients turn out to be wrong.</summary>
    internal virtual void Unbuild()
    {
        _pipeline = null;
        ForgetVariables();
        _slotVariables = [];
        _slotOwners = [];
        _trainable = [];
        _ordered = [];
        _variableArrays = null;
    }

    /// <summary>
    /// One call of Apply: everything is checked and decided, then carried out.
    /// </summary>
    /// <param name="gradients">One for each built variable.</param>
    /// <param name="dynamicScale">
    /// What a <see cref="LossScaleOptimizer"/> divides by; then the call is skipped where a gradient is not finite.
    /// </param>
    internal virtual StepInfo Step(ReadOnlySpan<Gradient> gradients, double? dynamicScale)
    {
        long start = StepMeter.Start();
        StepInfo info = Run(gradients, dynamicScale, out double? lossScale);
        StepMeter.Record(this, start, in info, lossScale);
        return info;
    }

    StepInfo Run(ReadOnlySpan<Gradient> gradients, double? dynamicScale, out double? lossScale)
    {
        int missing = Accept(gradients);
        StepPlan plan = Decide(gradients, CurrentLearningRate, dynamicScale);
        lossScale = plan.LossScale;
        ReadOnlySpan<StepPlan> plans = PlanGroups(in plan);
        double rate = plans[0].LearningRate;
        if (!(_executor?.Run(this, plans, gradients, out GradientNorm norm) ?? _pipeline!.Run(this, plans, out norm)))
            return new StepInfo(StepResult.Skipped, missing, null, null, rate);
        Counter++;
        return new StepInfo(plan.Updates ? StepResult.Updated : StepResult.Accumulated, missing, norm.Norm, norm.Factor, rate);
    }

    // The policy: what this call does, from the settings and counters alone.
    StepPlan Decide(ReadOnlySpan<Gradient> gradients, double rate, double? dynamicScale)
    {
        int accumulation = GradientAccumulationSteps ?? 0;
        bool updates = accumulation == 0 || (Counter + 1) % accumulation == 0;
        bool steps = HasSteppedGradient(gradients);
        (ClipKind clip, double limit) = (ClipNorm, GlobalClipNorm, ClipValue) switch
        {
            _ when !updates => (ClipKind.None, 0),
            ({ } norm, _, _) => (ClipKind.Norm, norm),
            (_, { } norm, _) => (ClipKind.GlobalNorm, norm),
            (_, _, { } value) => (ClipKind.Value, value),
            _ => (ClipKind.None, 0),
        };
        return new StepPlan
        {
            Updates = updates,
            LearningRate = rate,
            Iterations = Iterations,
            LossScale = dynamicScale ?? LossScaleFactor,
            RequiresFinite = dynamicScale is not null,
            AccumulationSteps = accumulation,
            ResetsAccumulators = updates && accumulation > 0 && steps,
            Clip = clip,
            ClipLimit = limit,
            WeightDecay = WeightDecay,
            AverageMomentum = !UseEma || !steps ? null : Iterations != 0 ? EmaMomentum : 0,
            Overwrites = EmaOverwriteFrequency is { } frequency && (Iterations + 1) % frequency == 0,
            Rounding = UseStochasticRounding ? new StochasticRounding(RoundingSeed, Counter) : null,
        };
    }

    /// <summary>Lets one thread in at a time.</summary>
    internal virtual Turn Enter()
    {
        if (Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
            throw new InvalidOperationException($"{Name} is in use: by another thread, or because its averages are in the variables.");
        return new Turn(this);
    }

    internal readonly struct Turn(Optimizer optimizer) : IDisposable
    {
        public void Dispose() => Volatile.Write(ref optimizer._busy, 0);
    }
}
