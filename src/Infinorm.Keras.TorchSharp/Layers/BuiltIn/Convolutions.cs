using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>What all convolutions have: kernel size, strides, dilation, padding, where the channels are.</summary>
abstract class ConvolutionBase : KerasLayer
{
    readonly bool _isChannelsFirst;
    readonly Func<Tensor, Tensor> _activation;

    protected ConvolutionBase(LayerConfig config, int rank, params ReadOnlySpan<string> paddings)
        : base(config)
    {
        Size = config.Sizes("kernel_size", rank);
        Strides = config.Sizes("strides", rank, 1);
        Dilation = config.Sizes("dilation_rate", rank, 1);
        Padding = config.OneOf("padding", "valid", paddings);
        _isChannelsFirst = config.IsChannelsFirst();
        _activation = config.Activation("activation");
    }

    protected long[] Size { get; }

    protected long[] Strides { get; }

    protected long[] Dilation { get; }

    protected string Padding { get; }

    protected internal sealed override object Call(LayerCall call)
    {
        Tensor x = call.Input.dtype == ComputeType ? call.Input : call.Input.to(ComputeType);
        Tensor output = Convolve(_isChannelsFirst ? x : Axes.ToChannelsFirst(x));
        return _activation(_isChannelsFirst ? output : Axes.ToChannelsLast(output));
    }

    /// <summary>Convolves what has its channels first.</summary>
    protected abstract Tensor Convolve(Tensor x);

    protected LayerWeight? Bias(LayerConfig config)
    {
        LayerWeight? bias = config.Boolean("use_bias", true) ? AddWeight("bias", regularizer: "bias_regularizer") : null;
        config.Ignore("bias_regularizer");
        return bias;
    }
}

sealed class Convolution : ConvolutionBase
{
    readonly long _groups;
    readonly LayerWeight _kernel;
    readonly LayerWeight? _bias;

    public Convolution(LayerConfig config, int rank)
        : base(config, rank, "valid", "same", "causal")
    {
        config.Ignore("filters");
        _groups = config.OptionalInteger("groups") ?? 1;
        _kernel = AddWeight("kernel", regularizer: "kernel_regularizer");
        _bias = Bias(config);
    }

    protected override Tensor Convolve(Tensor x) =>
        Kernels.Convolve(x, Kernels.OutInSpace(_kernel.Value), _bias?.Value, Strides, Padding, Dilation, _groups);
}

sealed class DepthwiseConvolution : ConvolutionBase
{
    readonly LayerWeight _kernel;
    readonly LayerWeight? _bias;

    public DepthwiseConvolution(LayerConfig config, int rank)
        : base(config, rank, "valid", "same")
    {
        config.Ignore("depth_multiplier", "groups", "kernel_regularizer");
        _kernel = AddWeight("kernel", regularizer: "depthwise_regularizer");
        _bias = Bias(config);
    }

    protected override Tensor Convolve(Tensor x) =>
        Kernels.Convolve(x, Kernels.Depthwise(_kernel.Value), _bias?.Value, Strides, Padding, Dilation, groups: x.shape[1]);
}

sealed class SeparableConvolution : ConvolutionBase
{
    readonly LayerWeight _depthwise, _pointwise;
    readonly LayerWeight? _bias;

    public SeparableConvolution(LayerConfig config, int rank)
        : base(config, rank, "valid", "same", "causal")
    {
        config.Ignore("depth_multiplier", "filters", "groups", "kernel_regularizer");
        _depthwise = AddWeight("depthwise_kernel", regularizer: "depthwise_regularizer");
        _pointwise = AddWeight("pointwise_kernel", regularizer: "pointwise_regularizer");
        _bias = Bias(config);
    }

    protected override Tensor Convolve(Tensor x)
    {
        long[] ones = [.. Strides.Select(_ => 1L)];
        Tensor spread = Kernels.Convolve(x, Kernels.Depthwise(_depthwise.Value), null, Strides, Padding, Dilation, groups: x.shape[1]);
        return Kernels.Convolve(spread, Kernels.OutInSpace(_pointwise.Value), _bias?.Value, ones, "valid", ones, groups: 1);
    }
}

sealed class TransposedConvolution : ConvolutionBase
{
    readonly long[]? _outputPadding;
    readonly LayerWeight _kernel;
    readonly LayerWeight? _bias;

    public TransposedConvolution(LayerConfig config, int rank)
        : base(config, rank, "valid", "same")
    {
        config.Ignore("filters", "groups");
        _outputPadding = config.Json("output_padding") is null ? null : config.Sizes("output_padding", rank);
        _kernel = AddWeight("kernel", regularizer: "kernel_regularizer");
        _bias = Bias(config);
    }

