using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

sealed class ActivationLayer : Passing
{
    readonly Func<Tensor, Tensor> _activation;

    public ActivationLayer(LayerConfig config)
        : base(config) => _activation = config.Activation("activation");

    protected override Tensor Compute(Tensor x, LayerCall call) => _activation(x);
}

sealed class ReLU : Passing
{
    readonly double? _maximum;
    readonly double _slope, _threshold;

    public ReLU(LayerConfig config)
        : base(config) =>
        (_maximum, _slope, _threshold) = (config.OptionalNumber("max_value"), config.Number("negative_slope", 0), config.Number("threshold", 0));

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        Tensor positive = _threshold == 0 ? x.relu() : x * x.gt(_threshold).to(x.dtype);
        if (_maximum is { } maximum)
            positive = positive.clamp(0, maximum);
        return _slope == 0 ? positive : positive - ((_threshold - x).relu() * _slope);
    }
}

sealed class LeakyReLU : Passing
{
    readonly double _slope;

    public LeakyReLU(LayerConfig config)
        : base(config) => _slope = config.OptionalNumber("negative_slope") ?? config.OptionalNumber("alpha") ?? 0.3;

    protected override Tensor Compute(Tensor x, LayerCall call) => x.leaky_relu(_slope);
}

sealed class ELU : Passing
{
    readonly double _alpha;

    public ELU(LayerConfig config)
        : base(config) => _alpha = config.Number("alpha", 1);

    protected override Tensor Compute(Tensor x, LayerCall call) => x.elu(_alpha);
}

sealed class PReLU : Passing
{
    readonly LayerWeight _alpha;

    public PReLU(LayerConfig config)
        : base(config)
    {
        config.Ignore("shared_axes"); // The shape of the weight tells.
        _alpha = AddWeight("alpha", regularizer: "alpha_regularizer");
    }

    protected override Tensor Compute(Tensor x, LayerCall call) => x.relu() - (_alpha.Value * x.neg().relu());
}

sealed class Softmax : Passing
{
    readonly long[] _axes;

    public Softmax(LayerConfig config)
        : base(config) => _axes = config.Axes("axis") ?? [-1];

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        if (call.Mask is { } mask)
            x += (1 - mask.to(x.dtype)) * (x.dtype == ScalarType.Float16 ? -3e4 : -1e9);
        if (_axes is [var axis])
            return x.softmax(axis);
        Tensor shifted = (x - x.amax(_axes, keepdim: true)).exp();
        return shifted / shifted.sum(_axes, keepdim: true);
    }
}
