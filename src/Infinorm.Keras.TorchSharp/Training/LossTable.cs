using Infinorm.Config;
using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Training;

/// <summary>Keras's losses by name.</summary>
static class LossTable
{
    const double Epsilon = KerasLoss.Epsilon;
    const long NoClass = -1;

    // Other names of Keras for the same, in lower case without underscores.
    static readonly Dictionary<string, string> Aliases = new()
    {
        ["mse"] = "meansquarederror",
        ["mae"] = "meanabsoluteerror",
        ["mape"] = "meanabsolutepercentageerror",
        ["msle"] = "meansquaredlogarithmicerror",
        ["kld"] = "kldivergence",
        ["kullbackleiblerdivergence"] = "kldivergence",
        ["bce"] = "binarycrossentropy",
        ["cce"] = "categoricalcrossentropy",
        ["logcosherror"] = "logcosh",
        ["huberloss"] = "huber",
        ["cosine"] = "cosinesimilarity",
        ["cosineproximity"] = "cosinesimilarity",
        ["ce"] = "crossentropy",
    };

    static readonly Dictionary<string, Func<ConfigReader, Func<Tensor, Tensor, Tensor>>> Losses = new()
    {
        ["meansquarederror"] = _ => Pairs((y, p) => y.Minus(p).Squared().mean([-1])),
        ["meanabsoluteerror"] = _ => Pairs((y, p) => y.Minus(p).abs().mean([-1])),
        ["meanabsolutepercentageerror"] = _ =>
            Pairs((y, p) => (y.Minus(p) / y.abs().clamp_min(Constant(Epsilon))).abs().mean([-1]).Times(100)),
        ["meansquaredlogarithmicerror"] = _ =>
            Pairs((y, p) => p.clamp_min(Constant(Epsilon)).Plus(1).log().Minus(y.clamp_min(Constant(Epsilon)).Plus(1).log()).Squared()
                .mean([-1])),
        ["huber"] = config =>
        {
            double delta = config.Number("delta", 1);
            return Pairs((y, p) => Huber(p.Minus(y).abs(), delta));
        },
        ["logcosh"] = _ => Pairs((y, p) => LogCosh(p.Minus(y)).mean([-1])),
        ["cosinesimilarity"] = config =>
        {
            int axis = config.OptionalInteger("axis") ?? -1;
            return Pairs((y, p) => CosineSimilarity(y, p, axis).neg());
        },
        ["poisson"] = _ => Pairs((y, p) => p.Minus(y * p.Plus(Epsilon).log()).mean([-1])),
        ["hinge"] = _ => Pairs((y, p) => (Signs(y) * p).SubtractedFrom(1).relu().mean([-1])),
        ["squaredhinge"] = _ => Pairs((y, p) => (Signs(y) * p).SubtractedFrom(1).relu().Squared().mean([-1])),
        ["categoricalhinge"] = _ => Pairs((y, p) => (y.SubtractedFrom(1) * p).amax([-1]).Minus((y * p).sum(-1)).Plus(1).relu()),
        ["kldivergence"] = _ =>
            Pairs((y, p) => (y.clamp(Constant(Epsilon),
                Constant(1)) * (y.clamp(Constant(Epsilon), Constant(1)) / p.clamp(Constant(Epsilon), Constant(1))).log()).sum(-1)),
        ["binarycrossentropy"] = config =>
        {
            (bool isLogits, double smoothing, int axis) = CrossEntropy(config);
            return Pairs((y, p) => BinaryCrossEntropy(Smooth(y, smoothing), p, isLogits).mean([axis]));
        },
        ["binaryfocalcrossentropy"] = config =>
        {
            (bool isLogits, double smoothing, int axis) = CrossEntropy(config);
            double alpha = config.Number("alpha", 0.25), gamma = config.Number("gamma", 2);
            bool balances = config.Boolean("apply_class_balancing", false);
            return Pairs((y, p) =>
            {
                (y, p) = (Smooth(y, smoothing), isLogits ? p.sigmoid() : p);
                Tensor focal = (y * p).Plus(y.SubtractedFrom(1) * p.SubtractedFrom(1)).SubtractedFrom(1)
                    .pow(Constant(gamma)) * BinaryCrossEntropy(y, p, isLogits: false);
                return (balances ? focal * y.Times(alpha).Plus(y.SubtractedFrom(1).Times(1 - alpha)) : focal).mean([axis]);
            });
        },
        ["categoricalcrossentropy"] = config =>
        {
            (bool isLogits, double smoothing, int axis) = CrossEntropy(config);
            return Pairs((y, p) =>
            {
                if (smoothing != 0)
                    y = y.Times(1 - smoothing).Plus(smoothing / y.shape[^1]);
                return (y * LogProbabilities(p, isLogits, axis)).sum(axis).neg();
            });
        },
        ["categoricalfocalcrossentropy"] = config =>
        {
            (bool isLogits, double smoothing, int axis) = CrossEntropy(config);
            double gamma = config.Number("gamma", 2);
            double[] alpha = config.IsList("alpha") ? config.Numbers("alpha") : [config.Number("alpha", 0.25)]; // one for each class
            return Pairs((y, p) =>
            {
                if (smoothing != 0)
                    y = y.Times(1 - smoothing).Plus(smoothing / y.shape[^1]);
                p = isLogits ? p.softmax(axis) : p;
                p = (p / p.sum(axis, keepdim: true)).clamp(Constant(Epsilon), Constant(1 - Epsilon));
                return (p.SubtractedFrom(1).pow(Constant(gamma)) * tensor(alpha, dtype: p.dtype) * (y * p.log()).neg()).sum(axis);
            });
        },
        ["categoricalgeneralizedcrossentropy"] = config =>
        {
            double q = config.Number("q", 0.5);
            return (y, p) => p.gather(-1, Indices(y, p).unsqueeze(-1)).squeeze(-1).pow(Constant(q)).SubtractedFrom(1).Over(q);
        },
        ["ctc"] = _ => Ctc,
        ["dice"] = config =>
        {
            long[]? axes = AxesOf(config);
            return Pairs((y, p) => (Sum(y * p, axes).Times(2) / Sum(y, axes).Plus(Sum(p, axes)).Plus(Epsilon)).SubtractedFrom(1));
        },
        ["tversky"] = config =>
        {
            long[]? axes = AxesOf(config);
            double alpha = config.Number("alpha", 0.5), beta = config.Number("beta", 0.5);
            return Pairs((y, p) =>
            {
                Tensor both = Sum(y * p, axes);
                return (both / both.Plus(Sum(p.SubtractedFrom(1) * y, axes).Times(alpha))
                    .Plus(Sum(p * y.SubtractedFrom(1), axes).Times(beta)).Plus(Epsilon)).SubtractedFrom(1);
            });
        },
    };

