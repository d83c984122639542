using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>Views of tensors by axes.</summary>
static class Axes
{
    /// <summary>The axis counted from the front.</summary>
    public static long FromFront(long axis, long rank) => axis < 0 ? axis + rank : axis;

    /// <summary>The axes counted from the front.</summary>
    public static long[] FromFront(long[] axes, long rank) => Array.ConvertAll(axes, axis => FromFront(axis, rank));

    /// <summary>Moves the last axis behind the batch: to where torch has the channels. A view.</summary>
    public static Tensor ToChannelsFirst(Tensor x) => x.movedim([-1], [1]);

    /// <summary>Moves the channels from behind the batch to the end. A view.</summary>
    public static Tensor ToChannelsLast(Tensor x) => x.movedim([1], [-1]);

    /// <summary>A shape of ones with some of a tensor's axes, to broadcast a weight that has those.</summary>
    public static long[] Broadcast(Tensor x, params ReadOnlySpan<long> axes)
    {
        var shape = new long[x.dim()];
        Array.Fill(shape, 1);
        foreach (long axis in axes)
            shape[axis] = x.shape[axis];
        return shape;
    }

    /// <summary>A mask with axes of length 1 at its end, as many as a tensor has more.</summary>
    public static Tensor Extend(Tensor mask, long rank)
    {
        while (mask.dim() < rank)
            mask = mask.unsqueeze(-1);
        return mask;
    }
}
