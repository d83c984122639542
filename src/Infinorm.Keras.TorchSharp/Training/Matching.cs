using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Training;

/// <summary>How Keras brings targets, predictions and weights to one rank.</summary>
static class Matching
{
    /// <summary>Adds or drops a last axis of length 1 where one has an axis more than the other.</summary>
    public static (Tensor One, Tensor Other) SameRank(Tensor one, Tensor other)
    {
        if (one.dim() == other.dim() + 1 && one.shape[^1] == 1)
            return other.dim() == 1 ? (one, other.unsqueeze(-1)) : (one.squeeze(-1), other);
        if (other.dim() == one.dim() + 1 && other.shape[^1] == 1)
            return one.dim() == 1 ? (one.unsqueeze(-1), other) : (one, other.squeeze(-1));
        return (one, other);
    }

    /// <summary>Multiplies weights by a mask; null for neither.</summary>
    /// <param name="weight">Weights; null for none.</param>
    /// <param name="mask">The mask; null for none.</param>
    /// <param name="isMean">Whether the mask is scaled so that a mean over all is one over what is not masked.</param>
    public static Tensor? Mask(Tensor? weight, Tensor? mask, bool isMean)
    {
        if (mask is null)
            return weight;
        Tensor scaled = mask.to(ScalarType.Float32);
        if (isMean)
            scaled = scaled * (scaled.numel() / (scaled.sum() + KerasLoss.Epsilon));
        if (weight is null)
            return scaled;
        (Tensor one, Tensor other) = SameRank(scaled, weight);
        return one * other;
    }

    /// <summary>A tensor with axes of length 1 at its end, so that it can be multiplied with one of higher rank.</summary>
    public static Tensor Extend(Tensor weight, long rank)
    {
        while (weight.dim() < rank)
            weight = weight.unsqueeze(-1);
        return weight;
    }
}
