using Infinorm.Config;

namespace Infinorm.Keras.Torch.Training;

/// <summary>The area under the ROC or the precision-recall curve, over thresholds. Keras: <c>AUC</c>.</summary>
sealed class AreaUnderCurve : ThresholdMetric
{
    readonly bool _isPrecisionRecall;
    readonly string _summation;
    readonly double[]? _labelWeights;

    public AreaUnderCurve(string name, ConfigReader config)
        : base(name, Thresholds(config), config.Boolean("multi_label", false), config.Boolean("from_logits", false))
    {
        string curve = config.Text("curve", "ROC");
        _isPrecisionRecall = curve == "PR"
            ? true
            : curve == "ROC"
            ? false
            : throw new FormatException($"metric {name}: the curve {curve} is not supported; ROC and PR are");
        _summation = config.Text("summation_method", "interpolation");
        if (_summation is not ("interpolation" or "minoring" or "majoring"))
            throw new FormatException($"metric {name}: the summation method {_summation} is not known");
        config.Ignore("num_labels");
        _labelWeights = config.IsList("label_weights") ? config.Numbers("label_weights") : null;
    }

    public override double Result
    {
        get
        {
            double[] areas = [.. Labels.Select(counts => _isPrecisionRecall && _summation == "interpolation"
                ? InterpolatedPrecision(counts)
                : Trapezes(counts))];
            return areas.Length == 0 ? 0
                : _labelWeights is null ? areas.Average()
                : Ratio(areas.Zip(_labelWeights, (area, weight) => area * weight).Sum(), _labelWeights.Sum());
        }
    }

    static double[] Thresholds(ConfigReader config)
    {
        int count = config.OptionalInteger("num_thresholds") ?? 200;
        double[] inner = config.IsList("thresholds")
            ? [.. config.Numbers("thresholds").Order()]
            : [.. Enumerable.Range(1, count - 2).Select(i => i / (double)(count - 1))];
        return [-KerasLoss.Epsilon, .. inner, 1 + KerasLoss.Epsilon];
    }

    double Trapezes(Counts counts)
    {
        double area = 0;
        for (int i = 0; i + 1 < counts.TruePositives.Length; i++)
        {
            (double x0, double y0) = Point(counts, i);
            (double x1, double y1) = Point(counts, i + 1);
            area += (x0 - x1) * (_summation switch { "minoring" => Math.Min(y0, y1), "majoring" => Math.Max(y0, y1), _ => (y0 + y1) / 2 });
        }

        return area;
    }

    (double X, double Y) Point(Counts counts, int i)
    {
        double tp = counts.TruePositives[i], fp = counts.FalsePositives[i], recall = Ratio(tp, tp + counts.FalseNegatives[i]);
        return _isPrecisionRecall ? (recall, Ratio(tp, tp + fp)) : (Ratio(fp, fp + counts.TrueNegatives[i]), recall);
    }

    // Davis and Goadrich 2006: between two thresholds true and false positives are interpolated, not precision.
    static double InterpolatedPrecision(Counts counts)
    {
        (double[] tp, double[] fp, _, double[] fn) = counts;
        double area = 0;
        for (int i = 0; i + 1 < tp.Length; i++)
        {
            double dtp = tp[i] - tp[i + 1], p0 = tp[i] + fp[i], p1 = tp[i + 1] + fp[i + 1];
            double slope = Ratio(dtp, Math.Max(p0 - p1, 0)), intercept = tp[i + 1] - (slope * p1);
            double ratio = p0 > 0 && p1 > 0 ? Ratio(p0, Math.Max(p1, 0)) : 1;
            area += Ratio(slope * (dtp + (intercept * Math.Log(ratio))), Math.Max(tp[i + 1] + fn[i + 1], 0));
        }

        return area;
    }

    static double Ratio(double part, double whole) => whole == 0 ? 0 : part / whole;
}
