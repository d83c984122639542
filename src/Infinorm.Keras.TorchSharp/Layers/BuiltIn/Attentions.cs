using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>Attention of queries over values: the inputs are [query, value] or [query, value, key].</summary>
class Attention : KerasLayer
{
    readonly bool _concatenates;
    readonly double _dropout;

    public Attention(LayerConfig config)
        : this(config, scalesByDefault: false)
    {
        _concatenates = config.OneOf("score_mode", "dot", "dot", "concat") == "concat";
        ScoreWeight = _concatenates ? AddWeight("concat_score_weight") : null;
    }

    private protected Attention(LayerConfig config, bool scalesByDefault)
        : base(config)
    {
        Scale = config.Boolean("use_scale", scalesByDefault) ? AddWeight("scale") : null;
        _dropout = config.Number("dropout", 0);
    }

    protected LayerWeight? Scale { get; }

    LayerWeight? ScoreWeight { get; }

    protected internal sealed override object Call(LayerCall call)
    {
        if (call.Inputs.Count is not (2 or 3))
            throw new ArgumentException($"{Path} takes [query, value] or [query, value, key], found {call.Inputs.Count} inputs.");
        (Tensor query, Tensor value, Tensor key) = (call.Inputs[0], call.Inputs[1], call.Inputs[^1]);
        Tensor?[] masks = call.Masks;
        Tensor scores = Scores(query, key);
        Tensor? allowed = masks[1]?.to(ScalarType.Bool).unsqueeze(1);
        if (call.Named.GetValueOrDefault("use_causal_mask") is true)
            allowed = ScoreMasks.And(allowed, ScoreMasks.Causal(scores.shape[1], scores.shape[2]).unsqueeze(0));
        if (allowed is not null)
            scores -= allowed.logical_not().to(scores.dtype) * (scores.dtype == ScalarType.Float16 ? 65504 : 1e9);
        Tensor weights = scores.softmax(-1);
        Tensor used = call.Training && _dropout > 0 ? NoiseLayer.Drop(weights, _dropout, weights.shape) : weights;
        Tensor result = used.matmul(value);
        if (masks[0] is { } queryMask)
            result *= queryMask.to(result.dtype).unsqueeze(-1);
        return call.Named.GetValueOrDefault("return_attention_scores") is true ? (object?[])[result, weights] : result;
    }

    protected sealed override Tensor? ComputeMask(LayerCall call, Tensor? previous) => call.Masks[0];

    private protected virtual Tensor Scores(Tensor query, Tensor key)
    {
        if (_concatenates)
        {
            Tensor sums = query.unsqueeze(2) + key.unsqueeze(1);
            return ScoreWeight!.Value * (Scale is null ? sums : Scale.Value * sums).tanh().sum(-1);
        }

        Tensor scores = query.matmul(key.transpose(1, 2));
        return Scale is null ? scores : scores * Scale.Value;
    }
}

sealed class AdditiveAttention(LayerConfig config) : Attention(config, scalesByDefault: true)
{
    private protected override Tensor Scores(Tensor query, Tensor key)
    {
        Tensor sums = (query.unsqueeze(2) + key.unsqueeze(1)).tanh();
        return (Scale is null ? sums : sums * Scale.Value).sum(-1);
    }
}

/// <summary>Which scores count.</summary>
static class ScoreMasks
{
    /// <summary>(queries, keys): a query sees the keys up to its own place.</summary>
    public static Tensor Causal(long queries, long keys) => ones(queries, keys, dtype: ScalarType.Bool).tril();

    /// <summary>
    /// Gives queries that see no key the gradient that torch's fused attention gives them, which Keras calls: it takes each of the equal
    /// weights for 1.
    /// </summary>
    /// <param name="mixed">(batch, queries, heads, size).</param>
    /// <param name="allowed">(batch, queries, keys).</param>
    /// <param name="keys">How many keys there are.</param>
    public static Tensor AsFused(Tensor mixed, Tensor allowed, long keys)
    {
        Tensor factor = where(allowed.any(-1, keepdim: true).unsqueeze(-1), ones(1, dtype: mixed.dtype), full(1, keys, dtype: mixed.dtype));
        Tensor fixedPart = mixed.detach();
        return fixedPart + ((mixed - fixedPart) * factor);
    }

    public static Tensor? And(Tensor? one, Tensor? other) => one is null ? other : other is null ? one : one.logical_and(other);
}

