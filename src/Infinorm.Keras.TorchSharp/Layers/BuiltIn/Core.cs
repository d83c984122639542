using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>A layer of one input that passes a mask on.</summary>
class Passing(LayerConfig config) : KerasLayer(config)
{
    protected override bool PassesMask => true;

    protected internal sealed override object Call(LayerCall call) => Compute(call.Input, call);

    protected virtual Tensor Compute(Tensor x, LayerCall call) => x;
}

/// <summary>A layer of one input at which a mask ends.</summary>
abstract class Plain(LayerConfig config) : KerasLayer(config)
{
    protected internal sealed override object Call(LayerCall call) => Compute(call.Input, call);

    protected abstract Tensor Compute(Tensor x, LayerCall call);
}

sealed class Dense : Passing
{
    readonly LayerWeight _kernel;
    readonly LayerWeight? _bias;
    readonly Func<Tensor, Tensor> _activation;

    public Dense(LayerConfig config)
        : base(config)
    {
        config.Integer("units");
        _kernel = AddWeight("kernel", regularizer: "kernel_regularizer");
        _bias = config.Boolean("use_bias", true) ? AddWeight("bias", regularizer: "bias_regularizer") : null;
        config.Ignore("bias_regularizer");
        _activation = config.Activation("activation");
    }

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        if (x.dtype != ComputeType)
            x = x.to(ComputeType);
        return _activation(Linear(x, _kernel.Value, _bias?.Value));
    }

    /// <summary>x·kernel + bias along the last axis.</summary>
    public static Tensor Linear(Tensor x, Tensor kernel, Tensor? bias)
    {
        if (bias is null)
            return x.matmul(kernel);
        if (x.dim() == 2)
            return addmm(bias, x, kernel, 1, 1);
        long[] shape = x.shape;
        shape[^1] = kernel.shape[1];
        return addmm(bias, x.reshape(-1, x.shape[^1]), kernel, 1, 1).view(shape);
    }
}

sealed class EinsumDense : KerasLayer
{
    readonly string _equation;
    readonly LayerWeight _kernel;
    readonly LayerWeight? _bias;
    readonly Func<Tensor, Tensor> _activation;

    public EinsumDense(LayerConfig config)
        : base(config)
    {
        config.Ignore("output_shape", "bias_regularizer");
        _equation = config.Text("equation", "");
        _kernel = AddWeight("kernel", regularizer: "kernel_regularizer");
        _bias = config.Json("bias_axes") is not null ? AddWeight("bias", regularizer: "bias_regularizer") : null;
        _activation = config.Activation("activation");
    }

    protected internal override object Call(LayerCall call)
    {
        Tensor x = einsum(_equation, call.Input, _kernel.Value);
        return _activation(_bias is null ? x : x + _bias.Value);
    }
}

sealed class Embedding : KerasLayer
{
    readonly LayerWeight _embeddings;
    readonly bool _masksZero;

    public Embedding(LayerConfig config)
        : base(config)
    {
        config.Ignore("input_dim", "output_dim", "input_length");
        _embeddings = AddWeight("embeddings", regularizer: "embeddings_regularizer");
        _masksZero = config.Boolean("mask_zero", false);
    }

    protected internal override object Call(LayerCall call)
    {
        Tensor rows = _embeddings.Value;
        return rows.index_select(0, call.Input.flatten().to(ScalarType.Int64)).view([.. call.Input.shape, rows.shape[1]]);
    }

    protected override Tensor? ComputeMask(LayerCall call, Tensor? previous) => _masksZero ? call.Input.ne(0) : null;
}

sealed class Masking : KerasLayer
{
    readonly double _value;

    public Masking(LayerConfig config)
        : base(config) => _value = config.Number("mask_value", 0);

    protected internal override object Call(LayerCall call)
    {
        Tensor mask = call.Input.ne(_value).any(-1, keepdim: true);
        Tensor output = call.Input * mask.to(call.Input.dtype);
        call.Context.SetMask(output, mask.squeeze(-1));
        return output;
    }
}

sealed class ActivityRegularization : Passing
{
    readonly Regularizer _regularizer;

    public ActivityRegularization(LayerConfig config)
        : base(config) => _regularizer = Regularizer.L1L2(config.Number("l1", 0), config.Number("l2", 0));

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        call.AddLoss(_regularizer.Of(x) / (x.dim() > 0 ? x.shape[0] : 1));
        return x;
    }
}
