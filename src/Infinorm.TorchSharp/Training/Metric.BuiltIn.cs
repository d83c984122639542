using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

// The metrics that are there.
public sealed partial class Metric
{
    /// <summary>
    /// The part of examples whose largest prediction (axis 1) stands at the target, a class index. Keras: <c>SparseCategoricalAccuracy</c>.
    /// </summary>
    public static Metric Accuracy { get; } = new("accuracy", (prediction, target) =>
    {
        Tensor found = prediction.argmax(1);
        return found.eq(AsIn(found, target));
    })
    {
        LargerIsBetter = true,
    };

    /// <summary>The mean distance between prediction and target. Keras: <c>MeanAbsoluteError</c>.</summary>
    public static Metric MeanAbsoluteError { get; } = new(
        "mean_absolute_error", (prediction, target) => (prediction - AsIn(prediction, target)).abs())
    {
        LargerIsBetter = false,
    };

    /// <summary>The mean square of the distance between prediction and target. Keras: <c>MeanSquaredError</c>.</summary>
    public static Metric MeanSquaredError { get; } = new(
        "mean_squared_error", (prediction, target) => (prediction - AsIn(prediction, target)).square())
    {
        LargerIsBetter = false,
    };

    /// <summary>The root of the mean square of the distance between prediction and target. Keras: <c>RootMeanSquaredError</c>.</summary>
    public static Metric RootMeanSquaredError { get; } = new(
        MeanSquaredError.Count, MeanSquaredError._sums, sums => Math.Sqrt(sums[0] / sums[1]), "root_mean_squared_error")
    {
        LargerIsBetter = false,
    };

    /// <summary>
    /// The part of predictions on the target's side of a threshold; the target is 0 or 1. Keras: <c>BinaryAccuracy</c>.
    /// </summary>
    /// <param name="threshold">0.5, the default, for probabilities; 0 for logits.</param>
    public static Metric BinaryAccuracy(double threshold = 0.5) => new(
        "binary_accuracy", (prediction, target) => IsAbove(prediction, threshold).eq(IsAbove(AsIn(prediction, target), 0.5)))
    {
        LargerIsBetter = true,
    };

