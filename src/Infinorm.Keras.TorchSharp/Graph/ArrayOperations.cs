using Infinorm.Keras.Torch.Layers.BuiltIn;
using Infinorm.Torch;
using static Infinorm.Keras.Torch.Graph.OperationArguments;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>The rarer operations of <c>keras.ops</c> on arrays.</summary>
static class ArrayOperations
{
    public static Dictionary<string, Func<OperationArguments, object>> Operations { get; } = new(StringComparer.Ordinal)
    {
        ["Arccosh"] = a => a.Float().acosh(),
        ["Arcsinh"] = a => a.Float().asinh(),
        ["Arctanh"] = a => a.Float().atanh(),
        ["Cbrt"] = a => a.Float(ScalarType.Float64).abs().pow(Constant(1 / 3.0)) * a.Float(ScalarType.Float64).sign(),
        ["Exp2"] = a => a.Float().exp2(),
        ["Erfc"] = a => a.Float().erfc(),
        ["Erfinv"] = a => a.Float().erfinv(),
        ["Sinc"] = a => a.Float().sinc(),
        ["Trunc"] = a => a.Tensor(0).trunc(),
        ["Deg2rad"] = a => a.Float(ScalarType.Float64).deg2rad(),
        ["Rad2deg"] = a => a.Float(ScalarType.Float64).rad2deg(),
        ["Hypot"] = OfBothFloat((x, y) => x.hypot(y), ScalarType.Float64),
        ["Heaviside"] = OfBothFloat(heaviside, ScalarType.Float64),
        ["Xlogy"] = a => xlogy(a.Tensor(0), a.Tensor(1)),
        ["Copy"] = a => a.Tensor(0).clone(),
        ["NanToNum"] = a => a.Tensor(0).nan_to_num(a.Number("nan") ?? 0, a.Number("posinf"), a.Number("neginf")),
        ["Isclose"] = a =>
        {
            (Tensor x, Tensor y) = a.Both();
            double relative = AsNumber(a.Raw(2, "rtol")) ?? 1e-5, absolute = AsNumber(a.Raw(3, "atol")) ?? 1e-8;
            return x.isclose(y, relative, absolute, a.Raw(4, "equal_nan") is true);
        },
        ["IsIn"] = a =>
        {
            (Tensor x, Tensor y) = a.Both();
            return isin(x, y, invert: a.IsTrue("invert"));
        },
        ["FullLike"] = a =>
        {
            ScalarType type = a.Type() ?? a.Tensor(0).dtype;
            return a.Optional(1, "fill_value")!.to(type).expand(a.Tensor(0).shape).clone();
        },
        ["Array"] = Convert,
        ["ConvertToTensor"] = Convert,
        ["SaturateCast"] = SaturateCast,
        ["BitwiseAnd"] = a => a.Tensor(0).bitwise_and(a.Tensor(1)),
        ["BitwiseOr"] = a => a.Tensor(0).bitwise_or(a.Tensor(1)),
        ["BitwiseXor"] = a => a.Tensor(0).bitwise_xor(a.Tensor(1)),
        ["BitwiseNot"] = a => a.Tensor(0).bitwise_not(),
        ["BitwiseInvert"] = a => a.Tensor(0).bitwise_not(),

        ["Outer"] = a => a.Tensor(0).flatten().outer(a.Tensor(1).flatten()),
        ["Inner"] = OfBoth(inner),
        ["Vdot"] = OfBoth((x, y) => x.flatten().dot(y.flatten())),
        ["Kron"] = a => kron(a.Tensor(0), a.Tensor(1)),
        ["Cross"] = Cross,
        ["Diagonal"] = a => a.Tensor(0).diagonal(a.Whole("offset") ?? 0, a.Whole("axis1") ?? 0, a.Whole("axis2") ?? 1),
        ["Trace"] = a => a.Tensor(0).diagonal(a.Whole("offset") ?? 0, a.Whole("axis1") ?? 0, a.Whole("axis2") ?? 1)
            .sum([-1], type: OperationTable.SumType(a.Tensor(0))),
        ["Diag"] = a => a.Tensor(0).diag(a.Whole("k") ?? 0),
        ["Diagflat"] = a => a.Tensor(0).flatten().diag(a.Whole("k") ?? 0),
        ["Det"] = a => linalg.det(a.Float()),
        ["Logdet"] = a => a.Float().logdet(),
        ["Inv"] = a => linalg.inv(a.Float()),
        ["Cholesky"] = a => a.IsTrue("upper") ? linalg.cholesky(a.Float()).transpose(-2, -1) : linalg.cholesky(a.Float()),
        ["Solve"] = OfBothFloat((x, y) => linalg.solve(x, y)),
        ["Average"] = Average,
        ["Median"] = a => Quantile(a, tensor(0.5)),
        ["Quantile"] = a => Quantile(a, a.Optional(1, "q")!),
        ["Ptp"] = a => a.Tensor(0).amax(a.AllAxes(), a.IsTrue("keepdims")).Minus(a.Tensor(0).amin(a.AllAxes(), a.IsTrue("keepdims"))),
        ["Nansum"] = a => WithoutNaN(a, 0).sum(a.AllAxes(), a.IsTrue("keepdims"), OperationTable.SumType(a.Tensor(0))),
        ["Nanmean"] = a => NanMean(a, a.Float(), a.IsTrue("keepdims")),
        ["Nanvar"] = NanVar,
        ["Nanstd"] = a => NanVar(a).sqrt(),
        ["Nanmax"] = a => OrNaN(a, WithoutNaN(a, double.NegativeInfinity).amax(a.AllAxes(), a.IsTrue("keepdims"))),
        ["Nanmin"] = a => OrNaN(a, WithoutNaN(a, double.PositiveInfinity).amin(a.AllAxes(), a.IsTrue("keepdims"))),
        ["CountNonzero"] = a => a.Tensor(0).ne(Constant(0)).to(ScalarType.Int32).sum(a.AllAxes(), type: ScalarType.Int32),
        ["Diff"] = a => Enumerable.Range(0, (int)(a.Whole("n") ?? 1)).Aggregate(a.Tensor(0), (x, _) => diff(x, 1, a.Whole("axis") ?? -1)),
        ["Sort"] = a => Sort(a).Values,
        ["Argsort"] = a => Sort(a).Indices.to(ScalarType.Int32),
        ["TopK"] = a =>
        {
            (Tensor values, Tensor places) = a.Tensor(0).sort(-1, descending: true, stable: true);
            long count = a.Whole("k")!.Value;
            return (object?[])[values.narrow(-1, 0, count), places.narrow(-1, 0, count).to(ScalarType.Int32)];
        },
        ["InTopK"] = a =>
        {
            (Tensor target, Tensor scores) = (a.Tensor(0).to(ScalarType.Int64).unsqueeze(-1), a.Tensor(1));
            return scores.gt(scores.take_along_dim(target, -1)).sum(-1).lt(Constant(a.Whole("k")!.Value));
        },
        ["Digitize"] = a => bucketize(a.Tensor(0), a.Tensor(1), outInt32: true, right: true),
        ["SearchSorted"] = a => searchsorted(a.Tensor(0), a.Tensor(1), out_int32: true, right: a.Text("side") == "right"),
        ["SegmentSum"] = SegmentSum,
        ["Ravel"] = a => a.Tensor(0).flatten(),
        ["Rot90"] = a => a.Tensor(0).rot90(a.Whole("k") ?? 1, a.Axes("axes") is [var from, var to] ? (from, to) : (0, 1)),
        ["Append"] = a =>
            a.Whole("axis") is { } axis ? cat([a.Tensor(0), a.Tensor(1)], axis) : cat([a.Tensor(0).flatten(), a.Tensor(1).flatten()]),
        ["Select"] = Select,
        ["Slice"] = a => Slice(a, SizesOf(a.Raw(2, "shape"))),
        ["SliceUpdate"] = SliceUpdate,
        ["ExtractSequences"] = a => a.Tensor(0).unfold(-1, a.Whole("sequence_length")!.Value, a.Whole("sequence_stride")!.Value),
        ["Meshgrid"] = a => meshgrid(a.All, a.Text("indexing") ?? "xy").Cast<object?>().ToArray(),
        ["Size"] = a => tensor((int)a.Tensor(0).numel()),
        ["Unstack"] = a => a.Tensor(0).unbind((int)(a.Whole("axis") ?? 0)).Cast<object?>().ToArray(),
        ["Pad"] = Pad,
        ["FFT"] = a => Parts(fft.fft_(OfParts(a))),
        ["FFT2"] = a => Parts(fft.fft2(OfParts(a))),
        ["IFFT2"] = a => Parts(fft.ifft2(OfParts(a))),
        ["RFFT"] = a => Parts(fft.rfft(a.Float(), a.Whole("fft_length") ?? -1)),
        ["IRFFT"] = a => fft.irfft(OfParts(a), a.Whole("fft_length") ?? -1),
    };