/// <summary>A projection of multi-head attention: a kernel and a bias under a name of their own.</summary>
sealed class Projection : KerasLayer
{
    readonly LayerWeight _kernel;
    readonly LayerWeight? _bias;
    readonly string _equation;

    public Projection(LayerConfig config, string equation, bool hasBias)
        : base(config)
    {
        _equation = equation;
        _kernel = AddWeight("kernel", regularizer: "kernel_regularizer");
        _bias = hasBias ? AddWeight("bias", regularizer: "bias_regularizer") : null;
    }

    protected internal override object Call(LayerCall call) => Project(call.Input);

    public Tensor Project(Tensor x) => einsum(_equation, x, _kernel.Value) is var y && _bias is not null ? y + _bias.Value : y;
}

sealed class MultiHeadAttention : KerasLayer
{
    readonly Projection _query, _key, _value, _output;
    readonly int _keySize;
    readonly double _dropout;
    readonly int? _window;
    readonly long[]? _axes;

    public MultiHeadAttention(LayerConfig config)
        : base(config)
    {
        config.Ignore("num_heads", "value_dim", "kernel_regularizer", "bias_regularizer", "query_shape", "value_shape", "key_shape", "flash_attention");
        config.Only("use_gate", false);
        _keySize = config.Integer("key_dim");
        _dropout = config.Number("dropout", 0);
        bool hasBias = config.Boolean("use_bias", true);
        _axes = config.Axes("attention_axes");
        _window = config.OptionalInteger("sliding_window");
        int outputAxes = config.Axes("output_shape")?.Length ?? 1;
        _query = AddLayer(new Projection(config.Part("EinsumDense", "query"), "...d,dhk->...hk", hasBias), "query_dense");
        _key = AddLayer(new Projection(config.Part("EinsumDense", "key"), "...d,dhk->...hk", hasBias), "key_dense");
        _value = AddLayer(new Projection(config.Part("EinsumDense", "value"), "...d,dhk->...hk", hasBias), "value_dense");
        string outputs = "opqr"[..outputAxes];
        _output = AddLayer(new Projection(config.Part("EinsumDense", "attention_output"), $"...hk,hk{outputs}->...{outputs}", hasBias), "output_dense");
    }

    protected internal override object Call(LayerCall call)
    {
        Tensor query = call.Input;
        Tensor value = (Tensor?)call.Argument("value", 1) ?? throw new ArgumentException($"{Path} needs a query and a value.");
        Tensor key = call.Argument("key", 2) as Tensor ?? value;
        if (query.dim() != 3 || _axes is { Length: not 1 } || _axes is [not (1 or -2)])
            throw new NotSupportedException($"{Path}: attention over other axes than the second of three is not supported.");
        Tensor q = _query.Project(query) * (1 / Math.Sqrt(_keySize)), k = _key.Project(key), v = _value.Project(value);
        Tensor scores = einsum("bqhd,bkhd->bhqk", q, k);
        Tensor? masked = Allowed(call, query, value, key);
        if (masked is { } allowed)
            scores += (1 - allowed.unsqueeze(1).to(scores.dtype)) * (scores.dtype == ScalarType.Float16 ? -3e4 : -1e9);
        Tensor weights = scores.softmax(-1);
        Tensor used = call.Training && _dropout > 0 ? NoiseLayer.Drop(weights, _dropout, weights.shape) : weights;
        Tensor mixed = einsum("bhqk,bkhd->bqhd", used, v);
        if (masked is not null && _dropout == 0 && call.Argument("return_attention_scores") is not true)
            mixed = ScoreMasks.AsFused(mixed, masked, key.shape[1]);
        Tensor result = _output.Project(mixed);

        // Keras takes the masks off the inputs, so that what is added to the result has none.
        foreach (Tensor input in (Tensor[])[query, value, key])
            call.Context.SetMask(input, null);
        return call.Argument("return_attention_scores") is true ? (object?[])[result, weights] : result;
    }

