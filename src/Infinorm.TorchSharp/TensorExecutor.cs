using Infinorm.Kernels;
using Infinorm.Pipeline;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>
/// Carries plans out by tensor operations, on the devices where the tensors are. It goes through every variable in pieces, so that the
/// tensors that operations make, a dozen or two at a time, are together smaller than the largest variable.
/// </summary>
sealed class TensorExecutor : IExecutor, IDisposable
{
    /// <summary>Into how many pieces the largest variable is cut.</summary>
    const int Pieces = 64;

    /// <summary>A piece is not cut further.</summary>
    const int LeastPiece = 16 * 1024;

    TensorTarget[] _targets = [];
    TensorTarget[] _work = [];
    long _pieceLength;
    StepPlan _plan;

    public bool IsBuilt => _targets.Length > 0;

    public ref readonly StepPlan Plan => ref _plan;

    public IReadOnlyList<NamedSlot> Build(
        ReadOnlySpan<Variable> variables, bool[] decays, int[] groupOf, SlotNeeds needs, Func<Variable, string, string> pathOf)
    {
        var targets = new List<TensorTarget>();
        try
        {
            for (int i = 0; i < variables.Length; i++)
                targets.Add(new TensorTarget((TensorVariable)variables[i], decays[i], groupOf[i], needs));
        }
        catch
        {
            targets.ForEach(target => target.Dispose());
            throw;
        }

        _targets = [.. targets];
        _pieceLength = Math.Max(LeastPiece, _targets.Max(target => (long)target.Variable.Length) / Pieces);
        return
        [
            .. _targets.Where(target => target.Average is not null).Select(target => Name(target, "average", target.Average!)),
            .. _targets.Where(target => target.Accumulator is not null)
                .Select(target => Name(target, "gradient_accumulator", target.Accumulator!)),
            .. _targets.SelectMany(target => needs.Slots.Select((name, i) => Name(target, name, target.Slots[i]))),
            .. _targets.Where(target => target.Master is not null).Select(target => Name(target, Optimizer.MasterSlot, target.Master!)),
        ];

        NamedSlot Name(TensorTarget target, string name, torch.Tensor slot) =>
            new(target.Variable, name, new TensorVariable(pathOf(target.Variable, name), slot));
    }

    public bool Run(IUpdateStep optimizer, ReadOnlySpan<StepPlan> plans, ReadOnlySpan<Gradient> gradients, out GradientNorm norm)
    {
        using var noGrad = torch.no_grad();
        for (int i = 0; i < _targets.Length; i++)
            _targets[i].Gradient = (torch.Tensor?)gradients[i].Spot.Owner;
        try
        {
            _plan = plans[0];
            if (!TensorReduction.Run(_targets, in _plan, _pieceLength, out norm))
                return false;
            for (int group = 0; group < plans.Length; group++)
            {
                _plan = plans[group];
                RunAll<TensorLane<float>>(optimizer, group, DType.Float32);
                RunAll<TensorLane<double>>(optimizer, group, DType.Float64);
            }

            return true;
        }
        finally
        {
            foreach (TensorTarget target in _targets)
                target.Gradient = null;
        }
    }

    public void RunRule<L, TRule>(in TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        foreach (TensorTarget target in _work)
        {
            if (target.Gradient is null && _plan.AverageMomentum is null && !_plan.ResetsAccumulators)
                continue;
            var gradients = new GradientFormula<L>(
                _plan.LossScale, _plan.AccumulationSteps, _plan.Clip, _plan.ClipLimit, target.ClipOperand);
            var weights = new WeightFormula<L>(
                target.Decays ? _plan.WeightDecay : null, _plan.LearningRate, _plan.AverageMomentum, _plan.Overwrites);
            foreach (PieceRange range in target.Cut(_pieceLength))
            {
                using (torch.NewDisposeScope())
                    RunPiece(target, target.At(range), in gradients, in weights, rule);
            }
        }
    }

    public void Dispose()
    {
        foreach (TensorTarget target in _targets)
            target.Dispose();
    }

    void RunAll<L>(IUpdateStep optimizer, int group, DType type)
        where L : struct, ILane<L>
    {
        _work = [.. _targets.Where(target => target.Group == group && target.ComputeType == type)];
        if (_work.Length == 0)
            return;
        if (_plan.Updates)
            optimizer.UpdateStep(new Step<L>(this));
        else
            RunRule<L, NoRule<L>>(default);
    }

    // The stages in the order of RuleLoop.Run, each where it is on.
    void RunPiece<L, TRule>(
        TensorTarget target, TensorPiece piece, in GradientFormula<L> gradients, in WeightFormula<L> formula, TRule rule)
        where L : struct, ILane<L>
        where TRule : struct, ISlotRule<L>
    {
        torch.ScalarType type = TensorTypes.ComputeTypeOf(target.ComputeType);
        if (piece.Master is not null)
            Follow(piece.Master, piece.Weights);
        L weight = Lane<L>(piece.Master ?? piece.Weights.to(type));
        bool changed = false;
        if (piece.Gradient is not null)
        {
            L gradient = gradients.Unscale(Lane<L>(piece.Gradient.to(type)));
            if (_plan.Updates)
            {
                if (piece.Accumulator is not null)
                    gradient = gradients.Mean(gradient, Lane<L>(piece.Accumulator));
                if (formula.Decays)
                    weight = formula.Decay(weight);
                L[] slots = [.. piece.Slots.Select(Lane<L>)];
                rule.Step(ref weight, gradients.Clip(gradient), slots);
                for (int i = 0; i < slots.Length; i++)
                    Store(slots[i], piece.Slots[i]);
                changed = true;
            }
            else
            {
                Store(gradient + Lane<L>(piece.Accumulator!), piece.Accumulator!);
            }
        }

        if (_plan.ResetsAccumulators)
            piece.Accumulator!.zero_();
        if (_plan.AverageMomentum is not null)
        {
            L average = formula.Average(Lane<L>(piece.Average!), weight);
            Store(average, piece.Average!);
            if (formula.Overwrites)
                (weight, changed) = (average, true);
        }

        if (!changed)
            return;
        if (piece.Master is not null)
            Store(weight, piece.Master);
        Store(weight, piece.Weights);
    }

    // As MasterWeights.Follow: takes into the copy what was assigned to the variable.
    static void Follow(torch.Tensor master, torch.Tensor variable) =>
        master.copy_(torch.where(master.to(variable.dtype).eq(variable), master, variable.to(master.dtype)));

    /// <summary>A tensor as a lane of a type that only the caller's caller knows.</summary>
    public static L Lane<L>(torch.Tensor tensor)
        where L : struct, ILane<L> =>
        L.IsDouble ? (L)(object)new TensorLane<double>(tensor) : (L)(object)new TensorLane<float>(tensor);

    static void Store<L>(L lane, torch.Tensor target)
        where L : struct, ILane<L>
    {
        var values = (ITensorLane)(object)lane;
        if (!ReferenceEquals(values.Tensor, target))
            values.StoreIn(target);
    }
}