    // Keras has complex numbers as two tensors.
    static object?[] Parts(Tensor numbers) => [numbers.real.clone(), numbers.imag.clone()];

    static Tensor OfParts(OperationArguments a) => a.Tensors() is [var real, var imaginary]
        ? complex(real, imaginary)
        : throw new InvalidOperationException("A Fourier transform takes the real parts and the imaginary parts.");

    static Tensor Convert(OperationArguments a) => a.Tensor(0).to(a.Type() ?? a.Tensor(0).dtype);

    // What is beyond the range of the type becomes its end.
    static Tensor SaturateCast(OperationArguments a)
    {
        ScalarType type = a.Type()!.Value;
        Tensor x = a.Tensor(0);
        if (type == ScalarType.Int64 && !x.is_floating_point())
            return x.to(type);
        (double least, double greatest) = type switch
        {
            ScalarType.Bool => (0, 1),
            ScalarType.Byte => (byte.MinValue, byte.MaxValue),
            ScalarType.Int8 => (sbyte.MinValue, sbyte.MaxValue),
            ScalarType.Int16 => (short.MinValue, short.MaxValue),
            ScalarType.Int32 => (int.MinValue, int.MaxValue),
            ScalarType.Int64 => (long.MinValue, Math.BitDecrement(long.MaxValue)), // the double below 2⁶³
            _ => (finfo(type).min, finfo(type).max),
        };
        return x.to(ScalarType.Float64).clamp(Constant(least), Constant(greatest)).to(type);
    }

