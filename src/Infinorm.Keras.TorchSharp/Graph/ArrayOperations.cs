using Infinorm.Keras.Torch.Layers;
using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using Activations = Infinorm.Keras.Torch.Layers.Activations;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>The rarer operations of <c>keras.ops</c>: the rest of numpy's, and of the functions of networks.</summary>
static class ArrayOperations
{
    public static Dictionary<string, Func<OperationArguments, object>> Operations { get; } = new(StringComparer.Ordinal)
    {
        ["Arccosh"] = a => a.Float().acosh(),
        ["Arcsinh"] = a => a.Float().asinh(),
        ["Arctanh"] = a => a.Float().atanh(),
        ["Cbrt"] = a => a.Float().abs().pow(Constant(1 / 3.0)) * a.Float().sign(),
        ["Exp2"] = a => a.Float().exp2(),
        ["Erfinv"] = a => a.Float().erfinv(),
        ["Trunc"] = a => a.Tensor(0).trunc(),
        ["Deg2rad"] = a => a.Float().deg2rad(),
        ["Hypot"] = a => a.Tensor(0).hypot(a.Tensor(1)),
        ["Heaviside"] = a => heaviside(a.Tensor(0), a.Tensor(1)),
        ["Xlogy"] = a => xlogy(a.Tensor(0), a.Tensor(1)),
        ["Copy"] = a => a.Tensor(0).clone(),
        ["NanToNum"] = a => a.Tensor(0).nan_to_num(a.Number("nan") ?? 0, a.Number("posinf"), a.Number("neginf")),
        ["Isclose"] = a => a.Tensor(0).isclose(a.Tensor(1), a.Number("rtol") ?? 1e-5, a.Number("atol") ?? 1e-8, a.IsTrue("equal_nan")),
        ["FullLike"] = a => full_like(a.Tensor(0), Constant(OperationArguments.AsNumber(a.Raw(1)) ?? a.Number("fill_value") ?? 0)),

        ["Outer"] = a => a.Tensor(0).flatten().outer(a.Tensor(1).flatten()),
        ["Inner"] = a => inner(a.Tensor(0), a.Tensor(1)),
        ["Vdot"] = a => a.Tensor(0).flatten().dot(a.Tensor(1).flatten()),
        ["Kron"] = a => kron(a.Tensor(0), a.Tensor(1)),
        ["Diagonal"] = a => a.Tensor(0).diagonal(a.Whole("offset") ?? 0, a.Whole("axis1") ?? 0, a.Whole("axis2") ?? 1),
        ["Trace"] = a => a.Tensor(0).diagonal(a.Whole("offset") ?? 0, a.Whole("axis1") ?? 0, a.Whole("axis2") ?? 1).sum(-1),
        ["Average"] = Average,
        ["Median"] = a => Quantile(a, a.Float(), 0.5),
        ["Quantile"] = a => Quantile(a, a.Float(), OperationArguments.AsNumber(a.Raw(1))
            ?? throw new InvalidOperationException("Quantile: only one number q is supported.")),
        ["CountNonzero"] = a => a.Tensor(0).ne(Constant(0)).to(ScalarType.Int32).sum(a.AllAxes(), type: ScalarType.Int32),
        ["Cumprod"] = a => a.Whole("axis") is { } axis ? a.Tensor(0).cumprod(axis) : a.Tensor(0).flatten().cumprod(0),
        ["Diff"] = a => diff(a.Tensor(0), a.Whole("n") ?? 1, a.Whole("axis") ?? -1),
        ["Sort"] = a => a.Tensor(0).sort(a.Whole("axis") ?? -1, stable: true).Values,
        ["Argsort"] = a => a.Tensor(0).sort(a.Whole("axis") ?? -1, stable: true).Indices.to(ScalarType.Int32),
        ["TakeAlongAxis"] = a => a.Whole("axis") is { } axis
            ? a.Tensor(0).take_along_dim(a.Tensor(1).to(ScalarType.Int64), axis)
            : a.Tensor(0).flatten().gather(0, a.Tensor(1).flatten().to(ScalarType.Int64)),
        ["TopK"] = a => a.Tensor(0).topk((int)a.Whole("k")!.Value, -1) is var (values, indices)
            ? (object?[])[values, indices.to(ScalarType.Int32)]
            : throw new InvalidOperationException("TopK gave nothing."),
        ["Ravel"] = a => a.Tensor(0).flatten(),
        ["Rot90"] = a => a.Tensor(0).rot90(a.Whole("k") ?? 1, a.Axes("axes") is [var from, var to] ? (from, to) : (0, 1)),
        ["Append"] = a =>
            a.Whole("axis") is { } axis ? cat([a.Tensor(0), a.Tensor(1)], axis) : cat([a.Tensor(0).flatten(), a.Tensor(1).flatten()]),
        ["Unstack"] = a => a.Tensor(0).unbind((int)(a.Whole("axis") ?? 0)).Cast<object?>().ToArray(),
        ["Pad"] = Pad,

        ["Mish"] = a => Activations.Mish(a.Tensor(0)),
        ["Glu"] = a => a.Tensor(0).chunk(2, a.Whole("axis") ?? -1) is [var value, var gate]
            ? value * gate.sigmoid()
            : throw new InvalidOperationException("Glu needs an even axis."),
        ["TanhShrink"] = a => Activations.Get("tanh_shrink")(a.Tensor(0)),
        ["SoftShrink"] = a => Activations.SoftShrink(a.Tensor(0), a.Number("threshold") ?? 0.5),
        ["HardShrink"] = a => Activations.HardShrink(a.Tensor(0), a.Number("threshold") ?? 0.5),
        ["Threshold"] = a =>
            Activations.Threshold(a.Tensor(0), a.Number("threshold") ?? 0, a.Number("default_value") ?? a.Number("value") ?? 0),
        ["Squareplus"] = a => Activations.SquarePlus(a.Tensor(0), a.Number("b") ?? 4),
        ["SparsePlus"] = a => Activations.Get("sparse_plus")(a.Tensor(0)),
        ["SparseSigmoid"] = a => Activations.Get("sparse_sigmoid")(a.Tensor(0)),
        ["Sparsemax"] = a => Activations.SparseMax(a.Tensor(0), a.Whole("axis") ?? -1),
        ["Normalize"] = Normalize,
        ["Moments"] = a =>
            (object?[])[a.Float().mean(a.AllAxes("axes"), a.IsTrue("keepdims")),
                a.Float().var(a.AllAxes("axes"), unbiased: false, keepdim: a.IsTrue("keepdims"))],
        ["MultiHot"] = a => OneHot(a).amax([a.Tensor(0).dim() > 1 ? 1 : 0]),
    };

