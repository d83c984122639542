using TorchSharp;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>How much examples count: given with the batch, by the classes of its targets, or both, whose product it is then.</summary>
static class ExampleWeights
{
    /// <summary>The weights of a batch to train with; null where all count the same.</summary>
    /// <exception cref="ArgumentException">
    /// A weight is negative or not finite; or class weights are given, and the batch has several targets.
    /// </exception>
    public static Tensor? Of(Batch batch, IReadOnlyDictionary<long, double>? classWeights = null)
    {
        if (batch.Weights is not null)
            Check(batch.Weights);
        if (classWeights is null)
            return batch.Weights;
        Tensor byClass = ByClass(batch, classWeights);
        return batch.Weights is { } given ? given * byClass.Like(given) : byClass;
    }

    /// <exception cref="ArgumentException">A weight is negative or not finite.</exception>
    public static void Check(Tensor weights)
    {
        using var scope = NewDisposeScope();
        using Scalar zero = 0.ToScalar();
        if (!NonFinite.IsFinite(weights) || weights.lt(zero).any().ToInteger() != 0)
            throw new ArgumentException("The weights of the examples must be finite and at least 0; some are not.", nameof(weights));
    }

    /// <summary>With axes of length 1 at the end, as many as another tensor has; without such an axis that is one too many.</summary>
    public static Tensor Like(this Tensor weights, Tensor other)
    {
        if (weights.dim() == other.dim() + 1 && weights.shape[^1] == 1)
            return weights.squeeze(-1);
        return weights.view([.. weights.shape, .. Enumerable.Repeat(1L, (int)Math.Max(0, other.dim() - weights.dim()))]);
    }

    static Tensor ByClass(Batch batch, IReadOnlyDictionary<long, double> classWeights)
    {
        if (batch.Targets.Count != 1)
        {
            throw new ArgumentException(
                $"Class weights are for one target; the batch has {batch.Targets.Count}. Give weights with the batch.");
        }

        Tensor target = batch.Target;
        Tensor index = (target.dim() > 1 && target.shape[^1] > 1 ? target.argmax(-1) : target.dim() > 1 ? target.squeeze(-1) : target)
            .to(ScalarType.Int64);
        Tensor classes = tensor(classWeights.Keys.ToArray(), device: index.device);
        Tensor weights = tensor(classWeights.Values.ToArray(), device: index.device);
        Tensor isClass = index.unsqueeze(-1).eq(classes);
        Tensor known = (isClass.to(ScalarType.Float64) * weights).sum(-1);
        return where(isClass.any(-1), known, ones_like(known)).to(ScalarType.Float32);
    }
}
