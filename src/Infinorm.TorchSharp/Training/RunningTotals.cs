using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// The sums over batches: the loss, weighted by examples, and the sums of each metric. Sums of several parts of the data can be added.
/// </summary>
sealed class RunningTotals(IReadOnlyList<Metric> metrics)
{
    readonly double[] _sums = new double[Length(metrics)];

    /// <summary>The sum of the losses, those of each metric and, last, the number of examples: what a checkpoint holds.</summary>
    public double[] State
    {
        get => [.. _sums];
        set => value.CopyTo(_sums, 0);
    }

    /// <summary>How many sums there are.</summary>
    public static int Length(IReadOnlyList<Metric> metrics) => 2 + metrics.Sum(metric => metric.Count);

    /// <summary>What a batch has to add.</summary>
    /// <param name="loss">The batch's loss.</param>
    /// <param name="predictions">What the model made of it.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="weights">How much each example counts; null for 1 each.</param>
    public double[] Of(double loss, IReadOnlyList<Tensor> predictions, Batch batch, Tensor? weights)
    {
        double examples = predictions[0].dim() == 0 ? 1 : predictions[0].shape[0];
        return [examples * loss, .. metrics.SelectMany(metric => metric.SumsOf(predictions, batch.Targets, weights)), examples];
    }

    public void Add(double[] sums)
    {
        for (int i = 0; i < sums.Length; i++)
            _sums[i] += sums[i];
    }

    public void Clear() => Array.Clear(_sums);

    /// <summary>The mean of the loss, then each metric, with its name; NaN without examples.</summary>
    public OrderedDictionary<string, double> Values()
    {
        OrderedDictionary<string, double> values = new() { ["loss"] = _sums[0] / _sums[^1] };
        int at = 1;
        foreach (Metric metric in metrics)
        {
            values.Add(metric.Name, _sums[^1] == 0 ? double.NaN : metric.ResultOf(_sums.AsSpan(at, metric.Count)));
            at += metric.Count;
        }

        return values;
    }
}
