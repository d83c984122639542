using Infinorm.Keras.Torch.Layers;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>The operations of <c>keras.ops</c> that graphs can have, by the names of their classes.</summary>
static class OperationTable
{
    public static Dictionary<string, Func<OperationArguments, object>> Operations { get; } = new(StringComparer.Ordinal)
    {
        ["Add"] = a => a.Tensor(0) + a.Tensor(1),
        ["Subtract"] = a => a.Tensor(0) - a.Tensor(1),
        ["Multiply"] = a => a.Tensor(0) * a.Tensor(1),
        ["Divide"] = TrueDivide,
        ["TrueDivide"] = TrueDivide,
        ["DivideNoNan"] = a => where(a.Tensor(1).eq(0), zeros_like(a.Tensor(0)), a.Tensor(0) / a.Tensor(1)),
        ["FloorDivide"] = a => a.Tensor(0).floor_divide(a.Tensor(1)),
        ["Mod"] = a => a.Tensor(0).remainder(a.Tensor(1)),
        ["Power"] = a => OperationArguments.AsNumber(a.Raw(1)) is { } exponent ? a.Tensor(0).pow(exponent) : a.Tensor(0).pow(a.Tensor(1)),
        ["Maximum"] = a => a.Tensor(0).maximum(a.Tensor(1)),
        ["Minimum"] = a => a.Tensor(0).minimum(a.Tensor(1)),
        ["Matmul"] = a => a.Tensor(0).matmul(a.Tensor(1)),
        ["Dot"] = a => a.Tensor(0).dim() < 3 && a.Tensor(1).dim() < 3 ? a.Tensor(0).matmul(a.Tensor(1)) : tensordot(a.Tensor(0), a.Tensor(1), [-1], [Math.Max(0, a.Tensor(1).dim() - 2)]),
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
        ["Square"] = a => a.Tensor(0).square(),
        ["Sqrt"] = a => Float(a).sqrt(),
        ["Rsqrt"] = a => Float(a).rsqrt(),
        ["Reciprocal"] = a => Float(a).reciprocal(),
        ["Exp"] = a => Float(a).exp(),
        ["Expm1"] = a => Float(a).expm1(),
        ["Log"] = a => Float(a).log(),
        ["Log1p"] = a => Float(a).log1p(),
        ["Log2"] = a => Float(a).log2(),
        ["Log10"] = a => Float(a).log10(),
        ["Logaddexp"] = a => logaddexp(a.Tensor(0), a.Tensor(1)),
        ["Sin"] = a => Float(a).sin(),
        ["Cos"] = a => Float(a).cos(),
        ["Tan"] = a => Float(a).tan(),
        ["Arcsin"] = a => Float(a).arcsin(),
        ["Arccos"] = a => Float(a).arccos(),
        ["Arctan"] = a => Float(a).arctan(),
        ["Arctan2"] = a => a.Tensor(0).atan2(a.Tensor(1)),
        ["Sinh"] = a => Float(a).sinh(),
        ["Cosh"] = a => Float(a).cosh(),
        ["Tanh"] = a => Float(a).tanh(),
        ["Erf"] = a => Float(a).erf(),
        ["Sign"] = a => a.Tensor(0).sign(),
        ["Floor"] = a => Float(a).floor(),
        ["Ceil"] = a => Float(a).ceil(),
        ["Round"] = a => a.Whole("decimals") is { } decimals and not 0 ? (a.Tensor(0) * Math.Pow(10, decimals)).round() / Math.Pow(10, decimals) : a.Tensor(0).round(),
        ["Isnan"] = a => a.Tensor(0).isnan(),
        ["Isfinite"] = a => a.Tensor(0).isfinite(),
        ["Isinf"] = a => a.Tensor(0).isinf(),
        ["Clip"] = a => a.Tensor(0).clamp(a.Number("x_min") ?? double.NegativeInfinity, a.Number("x_max") ?? double.PositiveInfinity),
        ["Cast"] = a => a.Tensor(0).to(DTypes.Parse(a.Text("dtype")) ?? throw new InvalidOperationException($"Cast to {a.Text("dtype")} is not supported.")),
        ["StopGradient"] = a => a.Tensor(0).detach(),
        ["ZerosLike"] = a => zeros_like(a.Tensor(0)),
        ["OnesLike"] = a => ones_like(a.Tensor(0)),

        ["Relu"] = a => a.Tensor(0).relu(),
        ["Relu6"] = a => a.Tensor(0).relu6(),
        ["Sigmoid"] = a => a.Tensor(0).sigmoid(),
        ["Softplus"] = a => a.Tensor(0).softplus(),
        ["Softsign"] = a => Layers.Activations.Get("softsign")(a.Tensor(0)),
        ["Silu"] = a => a.Tensor(0).silu(),
        ["LogSigmoid"] = a => a.Tensor(0).log_sigmoid(),
        ["LeakyRelu"] = a => a.Tensor(0).leaky_relu(a.Number("negative_slope") ?? 0.2),
        ["HardSigmoid"] = a => Layers.Activations.Get("hard_sigmoid")(a.Tensor(0)),
        ["HardSilu"] = a => Layers.Activations.Get("hard_silu")(a.Tensor(0)),
        ["HardTanh"] = a => Layers.Activations.Get("hard_tanh")(a.Tensor(0)),
        ["Elu"] = a => a.Tensor(0).elu(a.Number("alpha") ?? 1),
        ["Selu"] = a => a.Tensor(0).selu(),
        ["Celu"] = a => a.Tensor(0).celu(a.Number("alpha") ?? 1),
        ["Gelu"] = a => a.Setting("approximate") is not false ? functional.gelu(a.Tensor(0), TorchSharp.Modules.GELU.Approximate.tanh) : a.Tensor(0).gelu(),
        ["Softmax"] = a => a.Tensor(0).softmax(a.Whole("axis") ?? -1),
        ["LogSoftmax"] = a => a.Tensor(0).log_softmax(a.Whole("axis") ?? -1),
        ["Logsumexp"] = a => a.Tensor(0).logsumexp(a.Whole("axis") ?? -1, a.IsTrue("keepdims")),
        ["OneHot"] = a => functional.one_hot(a.Tensor(0).to(ScalarType.Int64), a.Whole("num_classes") ?? -1).to(DTypes.Parse(a.Text("dtype")) ?? ScalarType.Float32),

        ["Sum"] = a => a.Axes() is { } axes ? a.Tensor(0).sum(axes, a.IsTrue("keepdims")) : All(a, x => x.sum()),
        ["Mean"] = a => a.Axes() is { } axes ? Float(a).mean(axes, a.IsTrue("keepdims")) : All(a, x => x.mean()),
        ["Max"] = a => a.Tensor(0).amax(AllAxes(a), a.IsTrue("keepdims")),
        ["Min"] = a => a.Tensor(0).amin(AllAxes(a), a.IsTrue("keepdims")),
        ["Amax"] = a => a.Tensor(0).amax(AllAxes(a), a.IsTrue("keepdims")),
        ["Amin"] = a => a.Tensor(0).amin(AllAxes(a), a.IsTrue("keepdims")),
        ["Var"] = a => Float(a).var(AllAxes(a), unbiased: false, keepdim: a.IsTrue("keepdims")),
        ["Std"] = a => Float(a).var(AllAxes(a), unbiased: false, keepdim: a.IsTrue("keepdims")).sqrt(),
        ["Prod"] = a => a.Whole("axis") is { } axis ? a.Tensor(0).prod(axis, a.IsTrue("keepdims")) : All(a, x => x.prod()),
        ["Norm"] = a => a.Axes() is { } axes ? a.Tensor(0).square().sum(axes, a.IsTrue("keepdims")).sqrt() : All(a, x => x.square().sum().sqrt()),
        ["Cumsum"] = a => a.Whole("axis") is { } axis ? a.Tensor(0).cumsum(axis) : a.Tensor(0).flatten().cumsum(0),
        ["Argmax"] = a => (a.Whole("axis") is { } axis ? a.Tensor(0).argmax(axis, a.IsTrue("keepdims")) : a.Tensor(0).argmax()).to(ScalarType.Int32),
        ["Argmin"] = a => (a.Whole("axis") is { } axis ? a.Tensor(0).argmin(axis, a.IsTrue("keepdims")) : a.Tensor(0).argmin()).to(ScalarType.Int32),
        ["Any"] = a => a.Axes() is { } axes ? a.Tensor(0).ne(0).to(ScalarType.Int32).amax(axes, a.IsTrue("keepdims")).ne(0) : All(a, x => x.any()),
        ["All"] = a => a.Axes() is { } axes ? a.Tensor(0).ne(0).to(ScalarType.Int32).amin(axes, a.IsTrue("keepdims")).ne(0) : All(a, x => x.all()),

        ["Reshape"] = a => a.Tensor(0).reshape(NewShape(a.Axes("newshape")!, a.Tensor(0))),
        ["Transpose"] = a => a.Axes("axes") is { } axes ? a.Tensor(0).permute(axes) : a.Tensor(0).permute(Enumerable.Range(0, (int)a.Tensor(0).dim()).Reverse().Select(i => (long)i).ToArray()),
        ["Swapaxes"] = a => a.Tensor(0).transpose(a.Whole("axis1")!.Value, a.Whole("axis2")!.Value),
        ["Moveaxis"] = a => a.Tensor(0).movedim(a.Axes("source")!, a.Axes("destination")!),
        ["ExpandDims"] = a => a.Axes()!.Order().Aggregate(a.Tensor(0), (x, axis) => x.unsqueeze(axis)),
        ["Squeeze"] = a => a.Axes() is { } axes ? axes.Select(axis => axis < 0 ? axis + a.Tensor(0).dim() : axis).OrderDescending().Aggregate(a.Tensor(0), (x, axis) => x.squeeze(axis)) : a.Tensor(0).squeeze(),
        ["Concatenate"] = a => cat(a.Tensors(), a.Whole("axis") ?? 0),
        ["Stack"] = a => stack(a.Tensors(), a.Whole("axis") ?? 0),
        ["Hstack"] = a => hstack(a.Tensors()),
        ["Vstack"] = a => vstack(a.Tensors()),
        ["Split"] = Split,
        ["Tile"] = a => a.Tensor(0).tile(a.Axes("repeats")!),
        ["Repeat"] = a => a.Whole("axis") is { } axis ? a.Tensor(0).repeat_interleave(a.Whole("repeats")!.Value, axis) : a.Tensor(0).flatten().repeat_interleave(a.Whole("repeats")!.Value, 0),
        ["Flip"] = a => a.Tensor(0).flip(AllAxes(a)),
        ["Roll"] = a => a.Whole("axis") is { } axis ? a.Tensor(0).roll(a.Whole("shift")!.Value, axis) : a.Tensor(0).flatten().roll(a.Whole("shift")!.Value, 0).view_as(a.Tensor(0)),
        ["BroadcastTo"] = a => a.Tensor(0).broadcast_to(NewShape(a.Axes("shape")!, a.Tensor(0))),
        ["GetItem"] = a => GetItem(a.Tensor(0), a.Raw(1)),
        ["Take"] = a => a.Whole("axis") is { } axis
            ? a.Tensor(0).index_select(axis, a.Tensor(1).flatten().to(ScalarType.Int64)).unflatten(axis, a.Tensor(1).shape)
            : a.Tensor(0).flatten().index_select(0, a.Tensor(1).flatten().to(ScalarType.Int64)).view(a.Tensor(1).shape),
        ["Tril"] = a => a.Tensor(0).tril(a.Whole("k") ?? 0),
        ["Triu"] = a => a.Tensor(0).triu(a.Whole("k") ?? 0),
    };

