using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

sealed class Pooling : Plain
{
    readonly bool _isMaximum, _isSame, _isChannelsFirst;
    readonly long[] _size, _strides;

    public Pooling(LayerConfig config, int rank, bool isMaximum)
        : base(config)
    {
        _isMaximum = isMaximum;
        _size = config.Sizes("pool_size", rank);
        _strides = config.Json("strides") is null ? _size : config.Sizes("strides", rank);
        _isSame = config.OneOf("padding", "valid", "valid", "same") == "same";
        _isChannelsFirst = config.IsChannelsFirst();
    }

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        Tensor output = Pool(_isChannelsFirst ? x : Axes.ToChannelsFirst(x), _isMaximum, _size, _strides, _isSame);
        return _isChannelsFirst ? output : Axes.ToChannelsLast(output);
    }

    /// <summary>The greatest elements or the means of windows.</summary>
    /// <param name="x">(batch, channels, space).</param>
    /// <param name="isMaximum">Whether the greatest elements.</param>
    /// <param name="size">The window's, one for each axis of the space.</param>
    /// <param name="strides">One for each axis of the space.</param>
    /// <param name="isSame">Whether windows may reach over the edges.</param>
    public static Tensor Pool(Tensor x, bool isMaximum, long[] size, long[] strides, bool isSame)
    {
        int rank = size.Length;
        var pads = new long[2 * rank];
        for (int i = 0; isSame && i < rank; i++)
            (pads[2 * (rank - 1 - i)], pads[(2 * (rank - 1 - i)) + 1]) = Kernels.Same(x.shape[2 + i], size[i], strides[i]);
        bool isPadded = pads.Any(pad => pad > 0);
        if (isMaximum)
            return Maximum(isPadded ? functional.pad(x, pads, value: double.NegativeInfinity) : x);
        if (!isPadded)
            return Average(x);

        // The mean is over the elements that are there.
        Tensor there = ones([1, 1, .. x.shape[2..]], dtype: x.dtype);
        return Average(functional.pad(x, pads)) / Average(functional.pad(there, pads));

        Tensor Maximum(Tensor padded) => rank switch
        {
            1 => functional.max_pool1d(padded, size[0], strides[0]),
            2 => functional.max_pool2d(padded, size, strides),
            _ => functional.max_pool3d(padded, size, strides),
        };

        Tensor Average(Tensor padded) => rank switch
        {
            1 => functional.avg_pool1d(padded, size[0], strides[0]),
            2 => functional.avg_pool2d(padded, size, strides),
            _ => functional.avg_pool3d(padded, size, strides),
        };
    }
}

sealed class GlobalPooling : Plain
{
    readonly int _rank;
    readonly bool _isMaximum, _isChannelsFirst, _keepsAxes;

    public GlobalPooling(LayerConfig config, int rank, bool isMaximum)
        : base(config)
    {
        (_rank, _isMaximum) = (rank, isMaximum);
        _isChannelsFirst = config.IsChannelsFirst();
        _keepsAxes = config.Boolean("keepdims", false);
    }

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        long first = _isChannelsFirst ? 2 : 1;
        long[] axes = [.. Enumerable.Range(0, _rank).Select(i => first + i)];
        if (_isMaximum)
            return x.amax(axes, _keepsAxes);
        if (_rank > 1 || call.Mask is not { } mask)
            return x.mean(axes, _keepsAxes);
        Tensor weights = mask.to(x.dtype).unsqueeze(_isChannelsFirst ? 1 : 2);
        return (x * weights).sum(axes, _keepsAxes) / weights.sum(axes, _keepsAxes);
    }
}

sealed class AdaptivePooling : Plain
{
    readonly int _rank;
    readonly bool _isMaximum, _isChannelsFirst;
    readonly long[] _size;

    public AdaptivePooling(LayerConfig config, int rank, bool isMaximum)
        : base(config)
    {
        (_rank, _isMaximum) = (rank, isMaximum);
        _size = config.Sizes("output_size", rank);
        _isChannelsFirst = config.IsChannelsFirst();
    }

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        if (!_isChannelsFirst)
            x = Axes.ToChannelsFirst(x);
        Tensor output = (_rank, _isMaximum) switch
        {
            (1, true) => functional.adaptive_max_pool1d(x, _size[0]),
            (1, false) => functional.adaptive_avg_pool1d(x, _size[0]),
            (2, true) => functional.adaptive_max_pool2d(x, _size),
            (2, false) => functional.adaptive_avg_pool2d(x, _size),
            (_, true) => functional.adaptive_max_pool3d(x, _size),
            (_, false) => functional.adaptive_avg_pool3d(x, _size),
        };
        return _isChannelsFirst ? output : Axes.ToChannelsLast(output);
    }
}
