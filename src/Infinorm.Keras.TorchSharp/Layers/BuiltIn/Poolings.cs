using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

sealed class Pooling : Plain
{
    readonly int _rank;
    readonly bool _isMaximum, _isSame, _isChannelsFirst;
    readonly long[] _size, _strides;

    public Pooling(LayerConfig config, int rank, bool isMaximum)
        : base(config)
    {
        (_rank, _isMaximum) = (rank, isMaximum);
        _size = config.Sizes("pool_size", rank);
        _strides = config.Json("strides") is null ? _size : config.Sizes("strides", rank);
        _isSame = config.OneOf("padding", "valid", "valid", "same") == "same";
        _isChannelsFirst = config.IsChannelsFirst();
    }

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        if (!_isChannelsFirst)
            x = Axes.ToChannelsFirst(x);
        var pads = new long[2 * _rank];
        for (int i = 0; _isSame && i < _rank; i++)
            (pads[2 * (_rank - 1 - i)], pads[(2 * (_rank - 1 - i)) + 1]) = Kernels.Same(x.shape[2 + i], _size[i], _strides[i]);
        bool isPadded = pads.Any(pad => pad > 0);
        Tensor output = _isMaximum
            ? Maximum(isPadded ? functional.pad(x, pads, value: double.NegativeInfinity) : x)
            : Average(isPadded ? functional.pad(x, pads) : x);
        if (isPadded && !_isMaximum)
        {
            // The mean is over the elements that are there.
            Tensor there = ones([1, 1, .. x.shape[2..]], dtype: x.dtype);
            output /= Average(functional.pad(there, pads));
        }

        return _isChannelsFirst ? output : Axes.ToChannelsLast(output);
    }

    Tensor Maximum(Tensor x) => _rank switch
    {
        1 => functional.max_pool1d(x, _size[0], _strides[0]),
        2 => functional.max_pool2d(x, _size, _strides),
        _ => functional.max_pool3d(x, _size, _strides),
    };

    Tensor Average(Tensor x) => _rank switch
    {
        1 => functional.avg_pool1d(x, _size[0], _strides[0]),
        2 => functional.avg_pool2d(x, _size, _strides),
        _ => functional.avg_pool3d(x, _size, _strides),
    };
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
