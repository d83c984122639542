using Infinorm.Keras.Torch.Layers;
using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>The operations of <c>keras.ops</c> that graphs can have, by the names of their classes.</summary>
static class OperationTable
{
    static readonly Dictionary<string, Func<OperationArguments, object>> Common = new(StringComparer.Ordinal)
    {
        ["Add"] = a => a.Tensor(0).Plus(a.Tensor(1)),
        ["Subtract"] = a => a.Tensor(0).Minus(a.Tensor(1)),
        ["Multiply"] = a => a.Tensor(0) * a.Tensor(1),
        ["Divide"] = TrueDivide,
        ["TrueDivide"] = TrueDivide,
        ["DivideNoNan"] = a => where(a.Tensor(1).eq(Constant(0)), zeros_like(a.Tensor(0)), a.Tensor(0) / a.Tensor(1)),
        ["FloorDivide"] = a => a.Tensor(0).floor_divide(a.Tensor(1)),
        ["Mod"] = a => a.Tensor(0).remainder(a.Tensor(1)),
        ["Power"] = a =>
            OperationArguments.AsNumber(a.Raw(1)) is { } exponent ? a.Tensor(0).pow(Constant(exponent)) : a.Tensor(0).pow(a.Tensor(1)),
        ["Maximum"] = a => a.Tensor(0).maximum(a.Tensor(1)),
        ["Minimum"] = a => a.Tensor(0).minimum(a.Tensor(1)),
        ["Matmul"] = a => a.Tensor(0).matmul(a.Tensor(1)),
        ["Dot"] = a =>
            a.Tensor(0).dim() < 3 && a.Tensor(1).dim() < 3
                ? a.Tensor(0).matmul(a.Tensor(1))
                : tensordot(a.Tensor(0), a.Tensor(1), [-1], [Math.Max(0, a.Tensor(1).dim() - 2)]),
        ["Einsum"] = a => einsum(a.Text("subscripts")!, a.AllTensors),
        ["Tensordot"] = a => a.Setting("axes") is object?[] { Length: 2 } axes
            ? tensordot(a.Tensor(0), a.Tensor(1), OperationArguments.AsAxes(axes[0])!, OperationArguments.AsAxes(axes[1])!)
            : tensordot(a.Tensor(0), a.Tensor(1), a.Whole("axes") ?? 2),

        ["Equal"] = a => a.Tensor(0).eq(a.Tensor(1)),
        ["NotEqual"] = a => a.Tensor(0).ne(a.Tensor(1)),
        ["Greater"] = a => a.Tensor(0).gt(a.Tensor(1)),
        ["GreaterEqual"] = a => a.Tensor(0).ge(a.Tensor(1)),
        ["Less"] = a => a.Tensor(0).lt(a.Tensor(1)),
        ["LessEqual"] = a => a.Tensor(0).le(a.Tensor(1)),
        ["LogicalAnd"] = a => a.Tensor(0).logical_and(a.Tensor(1)),
        ["LogicalOr"] = a => a.Tensor(0).logical_or(a.Tensor(1)),
        ["LogicalXor"] = a => a.Tensor(0).logical_xor(a.Tensor(1)),
        ["LogicalNot"] = a => a.Tensor(0).logical_not(),
        ["Where"] = a => where(a.Tensor(0).to(ScalarType.Bool), Like(a.Raw(1), a), Like(a.Raw(2), a)),

        ["Absolute"] = a => a.Tensor(0).abs(),
        ["Abs"] = a => a.Tensor(0).abs(),
        ["Negative"] = a => a.Tensor(0).neg(),
        ["Square"] = a => a.Tensor(0).Squared(),
        ["Sqrt"] = a => a.Float().sqrt(),
        ["Rsqrt"] = a => a.Float().rsqrt(),
        ["Reciprocal"] = a => a.Float().reciprocal(),
        ["Exp"] = a => a.Float().exp(),
        ["Expm1"] = a => a.Float().expm1(),
        ["Log"] = a => a.Float().log(),
        ["Log1p"] = a => a.Float().log1p(),
        ["Log2"] = a => a.Float().log2(),
        ["Log10"] = a => a.Float().log10(),
        ["Logaddexp"] = a => logaddexp(a.Tensor(0), a.Tensor(1)),
        ["Sin"] = a => a.Float().sin(),
        ["Cos"] = a => a.Float().cos(),
        ["Tan"] = a => a.Float().tan(),
        ["Arcsin"] = a => a.Float().arcsin(),
        ["Arccos"] = a => a.Float().arccos(),
        ["Arctan"] = a => a.Float().arctan(),
        ["Arctan2"] = a => a.Tensor(0).atan2(a.Tensor(1)),
        ["Sinh"] = a => a.Float().sinh(),
        ["Cosh"] = a => a.Float().cosh(),
        ["Tanh"] = a => a.Float().tanh(),
        ["Erf"] = a => a.Float().erf(),
        ["Sign"] = a => a.Tensor(0).sign(),
        ["Floor"] = a => a.Float().floor(),
        ["Ceil"] = a => a.Float().ceil(),
        ["Round"] = a =>
            a.Whole("decimals") is { } decimals and not 0
                ? a.Tensor(0).Times(Math.Pow(10, decimals)).round().Over(Math.Pow(10, decimals))
                : a.Tensor(0).round(),
        ["Isnan"] = a => a.Tensor(0).isnan(),
        ["Isfinite"] = a => a.Tensor(0).isfinite(),
        ["Isinf"] = a => a.Tensor(0).isinf(),
        ["Clip"] = a =>
            a.Tensor(0).clamp(Constant(a.Number("x_min") ?? double.NegativeInfinity),
                Constant(a.Number("x_max") ?? double.PositiveInfinity)),
        ["Cast"] = a =>
            a.Tensor(0).to(DTypes.Parse(a.Text("dtype"))
                ?? throw new InvalidOperationException($"Cast to {a.Text("dtype")} is not supported.")),
        ["StopGradient"] = a => a.Tensor(0).detach(),
        ["ZerosLike"] = a => zeros_like(a.Tensor(0)),
        ["OnesLike"] = a => ones_like(a.Tensor(0)),

        ["Relu"] = a => a.Tensor(0).relu(),
        ["Relu6"] = a => a.Tensor(0).relu6(),
        ["Sigmoid"] = a => a.Tensor(0).sigmoid(),
        ["Softplus"] = a => a.Tensor(0).SoftPlus(),
        ["Softsign"] = a => Layers.Activations.Get("softsign")(a.Tensor(0)),
        ["Silu"] = a => a.Tensor(0).silu(),
        ["LogSigmoid"] = a => a.Tensor(0).log_sigmoid(),
        ["LeakyRelu"] = a => a.Tensor(0).leaky_relu(Constant(a.Number("negative_slope") ?? 0.2)),
        ["HardSigmoid"] = a => Layers.Activations.Get("hard_sigmoid")(a.Tensor(0)),
        ["HardSilu"] = a => Layers.Activations.Get("hard_silu")(a.Tensor(0)),
        ["HardTanh"] = a => Layers.Activations.Get("hard_tanh")(a.Tensor(0)),
        ["Elu"] = a => Layers.Activations.Elu(a.Tensor(0), a.Number("alpha") ?? 1),
        ["Selu"] = a => a.Tensor(0).selu(),
        ["Celu"] = a => a.Tensor(0).celu(Constant(a.Number("alpha") ?? 1)),
        ["Gelu"] = a =>
            a.Setting("approximate") is not false
                ? functional.gelu(a.Tensor(0), TorchSharp.Modules.GELU.Approximate.tanh)
                : a.Tensor(0).gelu(),
        ["Softmax"] = a => a.Tensor(0).softmax(a.Whole("axis") ?? -1),
        ["LogSoftmax"] = a => a.Tensor(0).log_softmax(a.Whole("axis") ?? -1),
        ["Logsumexp"] = a => OneByOne(a, a.Float(), (x, axis) => x.logsumexp(axis, a.IsTrue("keepdims"))),
        ["OneHot"] = a => ArrayOperations.OneHot(a),

        ["Sum"] = a => a.Axes() is { } axes ? a.Tensor(0).sum(axes, a.IsTrue("keepdims")) : All(a, x => x.sum()),
        ["Mean"] = a => a.Axes() is { } axes ? a.Float().mean(axes, a.IsTrue("keepdims")) : All(a, x => x.mean()),
        ["Max"] = a => With(a.Tensor(0).amax(a.AllAxes(), a.IsTrue("keepdims")), a.Number("initial"), (x, y) => x.maximum(y)),
        ["Min"] = a => With(a.Tensor(0).amin(a.AllAxes(), a.IsTrue("keepdims")), a.Number("initial"), (x, y) => x.minimum(y)),
        ["Amax"] = a => With(a.Tensor(0).amax(a.AllAxes(), a.IsTrue("keepdims")), a.Number("initial"), (x, y) => x.maximum(y)),
        ["Amin"] = a => With(a.Tensor(0).amin(a.AllAxes(), a.IsTrue("keepdims")), a.Number("initial"), (x, y) => x.minimum(y)),
        ["Var"] = a => a.Float().var(a.AllAxes(), unbiased: false, keepdim: a.IsTrue("keepdims")),
        ["Std"] = a => a.Float().var(a.AllAxes(), unbiased: false, keepdim: a.IsTrue("keepdims")).sqrt(),
        ["Prod"] = a => OneByOne(a, a.Tensor(0), (x, axis) => x.prod(axis, a.IsTrue("keepdims"))),
        ["Norm"] = Norms.Of,
        ["Cumsum"] = a => a.Whole("axis") is { } axis ? a.Tensor(0).cumsum(axis) : a.Tensor(0).flatten().cumsum(0),
        ["Argmax"] = a =>
            (a.Whole("axis") is { } axis ? a.Tensor(0).argmax(axis, a.IsTrue("keepdims")) : a.Tensor(0).argmax()).to(ScalarType.Int32),
        ["Argmin"] = a =>
            (a.Whole("axis") is { } axis ? a.Tensor(0).argmin(axis, a.IsTrue("keepdims")) : a.Tensor(0).argmin()).to(ScalarType.Int32),
        ["Any"] = a =>
            a.Axes() is { } axes
                ? a.Tensor(0).ne(Constant(0)).to(ScalarType.Int32).amax(axes, a.IsTrue("keepdims")).ne(Constant(0))
                : All(a, x => x.any()),
        ["All"] = a =>
            a.Axes() is { } axes
                ? a.Tensor(0).ne(Constant(0)).to(ScalarType.Int32).amin(axes, a.IsTrue("keepdims")).ne(Constant(0))
                : All(a, x => x.all()),

        ["Reshape"] = a => a.Tensor(0).reshape(a.Axes("newshape")!),
        ["Transpose"] = a =>
            a.Axes("axes") is { } axes
                ? a.Tensor(0).permute(axes)
                : a.Tensor(0).permute(Enumerable.Range(0, (int)a.Tensor(0).dim()).Reverse().Select(i => (long)i).ToArray()),
        ["Swapaxes"] = a => a.Tensor(0).transpose(a.Whole("axis1")!.Value, a.Whole("axis2")!.Value),
        ["Moveaxis"] = a => a.Tensor(0).movedim(a.Axes("source")!, a.Axes("destination")!),
        ["ExpandDims"] = a => a.Axes()!.Order().Aggregate(a.Tensor(0), (x, axis) => x.unsqueeze(axis)),
        ["Squeeze"] = a =>
            a.Axes() is { } axes
                ? axes.Select(axis => axis < 0
                ? axis + a.Tensor(0).dim()
                : axis).OrderDescending().Aggregate(a.Tensor(0), (x, axis) => x.squeeze(axis)) : a.Tensor(0).squeeze(),
        ["Concatenate"] = a => cat(a.Tensors(), a.Whole("axis") ?? 0),
        ["Stack"] = a => stack(a.Tensors(), a.Whole("axis") ?? 0),
        ["Hstack"] = a => hstack(a.Tensors()),
        ["Vstack"] = a => vstack(a.Tensors()),
        ["Split"] = Split,
        ["Tile"] = a => a.Tensor(0).tile(a.Axes("repeats")!),
        ["Repeat"] = a =>
            a.Whole("axis") is { } axis ? Repeat(a.Tensor(0), a.Axes("repeats")!, axis) : Repeat(a.Tensor(0).flatten(), a.Axes("repeats")!, 0),
        ["Flip"] = a => a.Tensor(0).flip(a.AllAxes()),
        ["Roll"] = a =>
            a.Axes() is { } axes
                ? a.Axes("shift")!.Zip(axes).Aggregate(a.Tensor(0), (x, shift) => x.roll(shift.First, shift.Second))
                : a.Tensor(0).flatten().roll(a.Whole("shift")!.Value, 0).view_as(a.Tensor(0)),
        ["BroadcastTo"] = a => a.Tensor(0).broadcast_to(a.Axes("shape")!),
        ["GetItem"] = a => GetItem(a.Tensor(0), a.Raw(1)),
        ["Take"] = a => a.Whole("axis") is { } axis
            ? a.Tensor(0).index_select(axis, a.Tensor(1).flatten().to(ScalarType.Int64)).unflatten(axis, a.Tensor(1).shape)
            : a.Tensor(0).flatten().index_select(0, a.Tensor(1).flatten().to(ScalarType.Int64)).view(a.Tensor(1).shape),
        ["Tril"] = a => a.Tensor(0).tril(a.Whole("k") ?? 0),
        ["Triu"] = a => a.Tensor(0).triu(a.Whole("k") ?? 0),
    };

