using Infinorm.Keras.Torch.Layers;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>The settings in the configs of operations, so that what cannot be computed is refused before it is called.</summary>
static class OperationSettings
{
    // Operations and their settings; "!" is after one that must be there.
    static readonly Dictionary<string, string[]> Known = new (string Operations, string Settings)[]
    {
        ("All Amax Amin Any Argmax Argmin Logsumexp Mean Median Nanmax Nanmean Nanmin Nanstd Nansum Nanvar Ptp Std Sum Var", "axis keepdims"),
        ("Append Argsort Average Concatenate CountNonzero Flip Glu LogSoftmax Softmax Sort Sparsemax Squeeze Stack Take TakeAlongAxis", "axis"),
        ("Array OnesLike ZerosLike", "dtype"),
        ("ArraySplit Split", "indices_or_sections! axis"),
        ("AveragePool MaxPool", "pool_size! strides padding data_format"),
        ("BatchNorm", "axis! epsilon"),
        ("BinaryCrossentropy", "from_logits"),
        ("BroadcastTo", "shape!"),
        ("Cast SaturateCast", "dtype!"),
        ("CategoricalCrossentropy SparseCategoricalCrossentropy", "from_logits axis"),
        ("Celu Elu", "alpha"),
        ("Cholesky", "upper"),
        ("Clip", "x_min x_max"),
        ("ConvertToTensor", "dtype sparse ragged"),
        ("Cross", "axisa axisb axisc axis"),
        ("Cumprod Cumsum", "axis dtype"),
        ("Diag Diagflat Tril Triu", "k"),
        ("Diagonal Trace", "offset axis1 axis2"),
        ("Diff", "n axis"),
        ("DotProductAttention", "is_causal"),
        ("Einsum", "subscripts!"),
        ("ExpandDims", "axis!"),
        ("ExtractSequences", "sequence_length! sequence_stride!"),
        ("FFT", "axis"),
        ("FullLike", "fill_value dtype"),
        ("Gelu", "approximate"),
        ("HardShrink SoftShrink", "threshold"),
        ("IRFFT RFFT", "fft_length"),
        ("InTopK", "k!"),
        ("IsIn", "assume_unique invert"),
        ("Isclose", "rtol atol equal_nan"),
        ("LayerNorm", "gamma beta axis epsilon rms_scaling"),
        ("LeakyRelu", "negative_slope"),
        ("Max Min", "axis keepdims initial"),
        ("Meshgrid", "indexing"),
        ("Moments", "axes! keepdims synchronized"),
        ("Moveaxis", "source! destination!"),
        ("MultiHot OneHot", "num_classes num_tokens axis dtype sparse"),
        ("NanToNum", "nan posinf neginf"),
        ("Norm", "ord axis keepdims"),
        ("Normalize", "axis order epsilon"),
        ("PSNR", "max_val!"),
        ("Pad", "pad_width! mode constant_values"),
        ("Prod", "axis keepdims dtype"),
        ("Quantile", "q axis method keepdims"),
        ("RMSNorm", "scale axis epsilon"),
        ("Repeat", "repeats! axis"),
        ("Reshape", "newshape!"),
        ("Resize", "size! interpolation antialias crop_to_aspect_ratio pad_to_aspect_ratio fill_mode fill_value data_format"),
        ("Roll", "shift! axis"),
        ("Rot90", "k axes"),
        ("Round", "decimals"),
        ("SearchSorted", "side"),
        ("SegmentSum", "num_segments sorted"),
        ("Squareplus", "b"),
        ("Swapaxes", "axis1! axis2!"),
        ("Tensordot", "axes"),
        ("Threshold", "threshold threshold_value default_value value"),
        ("Tile", "repeats!"),
        ("TopK", "k! sorted is_stable"),
        ("Transpose", "axes"),
        ("Unstack", "num axis"),
    }.SelectMany(row => row.Operations.Split(' ').Select(name => (name, row.Settings.Split(' ')))).ToDictionary();

    static readonly Dictionary<(string Operation, string Setting), object?[]> Supported = new()
    {
        [("FFT", "axis")] = [-1L],
        [("Pad", "mode")] = ["constant", "reflect", "symmetric", "edge", "wrap", "circular"],
        [("Quantile", "method")] = ["linear"],
        [("SearchSorted", "side")] = ["left", "right"],
        [("Meshgrid", "indexing")] = ["xy", "ij"],
        [("MaxPool", "padding")] = ["valid", "same"],
        [("AveragePool", "padding")] = ["valid", "same"],
        [("Resize", "interpolation")] = ["nearest", "bilinear", "bicubic"],
        [("Resize", "antialias")] = [false],
        [("Resize", "fill_mode")] = ["constant"],
    };

    /// <summary>What of an operation's settings is not supported.</summary>
    public static IEnumerable<string> Problems(string operation, IReadOnlyDictionary<string, object?> settings)
    {
        string[] known = Known.GetValueOrDefault(operation) ?? [];
        foreach (string key in known)
        {
            if (key.EndsWith('!') && settings.GetValueOrDefault(key[..^1]) is null)
                yield return $"the setting '{key[..^1]}' is missing";
        }

        foreach (var (key, value) in settings)
        {
            if (value is null)
                continue;
            if (!known.Contains(key) && !known.Contains($"{key}!"))
            {
                if (value is not false)
                    yield return $"the setting '{key}' is not known";
            }
            else if (key == "dtype" && DTypes.Parse(value as string) is null)
            {
                yield return $"the type '{value}' is not supported";
            }
            else if (key == "axis" && value is object?[] { Length: 0 })
            {
                yield return "the setting 'axis' is a list of none";
            }
            else if (Supported.TryGetValue((operation, key), out object?[]? supported) && !supported.Contains(value))
            {
                yield return $"the setting '{key}' is '{value}'; supported are {string.Join(", ", supported)}";
            }
        }

        long[]? axes = operation == "Norm" ? OperationArguments.AsAxes(settings.GetValueOrDefault("axis")) : null;
        if (operation == "Norm" && ProblemOfNorm(settings.GetValueOrDefault("ord"), axes) is { } problem)
            yield return problem;
        if (operation == "Normalize" && settings.GetValueOrDefault("order") is not (null or >= 1L))
            yield return $"the setting 'order' is '{settings["order"]}'; it should be a whole number from 1";
    }

    // Without axes, the tensor decides whether it is of a vector or of a matrix.
    static string? ProblemOfNorm(object? order, long[]? axes) => (order, axes?.Length) switch
    {
        (null, _) or ("fro" or "nuc", null or 2) or (long or double, null or 1) => null,
        (_, 2) when OperationArguments.AsNumber(order) is 1 or -1 or 2 or -2 or double.PositiveInfinity or double.NegativeInfinity => null,
        (_, var count) => $"the order '{order}' is not supported{(count is null ? "" : $" for {count} axes")}",
    };
}