    static object TrueDivide(OperationArguments a)
    {
        Tensor x = a.Tensor(0), y = a.Tensor(1);
        return (x.is_floating_point() || y.is_floating_point() ? x : x.to(ScalarType.Float32)) / y;
    }

    static Tensor Float(OperationArguments a) => a.Tensor(0) is var x && x.is_floating_point() ? x : x.to(ScalarType.Float32);

    static Tensor Like(object? value, OperationArguments a)
    {
        if (value is Tensor tensor)
            return tensor;
        Tensor? other = a.AllTensors.Skip(1).FirstOrDefault();
        return full([], OperationArguments.AsNumber(value) ?? 0, dtype: other?.dtype ?? ScalarType.Float32);
    }

    static Tensor All(OperationArguments a, Func<Tensor, Tensor> reduce) =>
        a.IsTrue("keepdims") ? reduce(a.Tensor(0)).view([.. a.Tensor(0).shape.Select(_ => 1L)]) : reduce(a.Tensor(0));

    static long[] AllAxes(OperationArguments a) => a.Axes() ?? [.. Enumerable.Range(0, (int)a.Tensor(0).dim()).Select(i => (long)i)];

    // The batch's size, which a config writes as null, is the tensor's.
    static long[] NewShape(long[] shape, Tensor x) => shape;

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
            long first = Math.Clamp(Wrap(slice.Start ?? size - 1), -1, size - 1), last = slice.Stop is { } stop ? Math.Clamp(Wrap(stop), -1, size - 1) : -1;
            return first <= last ? x.narrow(axis, 0, 0) : x.slice(axis, last + 1, first + 1, 1).flip(axis).slice(axis, 0, first - last, -step);
        }

        long begin = Math.Clamp(Wrap(slice.Start ?? 0), 0, size), end = Math.Clamp(Wrap(slice.Stop ?? size), begin, size);
        return x.slice(axis, begin, end, step);

        long Wrap(long place) => place < 0 ? place + size : place;
    }
}
