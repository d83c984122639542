using Infinorm.Keras.Torch.Layers.BuiltIn;
using Infinorm.Torch;
using static Infinorm.Keras.Torch.Graph.OperationArguments;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using Activations = Infinorm.Keras.Torch.Layers.Activations;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>The rarer operations of <c>keras.ops</c> that networks are made of.</summary>
static class NetworkOperations
{
    const double Epsilon = 1e-7; // keras.backend.epsilon()

    public static Dictionary<string, Func<OperationArguments, object>> Operations { get; } = new(StringComparer.Ordinal)
    {
        ["Mish"] = a => Activations.Mish(a.Tensor(0)),
        ["Glu"] = a => functional.glu(a.Tensor(0), a.Whole("axis") ?? -1),
        ["TanhShrink"] = a => Activations.Get("tanh_shrink")(a.Tensor(0)),
        ["SoftShrink"] = a => Activations.SoftShrink(a.Tensor(0), a.Number("threshold") ?? 0.5),
        ["HardShrink"] = a => Activations.HardShrink(a.Tensor(0), a.Number("threshold") ?? 0.5),
        ["Threshold"] = a =>
            Activations.Threshold(a.Tensor(0), a.Number("threshold") ?? a.Number("threshold_value") ?? 0,
                a.Number("default_value") ?? a.Number("value") ?? 0),
        ["Squareplus"] = a => Activations.SquarePlus(a.Tensor(0), a.Number("b") ?? 4),
        ["SparsePlus"] = a => Activations.Get("sparse_plus")(a.Tensor(0)),
        ["SparseSigmoid"] = a => Activations.Get("sparse_sigmoid")(a.Tensor(0)),
        ["Sparsemax"] = a => Activations.SparseMax(a.Tensor(0), a.Whole("axis") ?? -1),
        ["OneHot"] = OneHot,
        ["Normalize"] = Normalize,
        ["Moments"] = a =>
            (object?[])[a.Float().mean(a.AllAxes("axes"), a.IsTrue("keepdims")),
                a.Float().var(a.AllAxes("axes"), unbiased: false, keepdim: a.IsTrue("keepdims"))],
        ["MultiHot"] = a => OneHot(a).amax([a.Tensor(0).dim() > 1 ? 1 : 0]),
        ["LayerNorm"] = LayerNorm,
        ["RMSNorm"] = a =>
        {
            Tensor x = a.Float();
            Tensor scaled = x * x.Squared().mean(a.AxesOr(-1), keepdim: true).Plus(a.Number("epsilon") ?? Epsilon).rsqrt();
            return a.Optional(1, "scale") is { } scale ? scaled * Broadcast(scale, a) : scaled;
        },
        ["BatchNorm"] = a =>
        {
            long[] shape = Axes.Broadcast(a.Tensor(0), Axes.FromFront(a.Whole("axis")!.Value, a.Tensor(0).dim()));
            Tensor factor = a.Tensor(2).view(shape).Plus(a.Number("epsilon") ?? 1e-3).rsqrt();
            if (a.Optional(4, "scale") is { } scale)
                factor *= scale.view(shape);
            Tensor result = a.Tensor(0).Minus(a.Tensor(1).view(shape)) * factor;
            return a.Optional(3, "offset") is { } offset ? result.Plus(offset.view(shape)) : result;
        },
        ["DotProductAttention"] = DotProductAttention,
        ["MaxPool"] = a => Pool(a, isMaximum: true),
        ["AveragePool"] = a => Pool(a, isMaximum: false),
        ["BinaryCrossentropy"] = a => a.IsTrue("from_logits")
            ? functional.binary_cross_entropy_with_logits(a.Tensor(1), a.Tensor(0), reduction: Reduction.None)
            : functional.binary_cross_entropy(Clipped(a.Tensor(1)), a.Tensor(0), reduction: Reduction.None),
        ["CategoricalCrossentropy"] = a => CrossEntropy(a, a.Tensor(0)),
        ["SparseCategoricalCrossentropy"] = a =>
        {
            Tensor target = a.Tensor(0), scores = a.Tensor(1);
            long axis = a.Whole("axis") ?? -1;
            if (target.dim() == scores.dim() && target.shape[^1] == 1)
                target = target.squeeze(-1);
            return CrossEntropy(a, OneHot(target, scores.shape[Axes.FromFront(axis, scores.dim())], axis).to(scores.dtype));
        },
        ["PSNR"] = a => a.Tensor(0).Minus(a.Tensor(1)).Squared().mean().log10().Times(-10).Plus(20 * Math.Log10(a.Number("max_val")!.Value)),
        ["Resize"] = Resize,
    };

    static Tensor OneHot(OperationArguments a) =>
        OneHot(a.Tensor(0), a.Whole("num_classes") ?? a.Whole("num_tokens")!.Value, a.Whole("axis") ?? -1).to(a.Type() ?? ScalarType.Float32);

    // A vector for each class, along an axis of its own; one of zeros for a class that there is not.
    static Tensor OneHot(Tensor classes, long count, long axis) =>
        classes.to(ScalarType.Int64).unsqueeze(-1).eq(Range(0, count)).movedim([-1], [axis]);