    static Tensor Average(OperationArguments a)
    {
        Tensor x = a.Float();
        if (a.Optional(1, "weights") is not { } given)
            return x.mean(a.AllAxes());
        Tensor weights = given.to(x.dtype);
        if (weights.dim() < x.dim() && a.Axes() is not null)
            weights = weights.view(Axes.Broadcast(x, a.AllAxes()));
        return (x * weights).sum(a.AllAxes()) / weights.expand(x.shape).sum(a.AllAxes());
    }

    // Several quantiles are along a first axis.
    static Tensor Quantile(OperationArguments a, Tensor q)
    {
        Tensor x = a.Float();
        long[] axes = a.AllAxes();
        long[] kept = [.. Enumerable.Range(0, (int)x.dim()).Select(i => (long)i).Except(axes)];
        Tensor rows = x.permute([.. kept, .. axes]).reshape([.. kept.Select(axis => x.shape[axis]), -1]);
        ScalarType wide = x.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        Tensor result = rows.to(wide).quantile(q.to(wide), rows.dim() - 1).to(x.dtype);
        return a.IsTrue("keepdims") ? result.view([.. q.shape, .. x.shape.Select((size, axis) => axes.Contains(axis) ? 1 : size)]) : result;
    }

    static Tensor WithoutNaN(OperationArguments a, double instead)
    {
        Tensor x = a.Tensor(0);
        return x.is_floating_point() ? where(x.isnan(), full_like(x, Constant(instead)), x) : x;
    }

    static Tensor NanMean(OperationArguments a, Tensor x, bool keepsAxes)
    {
        Tensor isNumber = x.isnan().logical_not();
        return where(isNumber, x, zeros_like(x)).sum(a.AllAxes(), keepsAxes) / isNumber.to(x.dtype).sum(a.AllAxes(), keepsAxes);
    }

    static Tensor NanVar(OperationArguments a)
    {
        Tensor x = a.Float();
        return NanMean(a, x.Minus(NanMean(a, x, keepsAxes: true)).Squared(), a.IsTrue("keepdims"));
    }

