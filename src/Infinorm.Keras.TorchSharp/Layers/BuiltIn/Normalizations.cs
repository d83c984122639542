using System.Text.Json.Nodes;
using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>A normalization that is then scaled and shifted, each where the layer has a weight for it.</summary>
abstract class ScaledNormalization : Passing
{
    readonly LayerWeight? _gamma, _beta;

    protected ScaledNormalization(LayerConfig config, bool scales, bool centers)
        : base(config)
    {
        config.Ignore("gamma_regularizer", "beta_regularizer");
        _gamma = scales ? AddWeight("gamma", regularizer: "gamma_regularizer") : null;
        _beta = centers ? AddWeight("beta", regularizer: "beta_regularizer") : null;
    }

    /// <summary>Normalizes an input of 32 bits or more.</summary>
    /// <param name="x">The input.</param>
    /// <param name="call">The call.</param>
    /// <param name="shape">The shape in which the weights are broadcast over it.</param>
    protected abstract Tensor Normalize(Tensor x, LayerCall call, out long[] shape);

    protected sealed override Tensor Compute(Tensor input, LayerCall call)
    {
        // Sums of squares leave the range of 16 bits.
        Tensor x = input.dtype is ScalarType.Float16 or ScalarType.BFloat16 ? input.to(ScalarType.Float32) : input;
        Tensor normal = Normalize(x, call, out long[] shape);
        if (_gamma is not null)
            normal = normal * _gamma.Tensor.view(shape);
        if (_beta is not null)
            normal = normal.Plus(_beta.Tensor.view(shape));
        return normal.dtype == input.dtype ? normal : normal.to(input.dtype);
    }
}

sealed class BatchNormalization : ScaledNormalization
{
    readonly long _axis;
    readonly double _momentum, _epsilon, _renormMomentum;
    readonly LayerWeight? _movingDeviation, _renormMean, _renormDeviation;
    readonly LayerWeight _movingMean, _movingVariance;
    readonly (double? RMax, double? RMin, double? DMax) _clipping;

    public BatchNormalization(LayerConfig config)
        : base(config, config.Boolean("scale", true), config.Boolean("center", true))
    {
        config.Ignore("synchronized");
        _axis = config.Axes("axis") is [var axis] ? axis : -1;
        (_momentum, _epsilon) = (config.Number("momentum", 0.99), config.Number("epsilon", 1e-3));
        _movingMean = AddWeight("moving_mean", isTrained: false);
        _movingVariance = AddWeight("moving_variance", isTrained: false);
        _renormMomentum = config.OptionalNumber("renorm_momentum") ?? 0.99;
        JsonNode? clipping = config.Json("renorm_clipping");
        _clipping = (Limit("rmax"), Limit("rmin"), Limit("dmax"));
        if (config.Boolean("renorm", false))
        {
            _movingDeviation = AddWeight("moving_stddev", isTrained: false);
            _renormMean = AddWeight("renorm_mean", isTrained: false);
            _renormDeviation = AddWeight("renorm_stddev", isTrained: false);
        }

        double? Limit(string key) => clipping?[key]?.GetValue<double>();
    }

    private protected override bool TakesModeSecond => true;

    protected override Tensor Normalize(Tensor x, LayerCall call, out long[] shape)
    {
        long axis = Axes.FromFront(_axis, x.dim());
        shape = Axes.Broadcast(x, axis);
        Tensor mean = _movingMean.Tensor.to(x.dtype), variance = _movingVariance.Tensor.to(x.dtype);
        Tensor? scale = null, shift = null;
        if (call.Training && IsTrainable)
        {
            (mean, variance) = Moments(x, axis, call.Mask);
            if (_renormMean is not null)
                (scale, shift) = Renormalize(mean, variance);
            Update(_movingMean, mean, _momentum);
            if (_movingDeviation is null)
                Update(_movingVariance, variance, _momentum);
        }

        Tensor normal = x.Minus(mean.view(shape)) * variance.Plus(_epsilon).rsqrt().view(shape);
        if (scale is not null)
            normal = (normal * scale.view(shape)).Plus(shift!.view(shape));
        return normal;
    }

    static (Tensor Mean, Tensor Variance) Moments(Tensor x, long axis, Tensor? mask)
    {
        long[] others = [.. Enumerable.Range(0, (int)x.dim()).Select(i => (long)i).Where(i => i != axis)];
        if (mask is null)
            return (x.mean(others), x.var(others, unbiased: false));

        // As Keras has it: masked elements count as zeros in the difference, and are left out by their weight.
        const double epsilon = 1e-7;
        Tensor weights = Axes.Extend(mask.to(x.dtype), x.dim());
        Tensor count = weights.sum(others, keepdim: true).Plus(epsilon);
        Tensor mean = (x * weights).sum(others, keepdim: true) / count;
        Tensor variance = ((x * weights).Minus(mean).Squared() * weights).sum(others, keepdim: true) / count;
        return (mean.flatten(), variance.flatten());
    }

    // Batch renormalization: corrects a batch's statistics towards the running ones, within limits.
    (Tensor Scale, Tensor Shift) Renormalize(Tensor mean, Tensor variance)
    {
        using var noGrad = no_grad();
        Tensor deviation = variance.Plus(_epsilon).sqrt();
        Tensor scale = deviation / _renormDeviation!.Tensor, shift = mean.Minus(_renormMean!.Tensor) / _renormDeviation.Tensor;
        scale = scale.clamp(Constant(_clipping.RMin ?? double.NegativeInfinity), Constant(_clipping.RMax ?? double.PositiveInfinity));
        if (_clipping.DMax is { } limit)
            shift = shift.clamp(Constant(-limit), Constant(limit));
        Update(_renormMean, mean, _renormMomentum);
        Update(_renormDeviation, deviation, _renormMomentum);
        Update(_movingDeviation!, deviation, _momentum);
        _movingVariance.Assign(_movingDeviation!.Tensor.Squared().Minus(_epsilon));
        return (scale, shift);
    }

