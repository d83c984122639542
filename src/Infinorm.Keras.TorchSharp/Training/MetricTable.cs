using Infinorm.Config;
using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Training;

/// <summary>Keras's metrics by name.</summary>
static class MetricTable
{
    /// <summary>The metric with these settings.</summary>
    /// <exception cref="FormatException">There is no metric of this name, or a setting is of the wrong kind.</exception>
    public static KerasMetric Create(string className, ConfigReader config)
    {
        string name = config.Text("name", className);
        config.Ignore("dtype");
        string key = LossTable.Key(className);
        switch (key)
        {
            case "accuracy" or "acc" when config.Has("name"):
                return new MeanMetric(name, Pairs((y, p) => y.eq(p)));
            case "accuracy" or "acc":
                return new ByShapeMetric(name, (y, p) => Accuracy(name, y, p)) { LargerIsBetter = true };
            case "crossentropy" or "ce":
                return new ByShapeMetric(name, (y, p) => OfLoss(name, KerasLoss.Of(Kind(y, p) + "_crossentropy")));
            case "meanmetricwrapper":
                KerasMetric wrapped = Create(config.Text("fn", name), new ConfigReader(name, []));
                wrapped.Name = name;
                return wrapped;
            case "binaryaccuracy":
                double threshold = config.Number("threshold", 0.5);
                return new MeanMetric(name, Pairs((y, p) => y.eq(p.gt(Constant(threshold)).to(y.dtype)))) { LargerIsBetter = true };
            case "categoricalaccuracy":
                return new MeanMetric(name, (y, p) => y.argmax(-1).eq(p.argmax(-1))) { LargerIsBetter = true };
            case "sparsecategoricalaccuracy":
                return new MeanMetric(name, (y, p) => LossTable.Indices(y, p).eq(p.argmax(-1))) { LargerIsBetter = true };
            case "topkcategoricalaccuracy":
                int k = config.OptionalInteger("k") ?? 5;
                return new MeanMetric(name, (y, p) => IsInTop(y.argmax(-1), p, k)) { LargerIsBetter = true };
            case "sparsetopkcategoricalaccuracy":
                int sparseK = config.OptionalInteger("k") ?? 5;
                return new MeanMetric(name, (y, p) => IsInTop(LossTable.Indices(y, p), p, sparseK)) { LargerIsBetter = true };
            case "rootmeansquarederror" or "rmse":
                return new RootMeanMetric(name) { LargerIsBetter = false };
            case "cosinesimilarity":
                int axis = config.OptionalInteger("axis") ?? -1;
                return new MeanMetric(name, Pairs((y, p) => LossTable.CosineSimilarity(y, p, axis))) { LargerIsBetter = true };
            case "pearsoncorrelation":
                return Correlation(name, config, isConcordance: false);
            case "concordancecorrelation":
                return Correlation(name, config, isConcordance: true);
            case "precision":
                return Counts(name, config, c => Ratio(c.Tp, c.Tp + c.Fp));
            case "recall":
                return Counts(name, config, c => Ratio(c.Tp, c.Tp + c.Fn));
            case "truepositives" or "falsepositives" or "truenegatives" or "falsenegatives":
                return Counts(name, config,
                    c => key switch { "truepositives" => c.Tp, "falsepositives" => c.Fp, "truenegatives" => c.Tn, _ => c.Fn });
            case "precisionatrecall":
                return new BestAtConstraint(name, config, "recall", Recall, Precision);
            case "recallatprecision":
                return new BestAtConstraint(name, config, "precision", Precision, Recall);
            case "sensitivityatspecificity":
                return new BestAtConstraint(name, config, "specificity", Specificity, Recall);
            case "specificityatsensitivity":
                return new BestAtConstraint(name, config, "sensitivity", Recall, Specificity);
            case "f1score" or "fbetascore":
                return FBeta(name, config, key == "f1score" ? 1 : config.Number("beta", 1));
            case "r2score":
                return R2(name, config);
            case "binaryiou" or "iou" or "meaniou" or "onehotiou" or "onehotmeaniou":
                return IoU(name, key, config);
            case "auc":
                return new AreaUnderCurve(name, config);
            default:
                return OfLoss(name, LossTable.Create(className, config));
        }
    }

    static MeanMetric OfLoss(string name, KerasLoss loss) => new(name, loss.Values) { LargerIsBetter = false };

    static MeanMetric Correlation(string name, ConfigReader config, bool isConcordance)
    {
        int axis = config.OptionalInteger("axis") ?? -1;
        return new MeanMetric(
            name,
            Pairs((y, p) =>
            {
                Tensor dy = y.Minus(y.mean([axis], keepdim: true)), dp = p.Minus(p.mean([axis], keepdim: true));
                Tensor varianceY = dy.Squared().mean([axis]), varianceP = dp.Squared().mean([axis]), common = (dy * dp).mean([axis]);
                return isConcordance
                    ? common.Times(2) / varianceY.Plus(varianceP).Plus(y.mean([axis]).Minus(p.mean([axis])).Squared())
                        .Plus(KerasLoss.Epsilon)
                    : common / (varianceY.sqrt().Plus(KerasLoss.Epsilon) * varianceP.sqrt().Plus(KerasLoss.Epsilon));
            }))
        { LargerIsBetter = true };
    }

