using Infinorm.Keras.Torch.Layers.BuiltIn;
using Infinorm.Torch;
using static Infinorm.Keras.Torch.Graph.OperationArguments;
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
        ["Subtract"] = OfBoth((x, y) => x.Minus(y)),
        ["Multiply"] = a => a.Tensor(0) * a.Tensor(1),
        ["Divide"] = OfBothFloat((x, y) => x / y),
        ["TrueDivide"] = OfBothFloat((x, y) => x / y),
        ["DivideNoNan"] = OfBothFloat((x, y) =>
        {
            Tensor isZero = y.eq(Constant(0));
            return where(isZero, zeros_like(x), x / where(isZero, ones_like(y), y));
        }),
        ["FloorDivide"] = a => a.Tensor(0).floor_divide(a.Tensor(1)),
        ["Mod"] = a => a.Numeric().remainder(a.Tensor(1)),
        ["Power"] = a => AsScalar(a.Raw(1)) is { } exponent ? a.Numeric().pow(exponent) : a.Tensor(0).pow(a.Tensor(1)),
        ["Maximum"] = a => a.Tensor(0).maximum(a.Tensor(1)),
        ["Minimum"] = a => a.Tensor(0).minimum(a.Tensor(1)),
        ["Matmul"] = OfBoth((x, y) => x.matmul(y)),
        ["Dot"] = OfBoth((x, y) =>
            x.dim() == 0 || y.dim() == 0 ? x * y
            : x.dim() < 3 && y.dim() < 3 ? x.matmul(y)
            : tensordot(x, y, [-1], [Math.Max(0, y.dim() - 2)])),
        ["Einsum"] = a => einsum(a.Text("subscripts")!, a.All),
        ["Tensordot"] = a =>
        {
            (Tensor x, Tensor y) = a.Both();
            if (a.Setting("axes") is object?[] { Length: 2 } axes)
                return tensordot(x, y, AsAxes(axes[0])!, AsAxes(axes[1])!);
            long[] first = [.. Enumerable.Range(0, (int)(a.Whole("axes") ?? 2)).Select(axis => (long)axis)];
            return tensordot(x, y, Array.ConvertAll(first, axis => x.dim() - first.Length + axis), first);
        },

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
        ["Where"] = a =>
        {
            (Tensor x, Tensor y) = a.Both(1, 2);
            return where(a.Tensor(0).to(ScalarType.Bool), x, y);
        },

        ["Absolute"] = Absolute,
        ["Abs"] = Absolute,
        ["Negative"] = a => a.Tensor(0).neg(),
        ["Square"] = a => a.Numeric().Squared(),
        ["Sqrt"] = a => a.Float().sqrt(),
        ["Rsqrt"] = a => a.Float().rsqrt(),
        ["Reciprocal"] = a => a.Float().reciprocal(),
        ["Exp"] = a => a.Float().exp(),
        ["Expm1"] = a => a.Float().expm1(),
        ["Log"] = a => a.Float().log(),
        ["Log1p"] = a => a.Float().log1p(),
        ["Log2"] = a => a.Float().log2(),
        ["Log10"] = a => a.Float().log10(),
        ["Logaddexp"] = OfBothFloat(logaddexp),
        ["Logaddexp2"] = OfBothFloat(logaddexp2),
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
        {
            double power = Math.Pow(10, a.Whole("decimals") ?? 0);
            return (power == 1 ? a.Float().round() : a.Float().Times(power).round().Over(power)).to(a.Tensor(0).dtype);
        },
        ["Isnan"] = a => a.Tensor(0).isnan(),
        ["Isfinite"] = a => a.Tensor(0).isfinite(),
        ["Isinf"] = a => a.Tensor(0).isinf(),
        ["Isposinf"] = a => a.Tensor(0).isposinf(),
        ["Isneginf"] = a => a.Tensor(0).isneginf(),
        ["Signbit"] = a => a.Tensor(0).signbit(),
        ["Clip"] = a => a.Numeric().clamp(a.Bound("x_min"), a.Bound("x_max")),
        ["Cast"] = a => a.Tensor(0).to(a.Type()!.Value),
        ["StopGradient"] = a => a.Tensor(0).detach(),
        ["ZerosLike"] = a => zeros_like(a.Tensor(0), a.Type()),
        ["OnesLike"] = a => ones_like(a.Tensor(0), a.Type()),

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
        ["Softmax"] = a => a.AxesOr(-1) is [var axis] ? a.Tensor(0).softmax(axis) : LogSoftmax(a.Tensor(0), a.AxesOr(-1)).exp(),
        ["LogSoftmax"] = a => a.AxesOr(-1) is [var axis] ? a.Tensor(0).log_softmax(axis) : LogSoftmax(a.Tensor(0), a.AxesOr(-1)),
        ["Logsumexp"] = a => OneByOne(a.Float(), a.AllAxes(), (x, axis) => x.logsumexp(axis, a.IsTrue("keepdims"))),

        ["Sum"] = a => a.Tensor(0).sum(a.AllAxes(), a.IsTrue("keepdims"), SumType(a.Tensor(0))),
        ["Mean"] = a => a.Float().mean(a.AllAxes(), a.IsTrue("keepdims")),
        ["Max"] = a => With(a.Tensor(0).amax(a.AllAxes(), a.IsTrue("keepdims")), a.Number("initial"), (x, y) => x.maximum(y)),
        ["Min"] = a => With(a.Tensor(0).amin(a.AllAxes(), a.IsTrue("keepdims")), a.Number("initial"), (x, y) => x.minimum(y)),
        ["Amax"] = a => a.Tensor(0).amax(a.AllAxes(), a.IsTrue("keepdims")),
        ["Amin"] = a => a.Tensor(0).amin(a.AllAxes(), a.IsTrue("keepdims")),
        ["Var"] = a => a.Float().var(a.AllAxes(), unbiased: false, keepdim: a.IsTrue("keepdims")),
        ["Std"] = a => a.Float().var(a.AllAxes(), unbiased: false, keepdim: a.IsTrue("keepdims")).sqrt(),
        ["Prod"] = a =>
        {
            ScalarType type = a.Type() ?? SumType(a.Tensor(0));
            return OneByOne(a.Tensor(0).to(type), a.AllAxes(), (x, axis) => x.prod(axis, a.IsTrue("keepdims"), type));
        },
        ["Norm"] = a => Norms.Of(a.Float(), a.Setting("ord"), a.AllAxes(), a.IsTrue("keepdims")),
        ["Cumsum"] = a => Cumulate(a, (x, axis, type) => x.cumsum(axis, type)),
        ["Cumprod"] = a => Cumulate(a, (x, axis, type) => x.cumprod(axis, type)),
        ["Argmax"] = a => Place(a, (x, axis) => x.argmax(axis, a.IsTrue("keepdims"))),
        ["Argmin"] = a => Place(a, (x, axis) => x.argmin(axis, a.IsTrue("keepdims"))),
        ["Any"] = a => a.Tensor(0).ne(Constant(0)).to(ScalarType.Int32).amax(a.AllAxes(), a.IsTrue("keepdims")).ne(Constant(0)),
        ["All"] = a => a.Tensor(0).ne(Constant(0)).to(ScalarType.Int32).amin(a.AllAxes(), a.IsTrue("keepdims")).ne(Constant(0)),

        ["Reshape"] = a => a.Tensor(0).reshape(a.Axes("newshape")!),
        ["Transpose"] = a =>
            a.Axes("axes") is { } axes
                ? a.Tensor(0).permute(axes)
                : a.Tensor(0).permute(Enumerable.Range(0, (int)a.Tensor(0).dim()).Reverse().Select(i => (long)i).ToArray()),
        ["Swapaxes"] = a => a.Tensor(0).transpose(a.Whole("axis1")!.Value, a.Whole("axis2")!.Value),
        ["Moveaxis"] = a => a.Tensor(0).movedim(a.Axes("source")!, a.Axes("destination")!),
        ["ExpandDims"] = a =>
        {
            long[] axes = a.Axes()!;
            return Axes.FromFront(axes, a.Tensor(0).dim() + axes.Length).Order().Aggregate(a.Tensor(0), (x, axis) => x.unsqueeze(axis));
        },
        ["Squeeze"] = a =>
            a.Axes() is null
                ? a.Tensor(0).squeeze()
                : a.AllAxes().OrderDescending().Aggregate(a.Tensor(0), (x, axis) => x.squeeze(axis)),
        ["Concatenate"] = a => cat(a.Tensors(), a.Whole("axis") ?? 0),
        ["Stack"] = a => stack(a.Tensors(), a.Whole("axis") ?? 0),
        ["Hstack"] = a => hstack(a.Tensors()),
        ["Vstack"] = a => vstack(a.Tensors()),
        ["Split"] = Split,
        ["ArraySplit"] = Split,
        ["Tile"] = a => a.Tensor(0).tile(a.Axes("repeats")!),
        ["Repeat"] = a =>
            a.Whole("axis") is { } axis ? Repeat(a.Tensor(0), a.Axes("repeats")!, axis) : Repeat(a.Tensor(0).flatten(), a.Axes("repeats")!, 0),
        ["Flip"] = a => a.Tensor(0).flip(a.AllAxes()),
        ["Roll"] = a =>
        {
            long[] shifts = a.Axes("shift")!;
            return a.Axes() is { } axes
                ? axes.Index().Aggregate(a.Tensor(0), (x, axis) => x.roll(shifts[shifts.Length == 1 ? 0 : axis.Index], axis.Item))
                : a.Tensor(0).flatten().roll(shifts.Sum(), 0).view_as(a.Tensor(0));
        },
        ["BroadcastTo"] = a => a.Tensor(0).broadcast_to(a.Axes("shape")!),
        ["GetItem"] = a => GetItem(a.Tensor(0), a.Raw(1)),
        ["Take"] = a => a.Whole("axis") is { } axis
            ? Take(a.Tensor(0), a.Tensor(1), Axes.FromFront(axis, a.Tensor(0).dim()))
            : Take(a.Tensor(0).flatten(), a.Tensor(1), 0),
        ["TakeAlongAxis"] = a => a.Whole("axis") is { } axis
            ? a.Tensor(0).take_along_dim(Wrapped(a.Tensor(1), a.Tensor(0).shape[Axes.FromFront(axis, a.Tensor(0).dim())]), axis)
            : a.Tensor(0).flatten().take_along_dim(Wrapped(a.Tensor(1), a.Tensor(0).numel()).flatten(), 0),
        ["Tril"] = a => a.Tensor(0).tril(a.Whole("k") ?? 0),
        ["Triu"] = a => a.Tensor(0).triu(a.Whole("k") ?? 0),
    };

    /// <summary>All of them.</summary>
    public static Dictionary<string, Func<OperationArguments, object>> Operations { get; } =
        new(Common.Concat(ArrayOperations.Operations).Concat(NetworkOperations.Operations), StringComparer.Ordinal);

    static Tensor Absolute(OperationArguments a) => a.Tensor(0).dtype == ScalarType.Bool ? a.Tensor(0) : a.Tensor(0).abs();

    // All elements so many times, or each its own number of times.
    static Tensor Repeat(Tensor x, long[] counts, long axis) => counts is [var all]
        ? x.repeat_interleave(all, axis)
        : x.index_select(axis, tensor([.. counts.SelectMany((count, i) => Enumerable.Repeat((long)i, (int)count))], dtype: ScalarType.Int64));

    static Tensor With(Tensor x, double? initial, Func<Tensor, Tensor, Tensor> join) =>
        initial is { } number ? join(x, full([], Constant(number), dtype: x.dtype)) : x;

    // A reduction of torch's that takes one axis, from the last of the axes to the first.
    static Tensor OneByOne(Tensor x, long[] axes, Func<Tensor, long, Tensor> reduce) => axes.OrderDescending().Aggregate(x, reduce);

    static Tensor LogSoftmax(Tensor x, long[] axes) => x.Minus(OneByOne(x, axes, (y, axis) => y.logsumexp(axis, keepdim: true)));

    /// <summary>Of what type sums and products are: no narrower than int32.</summary>
    public static ScalarType SumType(Tensor x) =>
        x.dtype is ScalarType.Bool or ScalarType.Byte or ScalarType.Int8 or ScalarType.Int16 ? ScalarType.Int32 : x.dtype;

    static Tensor Cumulate(OperationArguments a, Func<Tensor, long, ScalarType, Tensor> cumulate)
    {
        Tensor x = a.Numeric();
        return a.Whole("axis") is { } axis ? cumulate(x, axis, a.Type() ?? x.dtype) : cumulate(x.flatten(), 0, a.Type() ?? x.dtype);
    }

    static Tensor Place(OperationArguments a, Func<Tensor, long, Tensor> find)
    {
        Tensor x = a.Numeric();
        Tensor place = a.Whole("axis") is { } axis ? find(x, axis) : find(x.flatten(), 0);
        return (a.IsTrue("keepdims") && place.dim() < x.dim() ? place.view([.. x.shape.Select(_ => 1L)]) : place).to(ScalarType.Int32);
    }

    // Indices that are counted from the front; those below 0 count from the end.
    static Tensor Wrapped(Tensor indices, long size)
    {
        indices = indices.to(ScalarType.Int64);
        return where(indices.lt(Constant(0)), indices.Plus(size), indices);
    }

    static Tensor Take(Tensor x, Tensor indices, long axis) =>
        x.index_select(axis, Wrapped(indices, x.shape[axis]).flatten())
            .reshape([.. x.shape[..(int)axis], .. indices.shape, .. x.shape[((int)axis + 1)..]]);

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
                case Tensor indices when indices.dtype != ScalarType.Bool && items.Count(item => item is Tensor) == 1:
                    x = Take(x, indices, axis);
                    axis += indices.dim();
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