    static void Update(LayerWeight average, Tensor value, double momentum)
    {
        using var noGrad = no_grad();
        average.Assign(average.Tensor.to(value.dtype).Times(momentum).Plus(value.Times(1 - momentum)));
    }
}

sealed class LayerNormalization : ScaledNormalization
{
    readonly long[] _axes;
    readonly double _epsilon;
    readonly bool _scalesOnly;

    public LayerNormalization(LayerConfig config)
        : base(
            config, config.Boolean("scale", true) || config.Boolean("rms_scaling", false),
            config.Boolean("center", true) && !config.Boolean("rms_scaling", false))
    {
        _axes = config.Axes("axis") ?? [-1];
        _epsilon = config.Number("epsilon", 1e-3);
        _scalesOnly = config.Boolean("rms_scaling", false);
    }

    protected override Tensor Normalize(Tensor x, LayerCall call, out long[] shape)
    {
        long[] axes = Axes.FromFront(_axes, x.dim());
        shape = Axes.Broadcast(x, axes);
        Tensor factor = x.var(axes, unbiased: false, keepdim: true).Plus(_epsilon).rsqrt();
        return (_scalesOnly ? x : x.Minus(x.mean(axes, keepdim: true))) * factor;
    }
}

sealed class RMSNormalization : Plain
{
    readonly long[] _axes;
    readonly double _epsilon;
    readonly LayerWeight _scale;

    public RMSNormalization(LayerConfig config)
        : base(config)
    {
        (_axes, _epsilon) = (config.Axes("axis") ?? [-1], config.Number("epsilon", 1e-6));
        _scale = AddWeight("scale");
    }

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        long[] axes = Axes.FromFront(_axes, x.dim());
        return x * x.Squared().mean(axes, keepdim: true).Plus(_epsilon).rsqrt() * _scale.Value.view(Axes.Broadcast(x, axes));
    }
}

sealed class GroupNormalization : ScaledNormalization
{
    readonly long _axis;
    readonly int _groups;
    readonly double _epsilon;

    public GroupNormalization(LayerConfig config)
        : base(config, config.Boolean("scale", true), config.Boolean("center", true)) => (_axis, _groups, _epsilon) =
            (config.OptionalInteger("axis") ?? -1, config.OptionalInteger("groups") ?? 32, config.Number("epsilon", 1e-3));

    protected override Tensor Normalize(Tensor x, LayerCall call, out long[] shape)
    {
        long axis = Axes.FromFront(_axis, x.dim());
        shape = Axes.Broadcast(x, axis);
        long groups = _groups == -1 ? x.shape[axis] : _groups;
        Tensor grouped = x.movedim([axis], [1]);
        long[] moved = grouped.shape;
        grouped = grouped.reshape(moved[0], groups, -1);
        Tensor normal = grouped.Minus(grouped.mean([2], keepdim: true)) * grouped.var([2], unbiased: false,
            keepdim: true).Plus(_epsilon).rsqrt();
        return normal.view(moved).movedim([1], [axis]);
    }
}

sealed class UnitNormalization : Passing
{
    readonly long[] _axes;

    public UnitNormalization(LayerConfig config)
        : base(config) => _axes = config.Axes("axis") ?? [-1];

    protected override Tensor Compute(Tensor x, LayerCall call) =>
        x * x.Squared().sum(_axes, keepdim: true).clamp_min(Constant(1e-12)).rsqrt();
}

sealed class SpectralNormalization : KerasLayer
{
    readonly int _iterations;
    readonly KerasLayer _layer;
    readonly LayerWeight _vector;

    public SpectralNormalization(LayerConfig config)
        : base(config)
    {
        _iterations = config.OptionalInteger("power_iterations") ?? 1;
        _layer = AddLayer(config.Layer("layer"), "layer");
        _vector = AddWeight("vector_u", isTrained: false);
    }

    LayerWeight Kernel => _layer.Weights.FirstOrDefault(weight => weight.Name is "kernel" or "embeddings")
        ?? throw new InvalidOperationException($"{Path}: a {_layer.ClassName} has no kernel to normalize.");

    private protected override bool TakesModeSecond => true;

    protected internal override object Call(LayerCall call)
    {
        if (call.Training)
            Normalize();
        return _layer.Invoke(call.Input, call.Context);
    }

    void Normalize()
    {
        using var noGrad = no_grad();
        Tensor kernel = Kernel.Tensor, u = _vector.Tensor, v = u;
        Tensor rows = kernel.view(-1, kernel.shape[^1]);
        if (!kernel.ne(Constant(0)).any().ToTruth())
            return;
        for (int i = 0; i < _iterations; i++)
        {
            v = Unit(u.matmul(rows.t()));
            u = Unit(v.matmul(rows));
        }

        Tensor norm = v.matmul(rows).matmul(u.t());
        _vector.Assign(u);
        Kernel.Assign(kernel / norm.view(1));
    }

    static Tensor Unit(Tensor x) => x / x.Squared().sum().sqrt().clamp_min(Constant(1e-7));
}
