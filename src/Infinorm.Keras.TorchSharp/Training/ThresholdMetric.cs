using Infinorm.Config;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Training;

/// <summary>True and false positives and negatives at several thresholds, for each label or for all together.</summary>
abstract class ThresholdMetric : KerasMetric
{
    readonly double[] _thresholds;
    readonly bool _isPerLabel, _isLogits;
    readonly int? _class;
    double[][] _tp = [], _fp = [], _tn = [], _fn = [];

    /// <param name="name">Its name in logs.</param>
    /// <param name="thresholds">In ascending order; what is above one is positive.</param>
    /// <param name="isPerLabel">Whether each column of the targets is counted by itself.</param>
    /// <param name="isLogits">Whether predictions go through a sigmoid first.</param>
    /// <param name="onlyClass">The only column to count; null for all.</param>
    protected ThresholdMetric(string name, double[] thresholds, bool isPerLabel = false, bool isLogits = false, int? onlyClass = null)
        : base(name)
    {
        LargerIsBetter = true;
        (_thresholds, _isPerLabel, _isLogits, _class) = (thresholds, isPerLabel, isLogits, onlyClass);
    }

    public sealed override void Update(Tensor target, Tensor prediction, Tensor? weight = null)
    {
        (Tensor y, Tensor p) = Matching.SameRank(target.to(ScalarType.Float64), prediction.to(ScalarType.Float64));
        Tensor weights = weight is null ? ones_like(y) : Matching.Extend(weight.to(ScalarType.Float64), y.dim()).broadcast_to(y.shape);
        if (_class is { } only)
            (y, p, weights) = (y.select(-1, only), p.select(-1, only), weights.select(-1, only));
        long columns = _isPerLabel ? y.shape[^1] : 1;
        weights = weights.reshape(-1, columns);
        y = y.ne(Constant(0)).to(ScalarType.Float64).reshape(-1, columns);
        p = (_isLogits ? p.sigmoid() : p).reshape(-1, columns);
        Tensor above = p.unsqueeze(0).gt(tensor(_thresholds).view(-1, 1, 1)).to(ScalarType.Float64),
            below = above.logical_not().to(ScalarType.Float64);
        Tensor positive = y * weights, negative = y.logical_not().to(ScalarType.Float64) * weights;
        Add(ref _tp, above * positive);
        Add(ref _fp, above * negative);
        Add(ref _fn, below * positive);
        Add(ref _tn, below * negative);
    }

    public sealed override void Reset() => _tp = _fp = _tn = _fn = [];

    /// <summary>The counts of each label; none before the first batch.</summary>
    protected IEnumerable<Counts> Labels => Enumerable.Range(0, _tp.Length).Select(i => new Counts(_tp[i], _fp[i], _tn[i], _fn[i]));

    // (thresholds, examples, labels) to a list by label.
    static void Add(ref double[][] sums, Tensor each)
    {
        Tensor batch = each.sum(1);
        double[] values = batch.t().contiguous().data<double>().ToArray();
        int thresholds = (int)batch.shape[0], labels = (int)batch.shape[1];
        if (sums.Length == 0)
            sums = [.. Enumerable.Range(0, labels).Select(_ => new double[thresholds])];
        for (int i = 0; i < values.Length; i++)
            sums[i / thresholds][i % thresholds] += values[i];
    }

    /// <summary>A number for each threshold.</summary>
    protected readonly record struct Counts(double[] TruePositives, double[] FalsePositives, double[] TrueNegatives,
        double[] FalseNegatives);
}

/// <summary>The best of one ratio where another is large enough, such as the best precision at a recall of 0.9 or more.</summary>
sealed class BestAtConstraint(
    string name, ConfigReader config, string constraintKey,
    Func<(double Tp, double Fp, double Tn, double Fn), double> constrained, Func<(double Tp, double Fp, double Tn, double Fn), double> best)
    : ThresholdMetric(name, Thresholds(config), onlyClass: config.OptionalInteger("class_id"))
{
    readonly double _limit = config.OptionalNumber(constraintKey)
        ?? throw new FormatException($"metric {name}: {constraintKey} is missing");

    public override double Result => Labels.Select(Best).FirstOrDefault();

    double Best(Counts counts)
    {
        double found = 0;
        for (int i = 0; i < counts.TruePositives.Length; i++)
        {
            var at = (counts.TruePositives[i], counts.FalsePositives[i], counts.TrueNegatives[i], counts.FalseNegatives[i]);
            if (constrained(at) >= _limit)
                found = Math.Max(found, best(at));
        }

        return found;
    }

    static double[] Thresholds(ConfigReader config)
    {
        int count = config.OptionalInteger("num_thresholds") ?? 200;
        return count == 1 ? [0.5] : [0, .. Enumerable.Range(1, count - 2).Select(i => i / (double)(count - 1)), 1];
    }
}