    /// <summary>A vector for each class, along an axis of its own; one of zeros for a class below 0.</summary>
    public static Tensor OneHot(OperationArguments a)
    {
        Tensor classes = a.Tensor(0).to(ScalarType.Int64);
        Tensor vectors = functional.one_hot(classes.clamp_min(Constant(0)), a.Whole("num_classes") ?? a.Whole("num_tokens") ?? -1);
        vectors = vectors * classes.ge(Constant(0)).unsqueeze(-1).to(ScalarType.Int64);
        return vectors.movedim([-1], [a.Whole("axis") ?? -1]).to(DTypes.Parse(a.Text("dtype")) ?? ScalarType.Float32);
    }

    static Tensor Average(OperationArguments a)
    {
        Tensor x = a.Float();
        if (a.Raw(1) is not Tensor given)
            return x.mean(a.AllAxes());
        Tensor weights = given.to(x.dtype);
        if (weights.dim() < x.dim() && a.Axes() is [var axis])
        {
            long[] shape = [.. x.shape.Select(_ => 1L)];
            shape[axis < 0 ? axis + x.dim() : axis] = weights.numel();
            weights = weights.view(shape);
        }

        return (x * weights).sum(a.AllAxes()) / weights.broadcast_to(x.shape).sum(a.AllAxes());
    }

