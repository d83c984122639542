using Infinorm.Config;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Training;

/// <summary>The area under the ROC or the precision-recall curve, over thresholds. Keras: <c>AUC</c>.</summary>
sealed class AreaUnderCurve : KerasMetric
{
    readonly double[] _thresholds;
    readonly bool _isPrecisionRecall, _isLogits;
    readonly string _summation;
    double[] _tp, _fp, _tn, _fn;

    public AreaUnderCurve(string name, ConfigReader config)
        : base(name)
    {
        LargerIsBetter = true;
        string curve = config.Text("curve", "ROC");
        _isPrecisionRecall = curve == "PR" ? true : curve == "ROC" ? false : throw new FormatException($"metric {name}: the curve {curve} is not supported; ROC and PR are");
        _summation = config.Text("summation_method", "interpolation");
        if (_summation is not ("interpolation" or "minoring" or "majoring"))
            throw new FormatException($"metric {name}: the summation method {_summation} is not known");
        if (config.Boolean("multi_label", false))
            throw new FormatException($"metric {name}: multi_label is not supported");
        config.Ignore("num_labels");
        config.Ignore("label_weights");
        _isLogits = config.Boolean("from_logits", false);
        int count = config.OptionalInteger("num_thresholds") ?? 200;
        double[] inner = config.IsList("thresholds")
            ? [.. config.Numbers("thresholds").Order()]
            : [.. Enumerable.Range(1, count - 2).Select(i => i / (double)(count - 1))];
        _thresholds = [-KerasLoss.Epsilon, .. inner, 1 + KerasLoss.Epsilon];
        (_tp, _fp, _tn, _fn) = ([], [], [], []);
        Reset();
    }

    public override double Result => _isPrecisionRecall && _summation == "interpolation" ? InterpolatedPrecision() : Trapezes();

    public override void Update(Tensor target, Tensor prediction, Tensor? weight = null)
    {
        (Tensor y, Tensor p) = Matching.SameRank(target.to(ScalarType.Float64), prediction.to(ScalarType.Float64));
        Tensor weights = (weight is null ? ones_like(y) : Matching.Extend(weight.to(ScalarType.Float64), y.dim()).broadcast_to(y.shape)).flatten();
        (y, p) = (y.ne(0).to(ScalarType.Float64).flatten(), (_isLogits ? p.sigmoid() : p).flatten());
        Tensor above = p.unsqueeze(0).gt(tensor(_thresholds).unsqueeze(1)).to(ScalarType.Float64);
        Add(_tp, above * (y * weights));
        Add(_fp, above * ((1 - y) * weights));
        Add(_fn, (1 - above) * (y * weights));
        Add(_tn, (1 - above) * ((1 - y) * weights));
    }

    public override void Reset() => (_tp, _fp, _tn, _fn) = (new double[_thresholds.Length], new double[_thresholds.Length], new double[_thresholds.Length], new double[_thresholds.Length]);

    static void Add(double[] sums, Tensor each)
    {
        double[] batch = each.sum(1).data<double>().ToArray();
        for (int i = 0; i < sums.Length; i++)
            sums[i] += batch[i];
    }

    double Trapezes()
    {
        double area = 0;
        for (int i = 0; i + 1 < _thresholds.Length; i++)
        {
            (double x0, double y0) = Point(i);
            (double x1, double y1) = Point(i + 1);
            area += (x0 - x1) * (_summation switch { "minoring" => Math.Min(y0, y1), "majoring" => Math.Max(y0, y1), _ => (y0 + y1) / 2 });
        }

        return area;
    }

    (double X, double Y) Point(int i)
    {
        double recall = Ratio(_tp[i], _tp[i] + _fn[i]);
        return _isPrecisionRecall ? (recall, Ratio(_tp[i], _tp[i] + _fp[i])) : (Ratio(_fp[i], _fp[i] + _tn[i]), recall);
    }

    // Davis and Goadrich 2006: between two thresholds true and false positives are interpolated, not precision.
    double InterpolatedPrecision()
    {
        double area = 0;
        for (int i = 0; i + 1 < _thresholds.Length; i++)
        {
            double dtp = _tp[i] - _tp[i + 1], p0 = _tp[i] + _fp[i], p1 = _tp[i + 1] + _fp[i + 1];
            double slope = Ratio(dtp, Math.Max(p0 - p1, 0)), intercept = _tp[i + 1] - (slope * p1);
            double ratio = p0 > 0 && p1 > 0 ? Ratio(p0, Math.Max(p1, 0)) : 1;
            area += Ratio(slope * (dtp + (intercept * Math.Log(ratio))), Math.Max(_tp[i + 1] + _fn[i + 1], 0));
        }

        return area;
    }

    static double Ratio(double part, double whole) => whole == 0 ? 0 : part / whole;
}