    // Losses whose values have a mask of their own.
    static readonly Dictionary<string, Func<ConfigReader, Func<Tensor, Tensor, (Tensor, Tensor?)>>> Masked = new()
    {
        ["sparsecategoricalcrossentropy"] = SparseCrossEntropy,
        ["circle"] = Circle,
        ["crossentropy"] = _ => ByShape(),
    };

    /// <summary>The loss with these settings.</summary>
    /// <exception cref="FormatException">There is none of this name, or a setting is of the wrong kind.</exception>
    public static KerasLoss Create(string name, ConfigReader config)
    {
        string key = Key(name);
        string own = config.Text("name", name), reduction = config.Text("reduction", "sum_over_batch_size");
        config.Ignore("fn");
        config.Ignore("dtype");
        if (Masked.TryGetValue(key, out var makeMasked))
            return new KerasLoss(own, makeMasked(config), reduction);
        if (Losses.TryGetValue(key, out var make))
            return new KerasLoss(own, make(config), reduction);
        throw new FormatException($"loss: '{name}' is not known. Give a loss in code");
    }

    /// <summary>A name as it is looked up.</summary>
    public static string Key(string name)
    {
        string plain = name.Replace("_", "", StringComparison.Ordinal).ToLowerInvariant();
        return Aliases.GetValueOrDefault(plain, plain);
    }

    /// <summary>The cosine of the angle between vectors along an axis.</summary>
    public static Tensor CosineSimilarity(Tensor y, Tensor p, long axis) => (Unit(y, axis) * Unit(p, axis)).sum(axis);

    /// <summary>Targets that are classes, as indices: without a last axis of length 1.</summary>
    public static Tensor Indices(Tensor target, Tensor prediction) =>
        (target.dim() == prediction.dim() && target.shape[^1] == 1 ? target.squeeze(-1) : target).to(ScalarType.Int64);

    static Func<Tensor, Tensor, Tensor> Pairs(Func<Tensor, Tensor, Tensor> compute) => (target, prediction) =>
    {
        (target, prediction) = Matching.SameRank(target.to(ScalarType.Float32), prediction);
        return compute(target, prediction);
    };

    static (bool IsLogits, double Smoothing, int Axis) CrossEntropy(ConfigReader config) =>
        (config.Boolean("from_logits", false), config.Number("label_smoothing", 0), config.OptionalInteger("axis") ?? -1);

    static Func<Tensor, Tensor, (Tensor, Tensor?)> SparseCrossEntropy(ConfigReader config)
    {
        bool isLogits = config.Boolean("from_logits", false);
        int axis = config.OptionalInteger("axis") ?? -1;
        int? ignored = config.OptionalInteger("ignore_class");
        return (target, prediction) =>
        {
            Tensor index = Indices(target, prediction);
            Tensor? kept = ignored is { } other ? index.ne(Constant(other)) : null;
            if (isLogits && kept is null)
                return (nn.functional.cross_entropy(prediction.movedim([axis], [1]), index, ignore_index: NoClass,
                    reduction: nn.Reduction.None), null);

            // A class below 0 is none: its values are 0, as those of a class that is ignored.
            Tensor isClass = kept is null ? index.ge(Constant(0)) : kept.logical_and(index.ge(Constant(0)));
            Tensor own = where(isClass, index, zeros_like(index));
            Tensor values = LogProbabilities(prediction.movedim([axis], [-1]), isLogits, -1).gather(-1,
                own.unsqueeze(-1)).squeeze(-1).neg();
            return (where(isClass, values, zeros_like(values)), kept);
        };
    }

