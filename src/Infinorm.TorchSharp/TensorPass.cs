using Infinorm.Execution;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>The pass of one step over the variables of one group and type: its plan, and the optimizer's rule.</summary>
sealed class TensorPass(TensorState[] states, Slots slots, long pieceLength) : RuleTarget(slots)
{
    StepPlan _plan;

    /// <summary>The variables.</summary>
    public ReadOnlySpan<TensorState> States => states;

    /// <summary>The group that the variables belong to.</summary>
    public int Group => states[0].Group;

    public override double LearningRate => _plan.LearningRate;

    public override long Iterations => _plan.Iterations;

    /// <summary>Asks the optimizer for its rule, where the plan updates.</summary>
    /// <exception cref="InvalidOperationException">It gives none, or more than one.</exception>
    public void Prepare(IRuleSource source, in StepPlan plan)
    {
        _plan = plan;
        if (states[0].ComputeType == DType.Float64)
            Ask<TensorLane<double>>(source, plan.Updates);
        else
            Ask<TensorLane<float>>(source, plan.Updates);
    }

    /// <summary>Steps the variables.</summary>
    public void Run() => ((ITensorRule)Given).StepAll();

    protected override IRulePass<TRule> Make<L, TRule>() => new TensorSlotRule<L, TRule>(this);

    protected override IRulePass<IBlockRule> Make<L>() => new TensorBlockRule<L>(this);

    /// <summary>Steps the variables by a rule.</summary>
    public void Run<L>(TensorRule<L> rule)
        where L : struct, ILane<L>
    {
        foreach (TensorState state in states)
        {
            if (state.Gradient is null && _plan.AverageMomentum is null && !_plan.ResetsAccumulators)
                continue;
            var gradients = new GradientFormula<L>(
                _plan.LossScale, _plan.AccumulationSteps, _plan.Clip, _plan.ClipLimit, state.ClipOperand);
            var weights = new WeightFormula<L>(
                _plan.DecayOf(state.Decays, state.OwnDecay), _plan.LearningRate, _plan.DecaysByFactor, _plan.AverageMomentum, _plan.Overwrites);
            foreach (PieceRange range in state.Cut(rule.NeedsWholeVariables ? state.Variable.Length : pieceLength))
            {
                using (torch.NewDisposeScope())
                    RunPiece(state, state.At(range), in gradients, in weights, rule);
            }
        }
    }

    void RunPiece<L>(
        TensorState state, TensorPiece piece, in GradientFormula<L> gradients, in WeightFormula<L> formula, TensorRule<L> rule)
        where L : struct, ILane<L>
    {
        torch.ScalarType type = TensorTypes.ComputeTypeOf(state.ComputeType);
        if (piece.Master is not null)
            Follow(piece.Master, piece.Weights);
        L weight = TensorLanes.Of<L>(piece.Master ?? piece.Weights.to(type));
        bool changed = false;
        if (piece.Gradient is not null)
        {
            L gradient = TensorLanes.Of<L>(piece.Gradient.to(type));
            bool accumulates = piece.Accumulator is not null;
            L accumulated = accumulates ? TensorLanes.Of<L>(piece.Accumulator!) : default;
            if (_plan.Updates)
            {
                var slotRule = new PieceRule<L>(rule, state, [.. piece.Slots.Select(TensorLanes.Of<L>)]);
                L unclipped = Stages.Unclipped(in gradients, gradient, accumulates, accumulated);
                Stages.Update(ref slotRule, in gradients, in formula, ref weight, unclipped, offset: 0);
                for (int i = 0; i < piece.Slots.Length; i++)
                    TensorLanes.Store(slotRule.Slots[i], piece.Slots[i]);
                changed = true;
            }
            else
            {
                TensorLanes.Store(Stages.Accumulate(in gradients, gradient, accumulated), piece.Accumulator!);
            }
        }

        if (_plan.ResetsAccumulators)
            piece.Accumulator!.zero_();
        if (_plan.AverageMomentum is not null)
        {
            L average = TensorLanes.Of<L>(piece.Average!);
            Stages.Average(in formula, ref weight, ref average);
            TensorLanes.Store(average, piece.Average!);
            changed |= formula.Overwrites;
        }

        if (!changed)
            return;
        if (piece.Master is not null)
            TensorLanes.Store(weight, piece.Master);
        TensorLanes.Store(weight, piece.Weights);
    }

    // As MasterWeights.Follow: takes into the copy what was assigned to the variable.
    static void Follow(torch.Tensor master, torch.Tensor variable) =>
        master.copy_(torch.where(master.to(variable.dtype).eq(variable), master, variable.to(master.dtype)));

    // A rule with the slots of one piece.
    readonly struct PieceRule<L>(TensorRule<L> rule, TensorState state, L[] slots) : ISlotRule<L>
        where L : struct, ILane<L>
    {
        public L[] Slots => slots;

        public unsafe void Bind(byte* slots, nint stride)
        {
        }

        public void Step(ref L weight, L gradient, nint offset) => Step(ref weight, gradient, slots);

        public void Step(ref L weight, L gradient, Span<L> slots) => rule.Step(state, ref weight, gradient, slots);
    }
}
