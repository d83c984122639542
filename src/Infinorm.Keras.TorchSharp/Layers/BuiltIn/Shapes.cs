using System.Text.Json.Nodes;
using Infinorm.Config;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

sealed class Flatten : Plain
{
    readonly bool _isChannelsFirst;

    public Flatten(LayerConfig config)
        : base(config) => _isChannelsFirst = config.IsChannelsFirst();

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        if (_isChannelsFirst && x.dim() > 2)
            x = Axes.ToChannelsLast(x);
        return x.reshape(x.shape[0], -1);
    }
}

sealed class Reshape : Plain
{
    readonly long[] _shape;

    public Reshape(LayerConfig config)
        : base(config) => _shape = config.Axes("target_shape") ?? [];

    protected override Tensor Compute(Tensor x, LayerCall call) => x.reshape([x.shape[0], .. _shape]);
}

sealed class Permute : Plain
{
    readonly long[] _axes;

    public Permute(LayerConfig config)
        : base(config) => _axes = config.Axes("dims") ?? [];

    protected override Tensor Compute(Tensor x, LayerCall call) => x.permute([0, .. _axes]);
}

sealed class RepeatVector : Plain
{
    readonly int _count;

    public RepeatVector(LayerConfig config)
        : base(config) => _count = config.Integer("n");

    protected override Tensor Compute(Tensor x, LayerCall call) => x.unsqueeze(1).expand(x.shape[0], _count, x.shape[1]);
}

/// <summary>Pairs of numbers for both ends of each axis: 1, [1, 2] or [[1, 2], …].</summary>
static class EndPairs
{
    public static (long Left, long Right)[] Read(LayerConfig config, string key, int rank)
    {
        JsonNode? node = config.Json(key);
        if (node is JsonValue)
            return [.. config.Sizes(key, rank).Select(size => (size, size))];
        if (node is not JsonArray list)
            throw new FormatException($"{config.ClassName}: config key '{key}' is missing");
        if (rank == 1 && list is [JsonValue, JsonValue])
            return [(Whole(list[0]), Whole(list[1]))];
        if (list.Count != rank)
            throw new FormatException($"{config.ClassName}: config key '{key}' should have {rank} entries, found {PythonJson.Write(list)}");
        return [.. list.Select(item => item is JsonArray { Count: 2 } pair ? (Whole(pair[0]), Whole(pair[1])) : (Whole(item), Whole(item)))];
    }

    static long Whole(JsonNode? node) => long.Parse(PythonJson.Write(node), System.Globalization.CultureInfo.InvariantCulture);
}

sealed class Cropping : Plain
{
    readonly (long Left, long Right)[] _crops;
    readonly int _first;

    public Cropping(LayerConfig config, int rank)
        : base(config)
    {
        _crops = EndPairs.Read(config, "cropping", rank);
        _first = rank > 1 && config.IsChannelsFirst() ? 2 : 1;
    }

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        for (int i = 0; i < _crops.Length; i++)
            x = x.narrow(_first + i, _crops[i].Left, x.shape[_first + i] - _crops[i].Left - _crops[i].Right);
        return x;
    }
}

sealed class ZeroPadding : Plain
{
    readonly (long Left, long Right)[] _pads;
    readonly bool _isChannelsFirst;

    public ZeroPadding(LayerConfig config, int rank)
        : base(config)
    {
        _pads = EndPairs.Read(config, "padding", rank);
        _isChannelsFirst = config.IsChannelsFirst();
    }

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        IEnumerable<long> fromLast = _pads.Reverse().SelectMany(pad => (long[])[pad.Left, pad.Right]);
        return functional.pad(x, (long[])(_isChannelsFirst ? [.. fromLast] : [0, 0, .. fromLast]));
    }
}

sealed class UpSampling : Plain
{
    readonly long[] _size;
    readonly bool _isChannelsFirst;
    readonly InterpolationMode? _mode;

    public UpSampling(LayerConfig config, int rank)
        : base(config)
    {
        _size = config.Sizes("size", rank);
        _isChannelsFirst = rank > 1 && config.IsChannelsFirst();
        _mode = (rank == 2 ? config.OneOf("interpolation", "nearest", "nearest", "bilinear", "bicubic") : "nearest") switch
        {
            "bilinear" => InterpolationMode.Bilinear,
            "bicubic" => InterpolationMode.Bicubic,
            _ => null,
        };
    }

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        if (_mode is { } mode)
        {
            Tensor first = _isChannelsFirst ? x : Axes.ToChannelsFirst(x);
            Tensor larger = functional.interpolate(first, size: [first.shape[2] * _size[0], first.shape[3] * _size[1]], mode: mode, align_corners: false);
            return _isChannelsFirst ? larger : Axes.ToChannelsLast(larger);
        }

        for (int i = 0; i < _size.Length; i++)
            x = x.repeat_interleave(_size[i], (_isChannelsFirst ? 2 : 1) + i);
        return x;
    }
}