    static Tensor Normalize(OperationArguments a)
    {
        Tensor x = a.Float();
        long[] axes = a.AxesOr(-1);
        double epsilon = a.Number("epsilon") ?? Epsilon;
        if (a.Whole("order") is { } order and not 2)
            return x / Norms.Of(x, order, axes, keepsAxes: true).clamp_min(Constant(epsilon));
        return x * x.Squared().sum(axes, keepdim: true).rsqrt().clamp_max(Constant(Math.Min(1 / epsilon, finfo(x.dtype).max)));
    }

    static Tensor LayerNorm(OperationArguments a)
    {
        Tensor x = a.Float();
        long[] axes = a.AxesOr(-1);
        Tensor factor = x.var(axes, unbiased: false, keepdim: true).Plus(a.Number("epsilon") ?? Epsilon).rsqrt();
        Tensor result = (a.IsTrue("rms_scaling") ? x : x.Minus(x.mean(axes, keepdim: true))) * factor;
        if (a.Optional(1, "gamma") is { } scale)
            result *= Broadcast(scale, a);
        return a.Optional(2, "beta") is { } offset && !a.IsTrue("rms_scaling") ? result.Plus(Broadcast(offset, a)) : result;
    }

    static Tensor Broadcast(Tensor weight, OperationArguments a) =>
        weight.dim() == 0 ? weight : weight.to(a.Float().dtype).view(Axes.Broadcast(a.Tensor(0), a.AxesOr(-1)));

    // query (batch, queries, heads, size); key and value (batch, keys, heads, size), where several heads of queries can share one.
    static Tensor DotProductAttention(OperationArguments a)
    {
        Tensor query = a.Tensor(0).transpose(1, 2), key = a.Tensor(1).transpose(1, 2), value = a.Tensor(2).transpose(1, 2);
        long shared = query.shape[1] / key.shape[1];
        if (shared > 1)
            (key, value) = (key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1));
        double scale = AsNumber(a.Raw(5, "scale")) ?? 1 / Math.Sqrt(query.shape[^1]);
        Tensor scores = query.matmul(key.transpose(-2, -1)).Times(scale);
        if (a.Optional(3, "bias") is { } bias)
            scores = scores.Plus(bias.to(scores.dtype));
        Tensor? allowed = ScoreMasks.And(a.Optional(4, "mask")?.to(ScalarType.Bool),
            a.IsTrue("is_causal") ? ScoreMasks.Causal(scores.shape[^2], scores.shape[^1]) : null);
        if (allowed is not null)
            scores = where(allowed, scores, full_like(scores, Constant(0.7 * finfo(scores.dtype).min)));
        return scores.softmax(-1).matmul(value).transpose(1, 2);
    }

    static Tensor Pool(OperationArguments a, bool isMaximum)
    {
        bool isFirst = a.Text("data_format") == "channels_first";
        Tensor x = isFirst ? a.Tensor(0) : Axes.ToChannelsFirst(a.Tensor(0));
        long[] size = Sizes("pool_size")!;
        Tensor output = Pooling.Pool(x, isMaximum, size, Sizes("strides") ?? size, a.Text("padding") == "same");
        return isFirst ? output : Axes.ToChannelsLast(output);

        long[]? Sizes(string key) => a.Axes(key) is [var one] ? [.. Enumerable.Repeat(one, (int)x.dim() - 2)] : a.Axes(key);
    }

    static Tensor CrossEntropy(OperationArguments a, Tensor target)
    {
        long axis = a.Whole("axis") ?? -1;
        Tensor scores = a.Tensor(1);
        Tensor logarithms = a.IsTrue("from_logits") ? scores.log_softmax(axis) : Clipped(scores / scores.sum(axis, keepdim: true)).log();
        return (target * logarithms).sum(axis).neg();
    }

    static Tensor Clipped(Tensor probabilities) => probabilities.clamp(Constant(Epsilon), Constant(1 - Epsilon));

    static Tensor Resize(OperationArguments a)
    {
        bool isFirst = a.Text("data_format") == "channels_first", isOne = a.Tensor(0).dim() == 3;
        (long height, long width) = a.Axes("size") is [var h, var w]
            ? (h, w)
            : throw new InvalidOperationException("Resize: size should be two numbers.");
        Tensor x = isOne ? a.Tensor(0).unsqueeze(0) : a.Tensor(0);
        x = isFirst ? x : Axes.ToChannelsFirst(x);
        if (a.IsTrue("crop_to_aspect_ratio"))
            x = ImageSize.CropToAspect(x, height, width);
        else if (a.IsTrue("pad_to_aspect_ratio"))
            x = ImageSize.PadToAspect(x, height, width, a.Number("fill_value") ?? 0);
        x = ImageSize.Resize(x, height, width, a.Text("interpolation") ?? "bilinear");
        x = isFirst ? x : Axes.ToChannelsLast(x);
        return isOne ? x.squeeze(0) : x;
    }
}
