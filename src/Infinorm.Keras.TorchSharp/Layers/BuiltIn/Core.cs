using System.Runtime.InteropServices;
using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
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
        return _activation(_bias is null ? x : x.Plus(_bias.Value));
    }
}

sealed class Embedding : KerasLayer
{
    readonly LayerWeight _embeddings;
    readonly bool _masksZero;

    public Embedding(LayerConfig config)
        : base(config)
    {
        ConvertsInputs = false; // 16 bits do not hold every index
        config.Ignore("input_dim", "output_dim", "input_length");
        _embeddings = AddWeight("embeddings", regularizer: "embeddings_regularizer");
        _masksZero = config.Boolean("mask_zero", false);
    }

    protected internal override object Call(LayerCall call)
    {
        return Rows(_embeddings.Value, call.Input);
    }

    /// <summary>The rows of these numbers. As in Python, those below 0 count from the end.</summary>
    /// <exception cref="ArgumentException">A number is not that of a row.</exception>
    public static Tensor Rows(Tensor rows, Tensor numbers)
    {
        long count = rows.shape[0];
        Tensor index = numbers.flatten().to(ScalarType.Int64);
        try
        {
            return rows.index_select(0, where(index.lt(Constant(0)), index.Plus(count), index)).view([.. numbers.shape, rows.shape[1]]);
        }
        catch (ExternalException e) when (index.min().ToInteger() < -count || index.max().ToInteger() >= count)
        {
            throw new ArgumentException(
                $"An embedding of {count} rows was asked for those of {index.min().ToInteger()} to {index.max().ToInteger()}.", nameof(numbers), e);
        }
    }

    protected override Tensor? ComputeMask(LayerCall call, Tensor? previous) => _masksZero ? call.Input.ne(Constant(0)) : null;
}

/// <summary>An embedding that, called with <c>reverse</c>, gives a score for each of its rows.</summary>
sealed class ReversibleEmbedding : KerasLayer
{
    readonly LayerWeight _embeddings;
    readonly LayerWeight? _reverse;
    readonly bool _masksZero;
    readonly double? _softCap;

    public ReversibleEmbedding(LayerConfig config)
        : base(config)
    {
        ConvertsInputs = false;
        config.Ignore("input_dim", "output_dim", "input_length");
        config.Only("reverse_dtype", null);
        _embeddings = AddWeight("embeddings", regularizer: "embeddings_regularizer");
        _reverse = config.Boolean("tie_weights", true) ? null : AddWeight("reverse_embeddings");
        _masksZero = config.Boolean("mask_zero", false);
        _softCap = config.OptionalNumber("logit_soft_cap");
    }

    protected internal override object Call(LayerCall call)
    {
        if (call.Argument("reverse", 1) is not true)
            return Embedding.Rows(_embeddings.Value, call.Input);
        Tensor scores = call.Input.to(ComputeType).matmul(_reverse is null ? _embeddings.Value.t() : _reverse.Value);
        return _softCap is { } cap ? scores.Over(cap).tanh().Times(cap) : scores;
    }

    protected override Tensor? ComputeMask(LayerCall call, Tensor? previous) =>
        call.Argument("reverse", 1) is true ? previous : _masksZero ? call.Input.ne(Constant(0)) : null;
}

sealed class Masking : KerasLayer
{
    readonly double _value;

    public Masking(LayerConfig config)
        : base(config) => _value = config.Number("mask_value", 0);

    protected internal override object Call(LayerCall call)
    {
        Tensor mask = call.Input.ne(Constant(_value)).any(-1, keepdim: true);
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
        call.AddLoss(_regularizer.Of(x).Over(x.dim() > 0 ? x.shape[0] : 1));
        return x;
    }
}