    // (batch, queries, keys): the masks of query, value and key, the one that is given, and the causal one.
    Tensor? Allowed(LayerCall call, Tensor query, Tensor value, Tensor key)
    {
        Tensor? queryMask = Mask("query_mask", query), valueMask = Mask("value_mask", value), keyMask = ReferenceEquals(key, value) ? call.Argument("key_mask") as Tensor : Mask("key_mask", key);
        Tensor? allowed = queryMask?.to(ScalarType.Bool).unsqueeze(2);
        allowed = ScoreMasks.And(allowed, valueMask?.to(ScalarType.Bool).unsqueeze(1));
        allowed = ScoreMasks.And(allowed, keyMask?.to(ScalarType.Bool).unsqueeze(1));
        if (call.Argument("use_causal_mask") is true)
            allowed = ScoreMasks.And(allowed, ScoreMasks.Causal(query.shape[1], value.shape[1]).unsqueeze(0));
        allowed = ScoreMasks.And(allowed, (call.Argument("attention_mask", 3) as Tensor)?.to(ScalarType.Bool));
        if (_window is { } window)
        {
            Tensor places = arange(query.shape[1], dtype: ScalarType.Int64).unsqueeze(1) - arange(value.shape[1], dtype: ScalarType.Int64).unsqueeze(0);
            allowed = ScoreMasks.And(allowed, places.abs().lt(window).unsqueeze(0));
        }

        return allowed;

        Tensor? Mask(string name, Tensor tensor) => call.Argument(name) as Tensor ?? call.MaskOf(tensor);
    }
}

sealed class GroupedQueryAttention : KerasLayer
{
    readonly Projection _query, _key, _value, _output;
    readonly int _headSize, _repeats;
    readonly double _dropout;

    public GroupedQueryAttention(LayerConfig config)
        : base(config)
    {
        config.Ignore("kernel_regularizer", "bias_regularizer", "flash_attention");
        config.Only("use_gate", false);
        config.Only("sliding_window", null);
        _headSize = config.Integer("head_dim");
        _repeats = config.Integer("num_query_heads") / config.Integer("num_key_value_heads");
        _dropout = config.Number("dropout", 0);
        bool hasBias = config.Boolean("use_bias", true);
        _query = AddLayer(new Projection(config.Part("EinsumDense", "query"), "...d,dhk->...hk", hasBias), "query_dense");
        _key = AddLayer(new Projection(config.Part("EinsumDense", "key"), "...d,dhk->...hk", hasBias), "key_dense");
        _value = AddLayer(new Projection(config.Part("EinsumDense", "value"), "...d,dhk->...hk", hasBias), "value_dense");
        _output = AddLayer(new Projection(config.Part("EinsumDense", "attention_output"), "...hk,hko->...o", hasBias), "output_dense");
    }

    protected override bool PassesMask => true;

    protected internal override object Call(LayerCall call)
    {
        Tensor query = call.Input;
        Tensor value = (Tensor?)call.Argument("value", 1) ?? throw new ArgumentException($"{Path} needs a query and a value.");
        Tensor key = call.Argument("key", 2) as Tensor ?? value;
        Tensor q = _query.Project(query), k = _key.Project(key).repeat_interleave(_repeats, 2), v = _value.Project(value).repeat_interleave(_repeats, 2);
        Tensor scores = einsum("bqhd,bkhd->bhqk", q, k) * (1 / Math.Sqrt(_headSize));
        Tensor? allowed = Mask("query_mask", query)?.to(ScalarType.Bool).unsqueeze(2);
        allowed = ScoreMasks.And(allowed, Mask("value_mask", value)?.to(ScalarType.Bool).unsqueeze(1));
        if (!ReferenceEquals(key, value))
            allowed = ScoreMasks.And(allowed, Mask("key_mask", key)?.to(ScalarType.Bool).unsqueeze(1));
        if (call.Argument("use_causal_mask") is true)
            allowed = ScoreMasks.And(allowed, ScoreMasks.Causal(query.shape[1], value.shape[1]).unsqueeze(0));
        allowed = ScoreMasks.And(allowed, (call.Argument("attention_mask", 3) as Tensor)?.to(ScalarType.Bool));
        if (allowed is not null)
            scores += (1 - allowed.unsqueeze(1).to(scores.dtype)) * (scores.dtype == ScalarType.Float16 ? -3e4 : -1e9);
        Tensor weights = scores.softmax(-1);
        Tensor used = call.Training && _dropout > 0 ? NoiseLayer.Drop(weights, _dropout, weights.shape) : weights;
        Tensor result = _output.Project(einsum("bhqk,bkhd->bqhd", used, v));
        return call.Argument("return_attention_scores") is true ? (object?[])[result, weights] : result;

        Tensor? Mask(string name, Tensor tensor) => call.Argument(name) as Tensor ?? call.MaskOf(tensor);
    }
}