    /// <summary>All of them.</summary>
    public static Dictionary<string, Func<OperationArguments, object>> Operations { get; } =
        new(Common.Concat(ArrayOperations.Operations), StringComparer.Ordinal);

    static object TrueDivide(OperationArguments a)
    {
        Tensor x = a.Tensor(0), y = a.Tensor(1);
        return (x.is_floating_point() || y.is_floating_point() ? x : x.to(ScalarType.Float32)) / y;
    }

    static Tensor Like(object? value, OperationArguments a)
    {
        if (value is Tensor tensor)
            return tensor;
        Tensor? other = a.AllTensors.Skip(1).FirstOrDefault();
        return full([], Constant(OperationArguments.AsNumber(value) ?? 0), dtype: other?.dtype ?? ScalarType.Float32);
    }

    // All elements so many times, or each its own number of times.
    static Tensor Repeat(Tensor x, long[] counts, long axis) => counts is [var all]
        ? x.repeat_interleave(all, axis)
        : x.index_select(axis, tensor([.. counts.SelectMany((count, i) => Enumerable.Repeat((long)i, (int)count))], dtype: ScalarType.Int64));

    static Tensor With(Tensor x, double? initial, Func<Tensor, Tensor, Tensor> join) =>
        initial is { } number ? join(x, full([], Constant(number), dtype: x.dtype)) : x;