    // Which cross-entropy is meant, the shapes tell.
    static Func<Tensor, Tensor, (Tensor, Tensor?)> ByShape() => (target, prediction) => prediction.shape[^1] == 1
        ? (KerasLoss.Of("binary_crossentropy").Values(target, prediction), null)
        : (KerasLoss.Of(target.dim() < prediction.dim() || target.shape[^1] == 1
        ? "sparse_categorical_crossentropy"
        : "categorical_crossentropy")
            .Values(target, prediction), null);

    // Similarities of all pairs of a batch: those of one class should be near, those of two far. Examples without a loss do not count.
    static Func<Tensor, Tensor, (Tensor, Tensor?)> Circle(ConfigReader config)
    {
        double gamma = config.Number("gamma", 80), margin = config.Number("margin", 0.4);
        bool removesDiagonal = config.Boolean("remove_diagonal", true);
        return (target, prediction) =>
        {
            Tensor labels = target.to(ScalarType.Int64).view(-1, 1);
            Tensor isSame = labels.eq(labels.t()), isOther = isSame.logical_not();
            if (removesDiagonal)
                isSame = isSame.logical_and(eye(labels.shape[0], dtype: ScalarType.Bool).logical_not());
            Tensor distances = prediction.matmul(prediction.t()).SubtractedFrom(1).relu();
            Tensor near = (distances.Plus(margin).relu() * distances.SubtractedFrom(margin)).Times(-gamma);
            Tensor far = (distances.SubtractedFrom(1 + margin).relu() * distances.SubtractedFrom(1 - margin)).Times(gamma);
            Tensor values = LogSumExp(near, isSame).Plus(LogSumExp(far, isOther)).SoftPlus();
            return (values, values.gt(Constant(0)));
        };

        static Tensor LogSumExp(Tensor x, Tensor counts) => where(counts, x, full_like(x, Constant(double.NegativeInfinity))).logsumexp(1);
    }

    // Targets are sequences of classes, filled up with 0, which is the blank.
    static Tensor Ctc(Tensor target, Tensor prediction)
    {
        if (target.dim() != 2 || prediction.dim() != 3)
            throw new ArgumentException("The CTC loss takes targets (examples, classes) and predictions (examples, steps, classes).");
        Tensor classes = target.to(ScalarType.Int64), lengths = classes.ne(Constant(0)).sum(-1);
        Tensor steps = full([prediction.shape[0]], Constant(prediction.shape[1]), dtype: ScalarType.Int64);
        return nn.functional.ctc_loss(prediction.transpose(0, 1).log_softmax(-1), classes, steps, lengths, blank: 0, zero_infinity: false,
            nn.Reduction.None);
    }

    static Tensor LogProbabilities(Tensor p, bool isLogits, long axis) =>
        isLogits ? p.log_softmax(axis) : (p / p.sum(axis, keepdim: true)).clamp(Constant(Epsilon), Constant(1 - Epsilon)).log();

    static Tensor BinaryCrossEntropy(Tensor y, Tensor p, bool isLogits)
    {
        if (isLogits)
            return p.relu().Minus(p * y).Plus(p.abs().neg().exp().Plus(1).log());
        p = p.clamp(Constant(Epsilon), Constant(1 - Epsilon));
        return (y * p.log()).Plus(y.SubtractedFrom(1) * p.SubtractedFrom(1).log()).neg();
    }

    static Tensor LogCosh(Tensor x) => x.Plus(x.Times(-2).SoftPlus()).Minus(Math.Log(2));

    static Tensor Smooth(Tensor y, double smoothing) => smoothing == 0 ? y : y.Times(1 - smoothing).Plus(0.5 * smoothing);

    static Tensor Huber(Tensor distance, double delta) =>
        where(distance.le(Constant(delta)), distance.Squared().Times(0.5), distance.Times(delta).Minus(0.5 * delta * delta)).mean([-1]);

    // Targets that are all 0 or 1 stand for -1 and 1.
    static Tensor Signs(Tensor y) => y.eq(Constant(0)).logical_or(y.eq(Constant(1))).all().ToTruth() ? y.Times(2).Minus(1) : y;

    static Tensor Unit(Tensor x, long axis) => x * x.Squared().sum(axis, keepdim: true).clamp_min(Constant(1e-12)).rsqrt();

    static Tensor Sum(Tensor x, long[]? axes) => axes is null ? x.sum() : x.sum(axes);

    static long[]? AxesOf(ConfigReader config)
    {
        if (config.HasOther("axis", null))
            return config.IsList("axis") ? [.. config.Numbers("axis").Select(axis => (long)axis)] : [(long)config.Number("axis")];
        return null;
    }
}