    static string Kind(Tensor target, Tensor prediction) =>
        prediction.shape[^1] == 1
            ? "binary"
            : target.dim() < prediction.dim() || target.shape[^1] == 1
            ? "sparse_categorical"
            : "categorical";

    static KerasMetric Accuracy(string name, Tensor target, Tensor prediction) =>
        Create(Kind(target, prediction) + "_accuracy", new ConfigReader(name, []));

    static Func<Tensor, Tensor, Tensor> Pairs(Func<Tensor, Tensor, Tensor> compute) => (target, prediction) =>
    {
        (target, prediction) = Matching.SameRank(target.to(ScalarType.Float32), prediction.to(ScalarType.Float32));
        return compute(target, prediction);
    };

    // What is as large as the k-th largest is among them.
    static Tensor IsInTop(Tensor index, Tensor prediction, int k)
    {
        Tensor own = prediction.gather(-1, index.unsqueeze(-1));
        return prediction.gt(own).sum(-1).lt(Constant(k));
    }

    static double Ratio(double part, double whole) => whole == 0 ? 0 : part / whole;

    // As Keras divides where it looks for the best threshold.
    static double Precision((double Tp, double Fp, double Tn, double Fn) counts) => counts.Tp / (counts.Tp + counts.Fp + KerasLoss.Epsilon);

    static double Recall((double Tp, double Fp, double Tn, double Fn) counts) => counts.Tp / (counts.Tp + counts.Fn + KerasLoss.Epsilon);

    static double Specificity((double Tp, double Fp, double Tn, double Fn) counts) =>
        counts.Tn / (counts.Tn + counts.Fp + KerasLoss.Epsilon);

    static Tensor Weights(Tensor like, Tensor? weight) => weight is null ? ones_like(like)
        : Matching.Extend(weight.dim() == like.dim() + 1 ? weight.squeeze(-1) : weight, like.dim()).to(like.dtype).broadcast_to(like.shape);

    static KerasMetric Counts(string name, ConfigReader config, Func<(double Tp, double Fp, double Tn, double Fn), double> result)
    {
        double? given = config.IsList("thresholds")
            ? config.Numbers("thresholds") is [var only]
                ? only
                : throw new FormatException($"metric {name}: a list of several thresholds is not supported, only one")
            : config.OptionalNumber("thresholds");
        double threshold = given ?? 0.5;
        int? top = config.OptionalInteger("top_k"), column = config.OptionalInteger("class_id");
        return new SumsMetric(
            name,
            (y, p, weight) =>
            {
                (y, p) = Matching.SameRank(y.to(ScalarType.Float32), p.to(ScalarType.Float32));
                Tensor weights = Weights(y, weight);
                if (top is { } k)
                    p = where(p.ge(p.topk(k).values.amin([-1], keepdim: true)), p, full_like(p, Constant(double.NegativeInfinity)));
                if (column is { } id)
                    (y, p, weights) = (y.select(-1, id), p.select(-1, id), weights.select(-1, id));
                Tensor positive = (top is not null && given is null
                    ? p.gt(Constant(double.NegativeInfinity))
                    : p.gt(Constant(threshold))).to(y.dtype);
                Tensor isTrue = y.ne(Constant(0)).to(y.dtype);
                Tensor negative = positive.SubtractedFrom(1), isFalse = isTrue.SubtractedFrom(1);
                return [Count(positive, isTrue), Count(positive, isFalse), Count(negative, isFalse), Count(negative, isTrue)];

                Tensor Count(Tensor found, Tensor truth) => (found * truth * weights).sum().view(1);
            },
            sums => result((sums[0][0], sums[1][0], sums[2][0], sums[3][0])))
        { LargerIsBetter = true };
    }