    // Keras's padding is another than torch's: the whole output is made, and cropped, or lengthened by zeros, at both ends.
    protected override Tensor Convolve(Tensor x)
    {
        Tensor kernel = Kernels.InOutSpace(_kernel.Value);
        Tensor whole = Strides.Length switch
        {
            1 => functional.conv_transpose1d(x, kernel, null, Strides[0], 0, 0, Dilation[0]),
            2 => functional.conv_transpose2d(x, kernel, null, Strides, [0, 0], [0, 0], Dilation),
            _ => functional.conv_transpose3d(x, kernel, null, Strides, [0, 0, 0], [0, 0, 0], Dilation),
        };
        var pads = new long[2 * Strides.Length];
        for (int i = 0; i < Strides.Length; i++)
        {
            (long left, long right) = Crop(i);
            (pads[pads.Length - 2 - (2 * i)], pads[pads.Length - 1 - (2 * i)]) = (-left, -right);
        }

        Tensor output = pads.All(pad => pad == 0) ? whole : functional.pad(whole, pads);
        return _bias is null ? output : output + _bias.Value.view([-1, .. Strides.Select(_ => 1L)]);
    }

    (long Left, long Right) Crop(int axis)
    {
        long extent = ((Size[axis] - 1) * Dilation[axis]) + 1, stride = Strides[axis];
        long? added = _outputPadding?[axis];
        if (Padding == "valid")
            return (0, -(added ?? (Math.Max(extent, stride) - extent)));
        long total = added is { } given ? extent + (extent % 2) - 2 + given : stride + extent - 2;
        long left = Math.Min((total + 1) / 2, extent - 1);
        return (extent - 1 - left, extent - 1 - total + left);
    }
}

/// <summary>Convolutions by rank, and views of Keras's kernels, which have the space first, as torch wants them.</summary>
static class Kernels
{
    /// <summary>(space, in, out) as (out, in, space).</summary>
    public static Tensor OutInSpace(Tensor kernel) => kernel.movedim([-1, -2], [0, 1]);

    /// <summary>(space, out, in) as (in, out, space).</summary>
    public static Tensor InOutSpace(Tensor kernel) => kernel.movedim([-1, -2], [0, 1]);

    /// <summary>(space, in, multiplier) as (in·multiplier, 1, space).</summary>
    public static Tensor Depthwise(Tensor kernel) => kernel.movedim([-2, -1], [0, 1]).flatten(0, 1).unsqueeze(1);

    /// <summary>A convolution with Keras's padding.</summary>
    /// <param name="x">(batch, in, space).</param>
    /// <param name="kernel">(out, in, space).</param>
    /// <param name="bias">(out); null for none.</param>
    /// <param name="strides">One for each axis of the space.</param>
    /// <param name="padding">valid, same or causal.</param>
    /// <param name="dilation">One for each axis of the space.</param>
    /// <param name="groups">In how many groups the channels are.</param>
    public static Tensor Convolve(Tensor x, Tensor kernel, Tensor? bias, long[] strides, string padding, long[] dilation, long groups)
    {
        int rank = strides.Length;
        var both = new long[rank];
        if (padding != "valid")
        {
            var pads = new long[2 * rank];
            for (int i = 0; i < rank; i++)
            {
                long extent = ((kernel.shape[2 + i] - 1) * dilation[i]) + 1;
                (long left, long right) = padding == "causal" ? (extent - 1, 0) : Same(x.shape[2 + i], extent, strides[i]);
                (pads[2 * (rank - 1 - i)], pads[(2 * (rank - 1 - i)) + 1]) = (left, right);
                both[i] = left;
            }

            if (Enumerable.Range(0, rank).Any(i => pads[2 * i] != pads[(2 * i) + 1]))
            {
                x = functional.pad(x, pads);
                Array.Clear(both);
            }
        }

        return rank switch
        {
            1 => functional.conv1d(x, kernel, bias, strides[0], both[0], dilation[0], groups),
            2 => functional.conv2d(x, kernel, bias, strides, both, dilation, groups),
            _ => functional.conv3d(x, kernel, bias, strides, both, dilation, groups),
        };
    }

    /// <summary>How much an axis is padded so that the output has ⌈n/stride⌉ elements: the smaller half first.</summary>
    public static (long Left, long Right) Same(long size, long extent, long stride)
    {
        long output = (size + stride - 1) / stride;
        long total = Math.Max(0, ((output - 1) * stride) + extent - size);
        return (total / 2, total - (total / 2));
    }
}
