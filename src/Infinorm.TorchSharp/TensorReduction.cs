using Infinorm.Execution;
using Infinorm.Kernels;
using Infinorm.Rules;
using Infinorm.Types;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>The reduction before a step by tensor operations: norms of the gradients, and whether they are finite.</summary>
static class TensorReduction
{
    /// <summary>Sets what gradients are clipped with.</summary>
    /// <returns>False if the plan requires finite gradients and they are not.</returns>
    public static bool Run(ReadOnlySpan<TensorState> states, in StepPlan plan, long pieceLength, out GradientNorm norm)
    {
        norm = default;
        if (!plan.Reduces)
            return true;

        // All operations are under way before the first result is waited for.
        using DisposeScope scope = torch.NewDisposeScope();
        var sums = new List<(TensorState State, torch.Tensor Check, torch.Tensor Squares)>();
        foreach (TensorState state in states)
        {
            if (state.Gradient is null)
                continue;
            (torch.Tensor check, torch.Tensor squares) = state.ComputeType == DType.Float64
                ? Sum<TensorLane<double>>(state, in plan, pieceLength)
                : Sum<TensorLane<float>>(state, in plan, pieceLength);
            sums.Add((state, check, squares));
        }

        if (plan.RequiresFinite && sums.Any(sum => !double.IsFinite(sum.Check.ToNumber())))
            return false;
        if (plan.Clip == ClipKind.Norm)
        {
            foreach ((TensorState state, _, torch.Tensor squares) in sums)
                state.ClipOperand = ClipOperands.Divisor(SquaredNorm(state, squares), plan.ClipLimit, state.ComputeType);
        }
        else if (plan.Clip == ClipKind.GlobalNorm)
        {
            var all = new GlobalNorm();
            foreach ((TensorState state, _, torch.Tensor squares) in sums)
                all.Add(SquaredNorm(state, squares), state.ComputeType);
            norm = all.ClippedTo(plan.ClipLimit);
            foreach (TensorState state in states)
                state.ClipOperand = norm.Factor!.Value;
        }

        return true;
    }

    static double SquaredNorm(TensorState state, torch.Tensor squares) =>
        ClipOperands.Rounded(squares.ToNumber(), state.ComputeType);

    // A number that is finite if the gradient is, and the sum of the squares of what will be clipped.
    static (torch.Tensor Check, torch.Tensor Squares) Sum<L>(TensorState state, in StepPlan plan, long pieceLength)
        where L : struct, ILane<L>
    {
        torch.Device device = state.Variable.Tensor.device;
        torch.Tensor check = torch.zeros([], torch.ScalarType.Float64, device);
        torch.Tensor squares = torch.zeros([], torch.ScalarType.Float64, device);
        var formula = new GradientFormula<L>(plan.LossScale, plan.AccumulationSteps, ClipKind.None, 0, 0);
        foreach (PieceRange range in state.Cut(pieceLength))
        {
            using DisposeScope scope = torch.NewDisposeScope();
            TensorPiece piece = state.At(range);
            torch.Tensor gradient = piece.Gradient!.to(TensorTypes.ComputeTypeOf(state.ComputeType));
            if (plan.RequiresFinite)
                check.Increase(gradient.sub(gradient).sum(torch.ScalarType.Float64)); // 0 if finite, else NaN
            if (plan.Clip is not (ClipKind.Norm or ClipKind.GlobalNorm))
                continue;
            bool accumulates = piece.Accumulator is not null;
            L value = Stages.Unclipped(
                in formula, TensorLanes.Of<L>(gradient), accumulates, accumulates ? TensorLanes.Of<L>(piece.Accumulator!) : default);
            squares.Increase(TensorLanes.TensorOf(value * value)!.sum(torch.ScalarType.Float64));
        }

        return (check, squares);
    }
}
