using System.Numerics;
using Infinorm.Execution.Memory;
using Infinorm.Rules;
using TorchSharp;

namespace Infinorm.Torch;

/// <summary>
/// A rule over spans, which runs in memory: what it reads is copied there, and what it writes is copied back. So it computes what it
/// computes for parameters in memory, at the speed of one thread and of the way to the device.
/// </summary>
sealed unsafe class TensorBlockRule<L>(TensorPass pass) : TensorRule<L>(pass), IRulePass<IBlockRule>
    where L : struct, ILane<L>
{
    readonly TensorPass _pass = pass;
    IBlockRule _rule = null!;
    double[] _scratch = [];

    public override bool NeedsWholeVariables => _rule.NeedsWholeVariables;

    public void Set(in IBlockRule rule)
    {
        _rule = rule;
        foreach (TensorState state in rule.NeedsWholeVariables ? _pass.States : [])
        {
            nint bytes = Arena.Padded((nint)_pass.ScratchLengthOf(rule, state.Variable.Shape) * sizeof(double));
            if (_scratch.Length < bytes / sizeof(double))
                _scratch = new double[bytes / sizeof(double)];
        }
    }

    public override void Step(TensorState state, ref L weight, L gradient, Span<L> slots)
    {
        torch.Tensor weights = TensorLanes.TensorOf(weight)!;
        torch.Tensor[] copies = Copy([weights, TensorLanes.TensorOf(gradient)!, .. slots.ToArray().Select(slot => TensorLanes.TensorOf(slot)!)]);
        torch.Tensor?[] own = NeedsWholeVariables ? Array.ConvertAll(state.OwnSlots, slot => slot is null ? null : Copy([slot])[0]) : [];
        if (L.IsDouble)
            Step<double>(state, copies, own);
        else
            Step<float>(state, copies, own);

        weight = TensorLanes.Of<L>(copies[0].to(weights.device));
        for (int i = 0; i < slots.Length; i++)
            slots[i] = TensorLanes.Of<L>(copies[2 + i]);
        for (int i = 0; i < own.Length; i++)
            state.OwnSlots[i]?.copy_(own[i]!);
    }

    void Step<T>(TensorState state, torch.Tensor[] copies, torch.Tensor?[] own)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        bool whole = NeedsWholeVariables;
        OwnSlot[] ownSlots = Array.ConvertAll(own, slot => slot is null
            ? default
            : new OwnSlot(TensorMemory.AddressOf(slot), (int)slot.numel(), Array.ConvertAll(slot.shape, size => (nint)size)));
        Span<double> scratch = whole ? _scratch.AsSpan(0, _pass.ScratchLengthOf(_rule, state.Variable.Shape)) : [];
        byte* weights = (byte*)TensorMemory.AddressOf(copies[0]);
        nint stride = (nint)TensorMemory.AddressOf(copies[1]) - (nint)weights;
        int length = (int)copies[0].numel(), most = whole ? length : GradientBlocks.BlockLength;
        for (int start = 0; start < length; start += most)
        {
            byte* first = weights + ((nint)start * sizeof(T));
            _rule.Step(new Block<T>(
                _pass, state.Variable.Path, state.Variable.Shape, first, first + stride, first + (2 * stride), stride,
                Math.Min(most, length - start), ownSlots, wideGradient: [], scratch));
        }
    }

    // Copies in memory of tensors of one shape, each padded to whole lanes. One without elements has an address too.
    static torch.Tensor[] Copy(torch.Tensor[] tensors)
    {
        int size = L.IsDouble ? sizeof(double) : sizeof(float);
        long count = tensors[0].numel(), padded = Arena.Padded((nint)Math.Max(1, count) * size) / size;
        torch.Tensor rows = torch.empty([tensors.Length, padded], tensors[0].dtype, torch.CPU);
        return
        [
            .. tensors.Select((tensor, i) => rows.select(0, i).narrow(0, 0, count).view(tensor.shape).copy_(tensor)),
        ];
    }
}