    // A reduction of torch's that takes one axis, from the last of the axes to the first.
    static Tensor OneByOne(OperationArguments a, Tensor x, Func<Tensor, long, Tensor> reduce) =>
        a.AllAxes().Select(axis => axis < 0 ? axis + x.dim() : axis).OrderDescending().Aggregate(x, reduce);

    static Tensor All(OperationArguments a, Func<Tensor, Tensor> reduce) =>
        a.IsTrue("keepdims") ? reduce(a.Tensor(0)).view([.. a.Tensor(0).shape.Select(_ => 1L)]) : reduce(a.Tensor(0));

    static object Split(OperationArguments a)
    {
        long axis = a.Whole("axis") ?? 0;
        return a.Setting("indices_or_sections") is object?[] places
            ? a.Tensor(0).tensor_split([.. places.Select(place => (long)place!)], axis).Cast<object?>().ToArray()
            : a.Tensor(0).tensor_split(a.Whole("indices_or_sections")!.Value, axis).Cast<object?>().ToArray();
    }

    static Tensor GetItem(Tensor x, object? key)
    {
        object?[] items = key as object?[] ?? [key];
        int ellipsis = Array.FindIndex(items, item => item is EllipsisArgument);
        long axis = 0;
        for (int i = 0; i < items.Length; i++)
        {
            switch (items[i])
            {
                case EllipsisArgument:
                    axis = x.dim() - items.Skip(ellipsis + 1).Count(item => item is not null);
                    break;
                case null:
                    x = x.unsqueeze(axis++);
                    break;
                case long index:
                    x = x.select(axis, index < 0 ? index + x.shape[axis] : index);
                    break;
                case SliceArgument slice:
                    x = Slice(x, axis++, slice);
                    break;
                case Tensor indices when indices.dim() <= 1:
                    x = x.index_select(axis, indices.view(-1).to(ScalarType.Int64));
                    axis++;
                    break;
                default:
                    throw new InvalidOperationException("GetItem: this kind of index is not supported.");
            }
        }

        return x;
    }

    static Tensor Slice(Tensor x, long axis, SliceArgument slice)
    {
        long size = x.shape[axis], step = slice.Step ?? 1;
        if (step < 0)
        {
            long first = Math.Clamp(Wrap(slice.Start ?? size - 1), -1, size - 1), last = slice.Stop is { } stop
                ? Math.Clamp(Wrap(stop), -1, size - 1) : -1;
            return first <= last
                ? x.narrow(axis, 0, 0)
                : x.slice(axis, last + 1, first + 1, 1).flip(axis).slice(axis, 0, first - last, -step);
        }

        long begin = Math.Clamp(Wrap(slice.Start ?? 0), 0, size), end = Math.Clamp(Wrap(slice.Stop ?? size), begin, size);
        return x.slice(axis, begin, end, step);

        long Wrap(long place) => place < 0 ? place + size : place;
    }
}