    /// <summary>
    /// The part of examples for whose target, a class index, fewer than k classes have a larger prediction (axis 1).
    /// Keras: <c>SparseTopKCategoricalAccuracy</c>.
    /// </summary>
    /// <param name="k">How many predictions, ≥ 1. The default is 5.</param>
    /// <exception cref="ArgumentOutOfRangeException">k is below 1.</exception>
    public static Metric TopKAccuracy(int k = 5)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        return new($"top_{k}_accuracy", (prediction, target) =>
        {
            Tensor index = AsIn(prediction.select(1, 0), target).to(ScalarType.Int64);
            Tensor own = prediction.gather(1, index.unsqueeze(1));
            return prediction.gt(own).sum(1).With(k, static (larger, most) => larger.lt(most));
        })
        {
            LargerIsBetter = true,
        };
    }

    /// <summary>
    /// Of the predictions above a threshold, the part whose target, 0 or 1, is 1; 0 where there are none. Keras: <c>Precision</c>.
    /// </summary>
    /// <param name="threshold">0.5, the default, for probabilities; 0 for logits.</param>
    public static Metric Precision(double threshold = 0.5) =>
        OfHits("precision", threshold, (hits, falseAlarms, _) => Ratio(hits, hits + falseAlarms));

    /// <summary>
    /// Of the targets, 0 or 1, that are 1, the part whose prediction is above a threshold; 0 where there are none. Keras: <c>Recall</c>.
    /// </summary>
    /// <param name="threshold">0.5, the default, for probabilities; 0 for logits.</param>
    public static Metric Recall(double threshold = 0.5) => OfHits("recall", threshold, (hits, _, misses) => Ratio(hits, hits + misses));

    /// <summary>
    /// The harmonic mean of <see cref="Precision"/> and <see cref="Recall"/>; 0 where nothing was to be found or was found.
    /// Keras: <c>F1Score</c> of one output.
    /// </summary>
    /// <param name="threshold">0.5, the default, for probabilities; 0 for logits.</param>
    public static Metric F1(double threshold = 0.5) => OfHits("f1", threshold, F1Of);

    /// <summary>
    /// The mean over the classes of the F1 score of each, where the largest prediction (axis 1) counts and the target is a class index.
    /// Keras: <c>F1Score(average="macro")</c>.
    /// </summary>
    /// <param name="classes">How many classes there are, ≥ 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer than 2 classes.</exception>
    public static Metric MacroF1(int classes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 2);
        return new("macro_f1", 3 * classes, Sums, Mean) { LargerIsBetter = true };

        // Hits, false alarms and misses of each class.
        Tensor Sums(Tensor prediction, Tensor target, Tensor weights)
        {
            Tensor all = tensor([.. Enumerable.Range(0, classes).Select(i => (long)i)], device: target.device);
            Tensor found = prediction.argmax(1, keepdim: true).eq(all).to(ScalarType.Float64);
            Tensor wanted = target.to(ScalarType.Int64).view(-1, 1).eq(all).to(ScalarType.Float64);
            return HitsOf(found, wanted, weights.reshape(-1, 1), [0]).view(-1);
        }

        double Mean(IReadOnlyList<double> sums) => Enumerable.Range(0, classes).Average(
            i => F1Of(sums[i], sums[classes + i], sums[(2 * classes) + i]));
    }

    /// <summary>
    /// The area under the ROC curve, at evenly spaced thresholds from 0 to 1, between which the curve is straight: how well predictions,
    /// which must be probabilities, tell targets that are 1 from those that are 0. Keras: <c>AUC</c>.
    /// </summary>
    /// <param name="thresholds">How many thresholds, ≥ 2. The default is 200. Keras: <c>num_thresholds</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer than 2 thresholds.</exception>
    public static Metric AreaUnderCurve(int thresholds = 200)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(thresholds, 2);
        const double beyond = 1e-7; // so that 0 and 1 themselves lie between the first and the last
        double[] limits = [-beyond, .. Enumerable.Range(1, thresholds - 2).Select(i => i / (thresholds - 1.0)), 1 + beyond];
        return new("auc", 3 * thresholds, Sums, sums => Enumerable.Range(0, thresholds - 1).Sum(i => Trapezium(sums, i)))
        {
            LargerIsBetter = true,
        };

        // Hits, false alarms and misses at each threshold, and the true negatives are what is left of all.
        Tensor Sums(Tensor prediction, Tensor target, Tensor weights)
        {
            Tensor limit = tensor(limits, device: prediction.device).unsqueeze(1);
            Tensor found = prediction.to(ScalarType.Float64).view(1, -1).gt(limit).to(ScalarType.Float64);
            Tensor wanted = IsAbove(AsIn(prediction, target), 0.5).to(ScalarType.Float64).view(1, -1);
            return HitsOf(found, wanted, AsIn(prediction, weights).reshape(1, -1), [1]).view(-1);
        }

        // The first threshold finds everything.
        double Trapezium(IReadOnlyList<double> sums, int i)
        {
            double positives = sums[0] + sums[2 * thresholds], negatives = sums[thresholds];
            double width = Ratio(sums[thresholds + i] - sums[thresholds + i + 1], negatives);
            return width * Ratio(sums[i] + sums[i + 1], positives) / 2;
        }
    }

    /// <summary>
    /// The part of the targets' variance that the predictions explain: 1 is best, 0 what the targets' mean would reach.
    /// Keras: <c>R2Score</c> of one output.
    /// </summary>
    public static Metric R2 { get; } = new(
        "r2", 4,
        (prediction, target, weights) =>
        {
            Tensor values = AsIn(prediction, target).to(ScalarType.Float64), each = AsIn(prediction, weights);
            Tensor distance = prediction.to(ScalarType.Float64) - values;
            return stack([(values * each).sum(), (values.square() * each).sum(), (distance.square() * each).sum(), each.sum()]);
        },
        sums => 1 - (sums[2] / (sums[1] - (sums[0] * sums[0] / sums[3]))))
    {
        LargerIsBetter = true,
    };

    static Metric OfHits(string name, double threshold, Func<double, double, double, double> result) => new(
        name, 3,
        (prediction, target, weights) => HitsOf(
            IsAbove(prediction, threshold).to(ScalarType.Float64),
            IsAbove(AsIn(prediction, target), 0.5).to(ScalarType.Float64), AsIn(prediction, weights), null),
        sums => result(sums[0], sums[1], sums[2]))
    {
        LargerIsBetter = true,
    };

    // What was found and wanted, found only, wanted only: of all, or along axes.
    static Tensor HitsOf(Tensor found, Tensor wanted, Tensor weights, long[]? axes)
    {
        Tensor hits = found * wanted;
        return stack([Sum(hits), Sum(found - hits), Sum(wanted - hits)]);

        Tensor Sum(Tensor values) => axes is null ? (values * weights).sum() : (values * weights).sum(axes);
    }

    static double F1Of(double hits, double falseAlarms, double misses) => Ratio(2 * hits, (2 * hits) + falseAlarms + misses);

    static double Ratio(double part, double whole) => whole == 0 ? 0 : part / whole;

    // Targets of shape (examples) are of predictions of shape (examples, 1).
    static Tensor AsIn(Tensor prediction, Tensor target) =>
        target.dim() != prediction.dim() && target.numel() == prediction.numel() ? target.reshape(prediction.shape) : target;

    static Tensor IsAbove(Tensor tensor, double limit) => tensor.With(limit, static (values, number) => values.gt(number));
}
