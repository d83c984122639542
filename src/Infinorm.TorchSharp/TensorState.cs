using Infinorm.Execution;
using Infinorm.Rules;
using Infinorm.Types;
using Infinorm.Variables;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>One variable as the executor sees it: its tensor, its slots, and its gradient in the present step.</summary>
sealed class TensorState : IDisposable
{
    /// <param name="request">What to keep for each variable.</param>
    /// <param name="number">The number of this one.</param>
    public TensorState(BuildRequest request, int number)
    {
        Variable = (TensorVariable)request.Variables[number];
        Decays = request.Decays[number];
        OwnDecay = request.OwnDecays[number];
        Group = request.GroupOf[number];
        ComputeType = Variable.DType == DType.Float64 ? DType.Float64 : DType.Float32;
        IReadOnlyList<DeclaredSlot> slots = request.Slots.Declared;
        Slots =
        [
            .. slots.Where(slot => slot.Place >= 0)
                .Select(slot => slot.Spec.StartsAsVariable ? CopyVariable() : MakeSlot(slot.Spec.Initial)),
        ];
        OwnSlots =
        [
            .. slots.Select(slot => slot.OwnShapeFor(Variable.Path, Variable.Shape) is { } shape
                ? MakeSlot(slot.Spec.Initial, [.. shape.Select(size => (long)size)])
                : null),
        ];
        Average = request.HasAverages ? MakeSlot() : null;
        Accumulator = request.HasAccumulators ? MakeSlot() : null;
        if (request.HasMasterWeights && Variable.DType is DType.Float16 or DType.BFloat16)
            Master = CopyVariable();
    }

    public TensorVariable Variable { get; }

    /// <summary>Whether weight decay applies, if there is any.</summary>
    public bool Decays { get; }

    /// <summary>The weight decay, if it does not follow the plan's.</summary>
    public OwnDecay? OwnDecay { get; }

    public int Group { get; }

    /// <summary>The type in which everything about the variable is computed, and of its slots.</summary>
    public DType ComputeType { get; }

    /// <summary>The slots of the variable's shape, by place.</summary>
    public torch.Tensor[] Slots { get; }

    /// <summary>The slots that give forms, by number; null where the variable has none.</summary>
    public torch.Tensor?[] OwnSlots { get; }

    public torch.Tensor? Average { get; }

    public torch.Tensor? Accumulator { get; }

    /// <summary>The float copy of a 16-bit variable, which is stepped; null where there is none.</summary>
    public torch.Tensor? Master { get; }

    /// <summary>The gradient of the present step; null where there is none.</summary>
    public torch.Tensor? Gradient { get; set; }

    /// <summary>What clipping by norm divides the gradient by in this step, and clipping by global norm multiplies it by.</summary>
    public double ClipOperand { get; set; }

    /// <summary>The positions of the pieces. No piece is larger than the limit, as far as the variable's shape allows.</summary>
    public IEnumerable<PieceRange> Cut(long length)
    {
        if (Variable.Length == 0)
            yield break;

        // In one row where all lie so; else along the longest axis.
        bool inRow = Variable.Tensor.is_contiguous() && Gradient?.is_contiguous() != false;
        long[] shape = inRow ? [Variable.Length] : Variable.Tensor.shape;
        long most = shape.Max();
        long step = Math.Max(1, length / (Variable.Length / most));
        for (long start = 0; start < most; start += step)
            yield return new PieceRange(inRow, Array.IndexOf(shape, most), start, Math.Min(step, most - start));
    }

    /// <summary>Views of a piece.</summary>
    public TensorPiece At(PieceRange range) => new(
        range.Of(Variable.Tensor)!, range.Of(Gradient), [.. Slots.Select(slot => range.Of(slot)!)], range.Of(Average),
        range.Of(Accumulator), range.Of(Master));

    public void Dispose()
    {
        foreach (torch.Tensor? slot in (ReadOnlySpan<torch.Tensor?>)[.. Slots, .. OwnSlots, Average, Accumulator, Master])
            slot?.Dispose();
    }

    torch.Tensor CopyVariable()
    {
        using var noGrad = torch.no_grad();
        torch.Tensor copy = MakeSlot();
        copy.copy_(Variable.Tensor);
        return copy;
    }

    torch.Tensor MakeSlot(double initial = 0, long[]? shape = null)
    {
        using Scalar value = initial.ToScalar();
        return torch.full(shape ?? Variable.Tensor.shape, value, TensorTypes.ComputeTypeOf(ComputeType), Variable.Tensor.device)
            .DetachFromDisposeScope();
    }
}

/// <summary>The position of a piece in each of a variable's tensors: along an axis, or in the flattened tensor.</summary>
readonly record struct PieceRange(bool InRow, int Axis, long Start, long Count)
{
    /// <summary>A view of the piece of a tensor.</summary>
    public torch.Tensor? Of(torch.Tensor? whole) => (InRow ? whole?.view(-1) : whole)?.narrow(Axis, Start, Count);
}

/// <summary>The same piece of each of a variable's tensors.</summary>
readonly record struct TensorPiece(
    torch.Tensor Weights, torch.Tensor? Gradient, torch.Tensor[] Slots, torch.Tensor? Average, torch.Tensor? Accumulator,
    torch.Tensor? Master);
