using Infinorm.Execution;
using Infinorm.Kernels;
using Infinorm.Variables;

namespace Infinorm;

// The policy: what a call does, from the settings and counters alone.
public abstract partial class RuleOptimizer
{
    UseFlag _use = new();
    Gradient[] _ordered = [];
    bool[] _isListed = [];
    HalfMadeStepException? _halfMade;
    GradientNorm _norm; // of the present step, as the number of missing gradients
    int _missing;

    internal override ExclusiveUse Enter() => _use.Enter(Name);

    internal override StepInfo Advance(ReadOnlySpan<Gradient> gradients, double? dynamicScale)
    {
        long start = StepMeter.Start();
        Prepare(gradients, dynamicScale);
        StepInfo info = Reduce() ? Carry() : Skip();
        StepMeter.Record(this, start, in info, _plans[0].LossScale);
        return info;
    }

    /// <summary>Checks the gradients, decides what a step does, and asks for the rule; nothing is changed.</summary>
    internal void Prepare(ReadOnlySpan<Gradient> gradients, double? dynamicScale)
    {
        RequireWhole();
        _missing = _executor!.Accept(gradients);
        if (_missing == gradients.Length && _world is null)
            throw new ArgumentException($"{Name}: no variable has a gradient.", nameof(gradients));
        Decide(gradients, dynamicScale);
        _slots!.DropScalars();
        _executor.Prepare(this, _plans);
    }

    /// <summary>Reads the gradients for what has to be known of all of them.</summary>
    /// <returns>False if the step is to be skipped.</returns>
    internal bool Reduce()
    {
        try
        {
            if (!_executor!.Reduce(out _norm, ref _missing))
                return false;
        }
        catch (HalfMadeStepException e)
        {
            _halfMade = e;
            throw;
        }

        if (_world is null || !_plans[0].Updates || _missing < _trainable.Length)
            return true;
        Skip();
        throw new ArgumentException($"{Name}: no variable has a gradient in any of the {GradientAccumulationSteps ?? 1} batches of the update.");
    }

    /// <summary>Makes no step of what was prepared. Over ranks, the batches of the update are dropped.</summary>
    internal StepInfo Skip()
    {
        if (_world is not null)
            DropUpdate();
        return new StepInfo
        {
            Result = StepResult.Skipped,
            MissingGradients = _missing,
            LearningRate = _plans[0].LearningRate,
        };
    }

    internal override void DropUpdate() => Counter -= PendingCalls;

    /// <summary>Carries out what was prepared.</summary>
    internal StepInfo Carry()
    {
        try
        {
            _executor!.Run();
        }
        catch (HalfMadeStepException e)
        {
            _halfMade = e;
            throw;
        }

        _slots!.CommitScalars();
        Counter += Stride;
        return new StepInfo
        {
            Result = _plans[0].Updates ? StepResult.Updated : StepResult.Accumulated,
            MissingGradients = _missing,
            LearningRate = _plans[0].LearningRate,
            GradientNorm = _norm.Norm,
            ClipFactor = _norm.Factor,
        };
    }

    internal override void RequireWhole()
    {
        if (_halfMade is not null)
            throw new InvalidOperationException(_halfMade.Message, _halfMade.InnerException);
    }

    internal override void MarkRestored() => _halfMade = null;

    void Decide(ReadOnlySpan<Gradient> gradients, double? dynamicScale)
    {
        int accumulation = GradientAccumulationSteps ?? 0;
        bool updates = accumulation == 0 || (Counter + Stride) % accumulation == 0;
        bool steps = _world is not null || HasSteppedGradient(gradients); // ranks find out together
        (ClipKind clip, double limit) = (ClipNorm, GlobalClipNorm, ClipValue) switch
        {
            _ when !updates => (ClipKind.None, 0),
            ({ } norm, _, _) => (ClipKind.Norm, norm),
            (_, { } norm, _) => (ClipKind.GlobalNorm, norm),
            (_, _, { } value) => (ClipKind.Value, value),
            _ => (ClipKind.None, 0),
        };
        var plan = new StepPlan
        {
            Updates = updates,
            LearningRate = CurrentLearningRate,
            Iterations = Iterations,
            CallsBefore = Counter,
            LossScale = dynamicScale ?? LossScaleFactor,
            RequiresFinite = dynamicScale is not null,
            AccumulationSteps = accumulation,
            ResetsAccumulators = updates && accumulation > 0 && steps,
            Clip = clip,
            ClipLimit = limit,
            WeightDecay = WeightDecay,
            DecaysByFactor = DecaysByFactor,
            AverageMomentum = !UseEma || !steps ? null : Iterations != 0 ? EmaMomentum : 0,
            Overwrites = EmaOverwriteFrequency is { } frequency && (Iterations + 1) % frequency == 0,
            Rounding = UseStochasticRounding ? new StochasticRounding(RoundingSeed, LastCall) : null,
        };

        // One plan a group: they differ in the rate and the decay. A function that gives the rate is asked once.
        VariableGroup[] groups = _grouping.Groups;
        for (int i = 0; i < groups.Length; i++)
        {
            _plans[i] = plan;
            if (OwnRateOf(groups[i]) is { } ownRate)
                _plans[i] = _plans[i] with { LearningRate = ownRate };
            if (groups[i].WeightDecay is { } ownDecay)
                _plans[i] = _plans[i] with { WeightDecay = ownDecay };
        }
    }

    internal override double CurrentRateOf(VariableGroup group) => OwnRateOf(group) ?? CurrentLearningRate;

    // A group's number is held as the optimizer's is.
    double? OwnRateOf(VariableGroup group) => group.LearningRate is { } rate ? Evaluate(rate, Held(rate.Value ?? 0)) : null;

    bool HasSteppedGradient(ReadOnlySpan<Gradient> gradients)
    {
        for (int i = 0; i < gradients.Length; i++)
        {
            if (!gradients[i].IsNone && !_trainable[i].OverwriteWithGradient)
                return true;
        }

        return false;
    }

    internal override ReadOnlySpan<Gradient> Ordered(ReadOnlySpan<Gradient> gradients, ReadOnlySpan<Variable> variables)
    {
        if (variables.SequenceEqual(_trainable))
            return gradients;

        if (_ordered.Length == 0)
        {
            _ordered = new Gradient[_trainable.Length];
            _isListed = new bool[_trainable.Length];
        }

        Array.Clear(_ordered);
        Array.Clear(_isListed);
        for (int i = 0; i < variables.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(variables[i]);
            if (!_indices.TryGetValue(variables[i], out int index))
            {
                throw new ArgumentException(
                    $"{variables[i].Path}: unknown variable. {Name} can only step the variables it was built for.", nameof(variables));
            }

            if (_isListed[index])
                throw new ArgumentException($"{variables[i].Path}: the variable is listed twice.", nameof(variables));
            _isListed[index] = true;
            _ordered[index] = gradients[i];
        }

        return _ordered;
    }
}
