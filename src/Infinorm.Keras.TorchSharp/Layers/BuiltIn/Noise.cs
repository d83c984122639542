using System.Text.Json.Nodes;
using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

// The random numbers are torch's, not Keras's: another sequence of the same distribution.

/// <summary>A layer that does something to its input in training only, if its rate is above 0.</summary>
abstract class NoiseLayer(LayerConfig config, string rateKey) : Passing(config)
{
    protected double Rate { get; } = config.Number(rateKey, 0);

    private protected override bool TakesModeSecond => true;

    protected sealed override Tensor Compute(Tensor x, LayerCall call) => call.Training && Rate > 0 ? Disturb(x) : x;

    protected abstract Tensor Disturb(Tensor x);

    /// <summary>Sets elements to 0 and scales the others up; what has an axis of length 1 in the shape shares its fate along it.</summary>
    public static Tensor Drop(Tensor x, double rate, long[] shape)
    {
        Tensor kept = rand(shape, dtype: ScalarType.Float32).ge(Constant(rate)).to(x.dtype);
        return (x * kept).Over(1 - rate);
    }

    protected static long[] NoiseShape(Tensor x, long?[]? shape) =>
        shape is null ? x.shape : [.. shape.Select((size, i) => size ?? x.shape[i])];

    protected static long?[]? ReadShape(LayerConfig config) => config.Json("noise_shape") switch
    {
        null => null,
        JsonArray sizes => [.. sizes.Select(size => (long?)size?.GetValue<long>())],
        var other => throw new FormatException($"{config.ClassName}: noise_shape should be a list, found {other}"),
    };
}

sealed class Dropout : NoiseLayer
{
    readonly long?[]? _shape;

    public Dropout(LayerConfig config)
        : base(config, "rate") => _shape = ReadShape(config);

    protected override Tensor Disturb(Tensor x) => Drop(x, Rate, NoiseShape(x, _shape));
}

sealed class SpatialDropout : NoiseLayer
{
    readonly bool _isChannelsFirst;

    public SpatialDropout(LayerConfig config, int rank)
        : base(config, "rate")
    {
        config.Ignore("noise_shape");
        _isChannelsFirst = rank > 1 && config.IsChannelsFirst();
    }

    protected override Tensor Disturb(Tensor x) => Drop(x, Rate, Axes.Broadcast(x, 0, _isChannelsFirst ? 1 : x.dim() - 1));
}

sealed class GaussianNoise(LayerConfig config) : NoiseLayer(config, "stddev")
{
    protected override Tensor Disturb(Tensor x) => x.Plus(randn_like(x).Times(Rate));
}

sealed class GaussianDropout(LayerConfig config) : NoiseLayer(config, "rate")
{
    protected override Tensor Disturb(Tensor x) => x * randn_like(x).Times(Math.Sqrt(Rate / (1 - Rate))).Plus(1);
}

sealed class AlphaDropout : NoiseLayer
{
    const double DroppedValue = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717; // SELU's limit on the left

    readonly long?[]? _shape;

    public AlphaDropout(LayerConfig config)
        : base(config, "rate") => _shape = ReadShape(config);

    protected override Tensor Disturb(Tensor x)
    {
        Tensor kept = rand(NoiseShape(x, _shape), dtype: ScalarType.Float32).ge(Constant(Rate)).to(x.dtype);
        double scale = 1 / Math.Sqrt((1 - Rate) * (1 + (Rate * DroppedValue * DroppedValue)));
        double shift = -scale * DroppedValue * Rate;
        return (x * kept).Plus(kept.SubtractedFrom(1).Times(DroppedValue)).Times(scale).Plus(shift);
    }
}