    static KerasMetric FBeta(string name, ConfigReader config, double beta)
    {
        string? average = config.Text("average", null);
        double? threshold = config.OptionalNumber("threshold");
        if (average is not (null or "macro" or "micro" or "weighted"))
            throw new FormatException($"metric {name}: the average {average} is not known; macro, micro and weighted are");
        return new SumsMetric(
            name,
            (y, p, weight) =>
            {
                Tensor positive = threshold is { } limit
                    ? p.gt(Constant(limit))
                    : p.ge(p.amax([-1], keepdim: true)).logical_and(p.abs().gt(Constant(1e-9)));
                (Tensor truth, Tensor found) = (y.to(ScalarType.Float32), positive.to(ScalarType.Float32));
                Tensor weights = Weights(truth, weight);
                Tensor Sum(Tensor x) => average == "micro" ? (x * weights).sum().view(1) : (x * weights).sum([0]);
                return [Sum(found * truth), Sum(found * truth.SubtractedFrom(1)), Sum(found.SubtractedFrom(1) * truth), Sum(truth)];
            },
            sums =>
            {
                double[] scores = [.. Enumerable.Range(0, sums[0].Length).Select(i => Score(sums[0][i], sums[1][i], sums[2][i]))];
                if (average is null && scores.Length > 1)
                {
                    throw new InvalidOperationException($"metric {name}: average null gives a value for each of {scores.Length} classes, "
                        + "which is not supported; macro, micro and weighted are. Give the metrics with Compile");
                }

                return average == "weighted"
                    ? scores.Zip(sums[3], (score, count) => score * Ratio(count, sums[3].Sum())).Sum()
                    : scores.Average();
            })
        { LargerIsBetter = true };

        double Score(double tp, double fp, double fn)
        {
            double precision = tp / (tp + fp + KerasLoss.Epsilon), recall = tp / (tp + fn + KerasLoss.Epsilon);
            return (1 + (beta * beta)) * precision * recall / ((beta * beta * precision) + recall + KerasLoss.Epsilon);
        }
    }

    static KerasMetric R2(string name, ConfigReader config)
    {
        string aggregation = config.Text("class_aggregation", "uniform_average");
        int regressors = config.OptionalInteger("num_regressors") ?? 0;
        if (aggregation is not ("uniform_average" or "variance_weighted_average"))
            throw new FormatException($"metric {name}: class_aggregation {aggregation} is not supported; uniform_average and "
                + "variance_weighted_average are");
        return new SumsMetric(
            name,
            (y, p, weight) =>
            {
                (y, p) = Matching.SameRank(y.to(ScalarType.Float64), p.to(ScalarType.Float64));
                Tensor weights = Weights(y, weight);
                return [(y * weights).sum([0]), (y.Squared() * weights).sum([0]), (y.Minus(p).Squared() * weights).sum([0]),
                    weights.sum([0]), tensor((double)y.shape[0]).view(1)];
            },
            sums =>
            {
                double[] totals = [.. sums[0].Select((sum, i) => sums[1][i] - (sum * sum / sums[3][i]))];
                double[] scores = [.. totals.Select((total, i) => total == 0 ? 0 : 1 - (sums[2][i] / total))];
                double score = aggregation == "uniform_average"
                    ? scores.Average()
                    : scores.Zip(totals, (s, t) => s * t).Sum() / totals.Sum();
                double count = sums[4][0];
                return regressors == 0 ? score : 1 - ((1 - score) * (count - 1) / (count - regressors - 1));
            })
        { LargerIsBetter = true };
    }

    static KerasMetric IoU(string name, string key, ConfigReader config)
    {
        double threshold = config.Number("threshold", 0.5);
        int classes = key == "binaryiou"
            ? 2
            : config.OptionalInteger("num_classes") ?? throw new FormatException($"metric {name}: num_classes is missing");
        int[]? counted = config.IsList("target_class_ids") ? [.. config.Numbers("target_class_ids").Select(id => (int)id)] : null;
        int? ignored = config.OptionalInteger("ignore_class");
        bool sparseTarget = config.Boolean("sparse_y_true", true), sparsePrediction = config.Boolean("sparse_y_pred", true);
        long axis = config.OptionalInteger("axis") ?? -1;
        if (key is "onehotiou" or "onehotmeaniou")
            (sparseTarget, sparsePrediction) = (false, config.Boolean("sparse_y_pred", false));
        return new SumsMetric(
            name,
            (y, p, weight) =>
            {
                Tensor truth = (sparseTarget ? y : y.argmax(axis)).to(ScalarType.Int64).flatten();
                Tensor found = (key == "binaryiou" ? p.ge(Constant(threshold)) : sparsePrediction ? p : p.argmax(axis)).to(ScalarType.Int64)
                    .flatten();
                Tensor weights = weight is null
                    ? ones_like(truth, dtype: ScalarType.Float64)
                    : Weights(y.to(ScalarType.Float64), weight).flatten();
                if (ignored is { } other)
                    (weights, truth) = (weights * truth.ne(Constant(other)).to(ScalarType.Float64),
                        truth * truth.ne(Constant(other)).to(ScalarType.Int64));
                return [zeros(classes * classes, dtype: ScalarType.Float64).scatter_add(0, truth.Times(classes).Plus(found), weights)];
            },
            sums =>
            {
                var scores = new List<double>();
                foreach (int i in counted ?? Enumerable.Range(0, classes))
                {
                    double row = Enumerable.Range(0, classes).Sum(j => sums[0][(i * classes) + j]),
                        column = Enumerable.Range(0, classes).Sum(j => sums[0][(j * classes) + i]);
                    double both = sums[0][(i * classes) + i], either = row + column - both;
                    if (either > 0)
                        scores.Add(both / either);
                }

                return scores.Count == 0 ? 0 : scores.Average();
            })
        { LargerIsBetter = true };
    }
}
