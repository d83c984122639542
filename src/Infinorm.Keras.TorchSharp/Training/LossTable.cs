using Infinorm.Config;
using TorchSharp;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Training;

/// <summary>Keras's losses by name.</summary>
static class LossTable
{
    const double Epsilon = KerasLoss.Epsilon;

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
    };

    static readonly Dictionary<string, Func<ConfigReader, Func<Tensor, Tensor, Tensor>>> Losses = new()
    {
        ["meansquarederror"] = _ => Pairs((y, p) => (y - p).square().mean([-1])),
        ["meanabsoluteerror"] = _ => Pairs((y, p) => (y - p).abs().mean([-1])),
        ["meanabsolutepercentageerror"] = _ => Pairs((y, p) => ((y - p) / y.abs().clamp_min(Epsilon)).abs().mean([-1]) * 100),
        ["meansquaredlogarithmicerror"] = _ => Pairs((y, p) => ((p.clamp_min(Epsilon) + 1).log() - (y.clamp_min(Epsilon) + 1).log()).square().mean([-1])),
        ["huber"] = config =>
        {
            double delta = config.Number("delta", 1);
            return Pairs((y, p) => Huber((p - y).abs(), delta));
        },
        ["logcosh"] = _ => Pairs((y, p) => LogCosh(p - y).mean([-1])),
        ["cosinesimilarity"] = config =>
        {
            int axis = config.OptionalInteger("axis") ?? -1;
            return Pairs((y, p) => CosineSimilarity(y, p, axis).neg());
        },
        ["poisson"] = _ => Pairs((y, p) => (p - (y * (p + Epsilon).log())).mean([-1])),
        ["hinge"] = _ => Pairs((y, p) => (1 - (Signs(y) * p)).relu().mean([-1])),
        ["squaredhinge"] = _ => Pairs((y, p) => (1 - (Signs(y) * p)).relu().square().mean([-1])),
        ["categoricalhinge"] = _ => Pairs((y, p) => (((1 - y) * p).amax([-1]) - (y * p).sum(-1) + 1).relu()),
        ["kldivergence"] = _ => Pairs((y, p) => (y.clamp(Epsilon, 1) * (y.clamp(Epsilon, 1) / p.clamp(Epsilon, 1)).log()).sum(-1)),
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
                Tensor focal = (1 - ((y * p) + ((1 - y) * (1 - p)))).pow(gamma) * BinaryCrossEntropy(y, p, isLogits: false);
                return (balances ? focal * ((y * alpha) + ((1 - y) * (1 - alpha))) : focal).mean([axis]);
            });
        },
        ["categoricalcrossentropy"] = config =>
        {
            (bool isLogits, double smoothing, int axis) = CrossEntropy(config);
            return Pairs((y, p) =>
            {
                if (smoothing != 0)
                    y = (y * (1 - smoothing)) + (smoothing / y.shape[^1]);
                return (y * LogProbabilities(p, isLogits, axis)).sum(axis).neg();
            });
        },
        ["categoricalfocalcrossentropy"] = config =>
        {
            (bool isLogits, double smoothing, int axis) = CrossEntropy(config);
            double alpha = config.Number("alpha", 0.25), gamma = config.Number("gamma", 2);
            return Pairs((y, p) =>
            {
                if (smoothing != 0)
                    y = (y * (1 - smoothing)) + (smoothing / y.shape[^1]);
                p = isLogits ? p.softmax(axis) : p;
                p = (p / p.sum(axis, keepdim: true)).clamp(Epsilon, 1 - Epsilon);
                return ((1 - p).pow(gamma) * alpha * (y * p.log()).neg()).sum(axis);
            });
        },
        ["categoricalgeneralizedcrossentropy"] = config =>
        {
            double q = config.Number("q", 0.5);
            return (y, p) => (1 - p.gather(-1, Indices(y, p).unsqueeze(-1)).squeeze(-1).pow(q)) / q;
        },
        ["dice"] = config =>
        {
            long[]? axes = AxesOf(config);
            return Pairs((y, p) => 1 - ((Sum(y * p, axes) * 2) / (Sum(y, axes) + Sum(p, axes) + Epsilon)));
        },
        ["tversky"] = config =>
        {
            long[]? axes = AxesOf(config);
            double alpha = config.Number("alpha", 0.5), beta = config.Number("beta", 0.5);
            return Pairs((y, p) =>
            {
                Tensor both = Sum(y * p, axes);
                return 1 - (both / (both + (Sum((1 - p) * y, axes) * alpha) + (Sum(p * (1 - y), axes) * beta) + Epsilon));
            });
        },
    };

    /// <summary>The loss with these settings.</summary>
    /// <exception cref="FormatException">There is none of this name, or a setting is of the wrong kind.</exception>
    public static KerasLoss Create(string name, ConfigReader config)
    {
        string key = Key(name);
        string own = config.Text("name", name), reduction = config.Text("reduction", "sum_over_batch_size");
        config.Ignore("fn");
        config.Ignore("dtype");
        if (key == "sparsecategoricalcrossentropy")
            return new KerasLoss(own, SparseCrossEntropy(config), reduction);
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
        if (axis != -1)
            throw new FormatException($"SparseCategoricalCrossentropy: axis {axis} is not supported, only -1");
        return (target, prediction) =>
        {
            Tensor index = Indices(target, prediction);
            Tensor? kept = null;
            if (ignored is { } other)
            {
                kept = index.ne(other);
                index = index * kept.to(ScalarType.Int64);
            }

            Tensor values = LogProbabilities(prediction, isLogits, -1).gather(-1, index.unsqueeze(-1)).squeeze(-1).neg();
            return (kept is null ? values : where(kept, values, zeros_like(values)), kept);
        };
    }

    static Tensor LogProbabilities(Tensor p, bool isLogits, long axis) =>
        isLogits ? p.log_softmax(axis) : (p / p.sum(axis, keepdim: true)).clamp(Epsilon, 1 - Epsilon).log();

    static Tensor BinaryCrossEntropy(Tensor y, Tensor p, bool isLogits)
    {
        if (isLogits)
            return p.relu() - (p * y) + (p.abs().neg().exp() + 1).log();
        p = p.clamp(Epsilon, 1 - Epsilon);
        return ((y * p.log()) + ((1 - y) * (1 - p).log())).neg();
    }

    static Tensor LogCosh(Tensor x) => x + (x * -2).softplus() - Math.Log(2);

    static Tensor Smooth(Tensor y, double smoothing) => smoothing == 0 ? y : (y * (1 - smoothing)) + (0.5 * smoothing);

    static Tensor Huber(Tensor distance, double delta) =>
        where(distance.le(delta), distance.square() * 0.5, (distance * delta) - (0.5 * delta * delta)).mean([-1]);

    // Targets that are all 0 or 1 stand for -1 and 1.
    static Tensor Signs(Tensor y) => y.eq(0).logical_or(y.eq(1)).all().ToBoolean() ? (y * 2) - 1 : y;

    static Tensor Unit(Tensor x, long axis) => x * x.square().sum(axis, keepdim: true).clamp_min(1e-12).rsqrt();

    static Tensor Sum(Tensor x, long[]? axes) => axes is null ? x.sum() : x.sum(axes);

    static long[]? AxesOf(ConfigReader config)
    {
        if (config.HasOther("axis", null))
            return config.IsList("axis") ? [.. config.Numbers("axis").Select(axis => (long)axis)] : [(long)config.Number("axis")];
        return null;
    }
}