    static Tensor Quantile(OperationArguments a, Tensor x, double q)
    {
        if (a.Text("method") is { } method and not "linear")
            throw new InvalidOperationException($"Quantile: the method {method} is not supported; linear is.");
        long[] axes = a.AllAxes();
        long[] fromFront = Array.ConvertAll(axes, axis => axis < 0 ? axis + x.dim() : axis);
        long[] kept = [.. Enumerable.Range(0, (int)x.dim()).Select(i => (long)i).Except(fromFront)];
        Tensor rows = x.permute([.. kept, .. fromFront]).reshape([.. kept.Select(axis => x.shape[axis]), -1]);
        Tensor result = rows.quantile(tensor(q, dtype: x.dtype), rows.dim() - 1);
        return a.IsTrue("keepdims") ? result.view([.. x.shape.Select((size, axis) => fromFront.Contains(axis) ? 1 : size)]) : result;
    }

    static Tensor Pad(OperationArguments a)
    {
        Tensor x = a.Tensor(0);
        (long Left, long Right)[] pads = a.Setting("pad_width") switch
        {
            long all => [.. x.shape.Select(_ => (all, all))],
            object?[] { Length: 2 } list when list.All(item => item is long) =>
                [.. x.shape.Select(_ => ((long)list[0]!, (long)list[1]!))],
            object?[] { Length: 1 } one when x.dim() > 1 => [.. x.shape.Select(_ => Pair(one[0]))],
            object?[] list => [.. list.Select(Pair)],
            _ => throw new InvalidOperationException("Pad: pad_width is missing."),
        };
        long[] fromLast = [.. pads.Reverse().SelectMany(pad => (long[])[pad.Left, pad.Right])];
        string mode = a.Text("mode") ?? "constant";
        if (mode == "constant")
            return functional.pad(x, fromLast, value: OperationArguments.AsNumber(a.Raw(1)) ?? a.Number("constant_values") ?? 0);
        for (int axis = 0; axis < pads.Length; axis++)
            x = Mirror(x, axis, pads[axis].Left, pads[axis].Right, mode);
        return x;

        static (long, long) Pair(object? item) =>
            item is object?[] { Length: 2 } pair ? ((long)pair[0]!, (long)pair[1]!) : ((long)item!, (long)item!);
    }

    static Tensor Mirror(Tensor x, int axis, long left, long right, string mode)
    {
        if (left == 0 && right == 0)
            return x;
        long size = x.shape[axis];
        long[] places = [.. Enumerable.Range(0, (int)(left + size + right)).Select(i => Place(i - left))];
        return x.index_select(axis, tensor(places, dtype: ScalarType.Int64));

        long Place(long i) => mode switch
        {
            "reflect" => i < 0 ? -i : i >= size ? (2 * size) - 2 - i : i,
            "symmetric" => i < 0 ? -i - 1 : i >= size ? (2 * size) - 1 - i : i,
            "edge" => Math.Clamp(i, 0, size - 1),
            "wrap" => ((i % size) + size) % size,
            _ => throw new InvalidOperationException($"Pad: the mode {mode} is not supported."),
        };
    }

    static Tensor Normalize(OperationArguments a)
    {
        Tensor x = a.Float();
        long[] axes = a.Axes() ?? [-1];
        double order = a.Number("order") ?? 2, epsilon = a.Number("epsilon") ?? 1e-12;
        if (order == 2)
            return x * x.Squared().sum(axes, keepdim: true).clamp_min(Constant(epsilon * epsilon)).rsqrt();
        Tensor norm = double.IsPositiveInfinity(order)
            ? x.abs().amax(axes, keepdim: true)
            : x.abs().pow(Constant(order)).sum(axes, keepdim: true).pow(Constant(1 / order));
        return x / norm.clamp_min(Constant(epsilon));
    }
}
