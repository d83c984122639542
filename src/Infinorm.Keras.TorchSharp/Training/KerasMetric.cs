using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Torch;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Training;

/// <summary>
/// A metric with state over the batches of an epoch. One of your own derives from it; a mean over examples is <see cref="Mean"/>.
/// </summary>
/// <param name="name">Its name in logs.</param>
public abstract class KerasMetric(string name)
{
    /// <summary>Its name in logs.</summary>
    public string Name { get; internal set; } = name;

    /// <summary>Whether a larger value is better; null, the default, where that is not known.</summary>
    public bool? LargerIsBetter { get; init; }

    /// <summary>The value over what was seen since <see cref="Reset"/>.</summary>
    public abstract double Result { get; }

    /// <summary>Adds a batch.</summary>
    /// <param name="target">Targets.</param>
    /// <param name="prediction">Predictions.</param>
    /// <param name="weight">Weights of the examples, or of their time steps; null for none.</param>
    public abstract void Update(Tensor target, Tensor prediction, Tensor? weight = null);

    /// <summary>Forgets what was seen.</summary>
    public abstract void Reset();

    /// <summary>A metric that is the mean of a value for each example.</summary>
    /// <param name="name">Its name in logs.</param>
    /// <param name="compute">Takes targets and predictions and returns a value for each example, or for each of its elements.</param>
    public static KerasMetric Mean(string name, Func<Tensor, Tensor, Tensor> compute) => new MeanMetric(name, compute);

    /// <summary>
    /// One of Keras's metrics by name or class, such as <c>accuracy</c>, <c>mae</c> or <c>Precision</c>, with Keras's defaults.
    /// </summary>
    /// <exception cref="FormatException">There is no metric of this name.</exception>
    public static KerasMetric Of(string name)
    {
        KerasMetric metric = MetricTable.Create(name, new ConfigReader(name, []));
        metric.Name = name;
        return metric;
    }

    internal static KerasMetric? FromConfig(JsonNode? node) => node switch
    {
        null => null,
        JsonObject serialized => KerasObject.Read("metric", serialized) is var read && read.RegisteredName?.Contains('>') == true
            ? throw new FormatException($"metric: '{read.RegisteredName}' is a custom metric, whose code is not in the file. Give the "
                + "metrics in code")
            : read.ClassName == KerasObject.FunctionClass ? Of(read.Config.ToString())
            : read.Create(config => MetricTable.Create(read.ClassName, config)),
        _ => Of(node.ToString()),
    };
}

/// <summary>The mean of values over examples, with weights.</summary>
class MeanMetric(string name, Func<Tensor, Tensor, Tensor> compute) : KerasMetric(name)
{
    double _sum, _count;

    public override double Result => _count == 0 ? 0 : _sum / _count;

    public override void Update(Tensor target, Tensor prediction, Tensor? weight = null) => Add(compute(target, prediction), weight);

    public override void Reset() => (_sum, _count) = (0, 0);

    /// <summary>Adds values, as Keras reduces them: over all axes but the first, after they were weighted.</summary>
    void Add(Tensor values, Tensor? weight)
    {
        values = values.to(ScalarType.Float32);
        if (weight is not null)
        {
            (values, weight) = Matching.SameRank(values, weight.to(ScalarType.Float32));
            if (values.dim() > weight.dim())
                values = MeanFrom(values, weight.dim());
            weight = weight.broadcast_to(values.shape);
            values = values * weight;
            weight = MeanFrom(weight, 1);
        }

        values = MeanFrom(values, 1);
        _sum += values.sum(type: ScalarType.Float64).ToNumber();
        _count += weight is not null ? weight.sum(type: ScalarType.Float64).ToNumber() : values.dim() > 0 ? values.shape[0] : 1;
    }

    static Tensor MeanFrom(Tensor x, long first) =>
        x.dim() > first ? x.mean([.. Enumerable.Range((int)first, (int)(x.dim() - first)).Select(i => (long)i)]) : x;
}

sealed class RootMeanMetric(string name) : MeanMetric(name, Squares)
{
    public override double Result => Math.Sqrt(base.Result);

    static Tensor Squares(Tensor target, Tensor prediction)
    {
        (target, prediction) = Matching.SameRank(target.to(ScalarType.Float32), prediction.to(ScalarType.Float32));
        return prediction.Minus(target).Squared();
    }
}

/// <summary>Accuracy or cross-entropy, of the kind that the first batch's shapes tell.</summary>
sealed class ByShapeMetric(string name, Func<Tensor, Tensor, KerasMetric> choose) : KerasMetric(name)
{
    KerasMetric? _chosen;

    public override double Result => _chosen?.Result ?? 0;

    public override void Update(Tensor target, Tensor prediction, Tensor? weight = null) =>
        (_chosen ??= choose(target, prediction)).Update(target, prediction, weight);

    public override void Reset() => _chosen?.Reset();
}

/// <summary>Sums over examples, a number for each class or output, of which the result is made at the end.</summary>
/// <param name="name">Its name in logs.</param>
/// <param name="add">Takes targets, predictions and weights (1 where there are none), and returns the sums of a batch.</param>
/// <param name="result">Takes all sums.</param>
sealed class SumsMetric(string name, Func<Tensor, Tensor, Tensor?, Tensor[]> add, Func<double[][], double> result) : KerasMetric(name)
{
    double[][]? _sums;

    public override double Result => _sums is null ? 0 : result(_sums);

    public override void Update(Tensor target, Tensor prediction, Tensor? weight = null)
    {
        double[][] sums = Array.ConvertAll(add(target, prediction, weight),
            sum => sum.to(ScalarType.Float64).contiguous().data<double>().ToArray());
        _sums = _sums is null ? sums : [.. _sums.Zip(sums, (x, y) => x.Zip(y, (a, b) => a + b).ToArray())];
    }

    public override void Reset() => _sums = null;
}