    // NaN where there was nothing else.
    static Tensor OrNaN(OperationArguments a, Tensor found)
    {
        if (!found.is_floating_point())
            return found;
        Tensor isNothing = a.Tensor(0).isnan().to(ScalarType.Int32).amin(a.AllAxes(), a.IsTrue("keepdims")).ne(Constant(0));
        return where(isNothing, full_like(found, Constant(double.NaN)), found);
    }

    // A null axis stands for all elements.
    static (Tensor Values, Tensor Indices) Sort(OperationArguments a) =>
        a.AxesOr(-1) is [var axis] ? a.Tensor(0).sort(axis, stable: true) : a.Tensor(0).flatten().sort(0, stable: true);

    static Tensor Cross(OperationArguments a)
    {
        (Tensor x, Tensor y) = a.Both();
        long? all = a.Whole("axis");
        Tensor product = linalg.cross(x.movedim([all ?? a.Whole("axisa") ?? -1], [-1]), y.movedim([all ?? a.Whole("axisb") ?? -1], [-1]), -1);
        return product.movedim([-1], [all ?? a.Whole("axisc") ?? -1]);
    }

    // What belongs to no segment is added to one more, which is dropped.
    static Tensor SegmentSum(OperationArguments a)
    {
        (Tensor x, Tensor segments) = (a.Tensor(0), a.Tensor(1).to(ScalarType.Int64));
        long count = a.Whole("num_segments") ?? segments.max().ToInteger() + 1;
        Tensor isNone = segments.lt(Constant(0)).logical_or(segments.ge(Constant(count)));
        return zeros([count + 1, .. x.shape[1..]], dtype: x.dtype)
            .index_add(0, where(isNone, full_like(segments, Constant(count)), segments), x, Constant(1)).narrow(0, 0, count);
    }

    // The choice of the first condition that holds.
    static Tensor Select(OperationArguments a)
    {
        Tensor[] conditions = a.Tensors(0), choices = a.Tensors(1);
        Tensor result = a.Optional(2, "default") ?? zeros_like(choices[0]);
        for (int i = conditions.Length - 1; i >= 0; i--)
            result = where(conditions[i].to(ScalarType.Bool), choices[i], result);
        return result;
    }

    static long[] SizesOf(object? value) => value is Tensor tensor
        ? tensor.to(ScalarType.Int64).data<long>().ToArray()
        : AsAxes(value) ?? throw new InvalidOperationException("Slice: a start or a size is missing.");

    // A size of -1 goes to the end.
    static Tensor Slice(OperationArguments a, long[] sizes)
    {
        long[] starts = SizesOf(a.Raw(1, "start_indices"));
        Tensor x = a.Tensor(0);
        for (int axis = 0; axis < starts.Length; axis++)
            x = x.narrow(axis, starts[axis], sizes[axis] < 0 ? x.shape[axis] - starts[axis] : sizes[axis]);
        return x;
    }

    static Tensor SliceUpdate(OperationArguments a)
    {
        Tensor result = a.Tensor(0).clone(), update = a.Tensor(2);
        long[] starts = SizesOf(a.Raw(1, "start_indices"));
        Tensor part = result;
        for (int axis = 0; axis < starts.Length; axis++)
            part = part.narrow(axis, starts[axis], update.shape[axis]);
        part.copy_(update);
        return result;
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
            var other => throw new InvalidOperationException($"Pad: pad_width should be a number or a list, found {other}."),
        };
        long[] fromLast = [.. pads.Reverse().SelectMany(pad => (long[])[pad.Left, pad.Right])];
        string mode = a.Text("mode") ?? "constant";
        if (mode == "constant")
            return functional.pad(x, fromLast, value: a.Optional(1, "constant_values")?.ToNumber() ?? 0);
        for (int axis = 0; axis < pads.Length; axis++)
            x = Mirror(x, axis, pads[axis].Left, pads[axis].Right, mode);
        return x;

        static (long, long) Pair(object? item) =>
            item is object?[] pair ? ((long)pair[0]!, (long)pair[^1]!) : ((long)item!, (long)item!);
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
            _ => ((i % size) + size) % size,
        };
    }
}
