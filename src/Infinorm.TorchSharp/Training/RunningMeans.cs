using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>Means of the loss and the metrics over the examples seen so far.</summary>
sealed class RunningMeans(IReadOnlyList<Metric> metrics)
{
    double[] _sums = new double[1 + metrics.Count];
    double _examples;

    /// <summary>The sums and, last, the number of examples: what a checkpoint holds.</summary>
    public double[] State
    {
        get => [.. _sums, _examples];
        set => (_sums, _examples) = (value[..^1], value[^1]);
    }

    public void Add(double loss, Tensor prediction, Tensor target)
    {
        double examples = prediction.dim() == 0 ? 1 : prediction.shape[0];
        _examples += examples;
        _sums[0] += examples * loss;
        for (int i = 0; i < metrics.Count; i++)
            _sums[i + 1] += examples * metrics[i].Compute(prediction, target).ToNumber();
    }

    public void Clear()
    {
        Array.Clear(_sums);
        _examples = 0;
    }

    /// <summary>The mean of the loss, then of each metric, with its name; NaN without examples.</summary>
    public OrderedDictionary<string, double> Values()
    {
        OrderedDictionary<string, double> values = new() { ["loss"] = _sums[0] / _examples };
        for (int i = 0; i < metrics.Count; i++)
            values.Add(metrics[i].Name, _sums[i + 1] / _examples);
        return values;
    }
}
