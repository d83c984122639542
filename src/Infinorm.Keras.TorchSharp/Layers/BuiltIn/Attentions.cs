using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
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
            scores = scores.Minus(allowed.logical_not().to(scores.dtype).Times(scores.dtype == ScalarType.Float16 ? 65504 : 1e9));
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
            Tensor sums = query.unsqueeze(2).Plus(key.unsqueeze(1));
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
        Tensor sums = query.unsqueeze(2).Plus(key.unsqueeze(1)).tanh();
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
        Tensor factor = where(allowed.any(-1, keepdim: true).unsqueeze(-1), ones(1, dtype: mixed.dtype),
            full(1, Constant(keys), dtype: mixed.dtype));
        Tensor fixedPart = mixed.detach();
        return fixedPart.Plus(mixed.Minus(fixedPart) * factor);
    }

    public static Tensor? And(Tensor? one, Tensor? other) => one is null ? other : other is null ? one : one.logical_and(other);
}

/// <summary>
/// The axes of projected sequences (batch, …, heads, size), some of which are attended over, and their order for products of matrices.
/// </summary>
/// <param name="attended">The axes that are attended over, from the front.</param>
/// <param name="rank">The rank of the sequences before they were projected.</param>
sealed class HeadAxes(int[] attended, int rank)
{
    readonly int[] _others = [.. Enumerable.Range(1, rank - 2).Except(attended)];

    /// <summary>(batch, others, heads, attended, size), the attended axes as one.</summary>
    public Tensor ToRows(Tensor projected)
    {
        Tensor ordered = projected.permute([0, .. _others, rank - 1, .. attended, rank]);
        return attended.Length == 1 ? ordered : ordered.flatten(-1 - attended.Length, -2);
    }

    /// <summary>The reverse, with the attended axes of the queries.</summary>
    public Tensor FromRows(Tensor rows, Tensor query)
    {
        Tensor ordered = attended.Length == 1 ? rows : rows.unflatten(rows.dim() - 2, Sizes(query));
        int[] order = [0, .. _others, rank - 1, .. attended, rank];
        return ordered.permute([.. Enumerable.Range(0, rank + 1).Select(axis => (long)Array.IndexOf(order, axis))]);
    }

    /// <summary>Weights with the attended axes of queries and keys by themselves.</summary>
    public Tensor Scores(Tensor weights, Tensor query, Tensor key) =>
        attended.Length == 1 ? weights : weights.unflatten(weights.dim() - 1, Sizes(key)).unflatten(weights.dim() - 2, Sizes(query));

    /// <summary>A mask (batch, …, attended of the queries, attended of the keys) as it is broadcast over scores.</summary>
    public Tensor MaskOfScores(Tensor mask, Tensor scores)
    {
        if (attended.Length > 1)
            mask = mask.flatten(-attended.Length, -1).flatten(-1 - attended.Length, -2);
        while (mask.dim() < scores.dim())
            mask = mask.unsqueeze(-3);
        return mask;
    }

    long[] Sizes(Tensor sequence) => [.. attended.Select(axis => sequence.shape[axis])];
}

/// <summary>A projection of multi-head attention: a kernel and a bias under a name of their own.</summary>
sealed class Projection : KerasLayer
{
    readonly LayerWeight _kernel;
    readonly LayerWeight? _bias;
    readonly string _equation;
    readonly Regularizer? _outputs;

    /// <param name="owner">The settings of the attention.</param>
    /// <param name="name">Its name.</param>
    /// <param name="equation">The product of inputs and kernel.</param>
    /// <param name="hasBias">Whether it has a bias.</param>
    public Projection(LayerConfig owner, string name, string equation, bool hasBias)
        : base(owner.Part("EinsumDense", name))
    {
        _equation = equation;
        _outputs = owner.Regularizer("activity_regularizer");
        _kernel = AddWeight("kernel", regularizer: "kernel_regularizer");
        _bias = hasBias ? AddWeight("bias", regularizer: "bias_regularizer") : null;
    }

    protected internal override object Call(LayerCall call) => Project(call.Input, call);

    /// <summary>The projection; what the regularizer of its outputs adds goes to the loss.</summary>
    public Tensor Project(Tensor x, LayerCall call)
    {
        Tensor output = einsum(_equation, x, _kernel.Value);
        if (_bias is not null)
            output = output.Plus(_bias.Value);
        if (_outputs is not null)
            call.AddLoss(_outputs.Of(output).Over(output.shape[0]));
        return output;
    }
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
        config.Ignore("num_heads", "value_dim", "kernel_regularizer", "bias_regularizer", "query_shape", "value_shape", "key_shape",
            "flash_attention");
        config.Only("use_gate", false);
        RegularizesOutputs = false;
        _keySize = config.Integer("key_dim");
        _dropout = config.Number("dropout", 0);
        bool hasBias = config.Boolean("use_bias", true);
        _axes = config.Axes("attention_axes");
        _window = config.OptionalInteger("sliding_window");
        int outputAxes = config.Axes("output_shape")?.Length ?? 1;
        _query = AddLayer(new Projection(config, "query", "...d,dhk->...hk", hasBias), "query_dense");
        _key = AddLayer(new Projection(config, "key", "...d,dhk->...hk", hasBias), "key_dense");
        _value = AddLayer(new Projection(config, "value", "...d,dhk->...hk", hasBias), "value_dense");
        string outputs = "opqr"[..outputAxes];
        _output = AddLayer(new Projection(config, "attention_output", $"...hk,hk{outputs}->...{outputs}", hasBias),
            "output_dense");
    }

    protected internal override object Call(LayerCall call)
    {
        Tensor query = call.Input;
        Tensor value = (Tensor?)call.Argument("value", 1) ?? throw new ArgumentException($"{Path} needs a query and a value.");
        Tensor key = call.Argument("key", 2) as Tensor ?? value;
        int[] axes = [.. _axes is null
            ? Enumerable.Range(1, (int)query.dim() - 2)
            : _axes.Select(axis => (int)Axes.FromFront(axis, query.dim()))];
        var heads = new HeadAxes(axes, (int)query.dim());
        Tensor q = heads.ToRows(_query.Project(query, call).Times(1 / Math.Sqrt(_keySize))), k = heads.ToRows(_key.Project(key, call)),
            v = heads.ToRows(_value.Project(value, call));
        Tensor scores = q.matmul(k.transpose(-1, -2));
        Tensor? masked = Allowed(call, query, value, key);
        if (masked is not null)
        {
            Tensor wide = heads.MaskOfScores(masked, scores);
            scores = scores.Plus(wide.to(scores.dtype).SubtractedFrom(1).Times(scores.dtype == ScalarType.Float16 ? -3e4 : -1e9));
        }

        Tensor weights = scores.softmax(-1);
        Tensor used = call.Training && _dropout > 0 ? NoiseLayer.Drop(weights, _dropout, weights.shape) : weights;
        Tensor mixed = heads.FromRows(used.matmul(v), query);
        if (masked is not null && query.dim() == 3 && _dropout == 0 && call.Argument("return_attention_scores") is not true)
            mixed = ScoreMasks.AsFused(mixed, masked, key.shape[1]);
        Tensor result = _output.Project(mixed, call);

        // Keras takes the masks off the inputs, so that what is added to the result has none.
        foreach (Tensor input in (Tensor[])[query, value, key])
            call.Context.SetMask(input, null);
        return call.Argument("return_attention_scores") is true ? (object?[])[result, heads.Scores(weights, query, key)] : result;
    }

    // (batch, queries, keys): the masks of query, value and key, the one that is given, and the causal one.
    Tensor? Allowed(LayerCall call, Tensor query, Tensor value, Tensor key)
    {
        Tensor? queryMask = Mask("query_mask", query), valueMask = Mask("value_mask", value), keyMask = ReferenceEquals(key, value)
            ? call.Argument("key_mask") as Tensor : Mask("key_mask", key);
        Tensor? allowed = queryMask?.to(ScalarType.Bool).unsqueeze(2);
        allowed = ScoreMasks.And(allowed, valueMask?.to(ScalarType.Bool).unsqueeze(1));
        allowed = ScoreMasks.And(allowed, keyMask?.to(ScalarType.Bool).unsqueeze(1));
        if (call.Argument("use_causal_mask") is true)
            allowed = ScoreMasks.And(allowed, ScoreMasks.Causal(query.shape[1], value.shape[1]).unsqueeze(0));
        allowed = ScoreMasks.And(allowed, (call.Argument("attention_mask", 3) as Tensor)?.to(ScalarType.Bool));
        if (_window is { } window)
        {
            Tensor places = Range(0, query.shape[1]).unsqueeze(1).Minus(Range(0, value.shape[1]).unsqueeze(0));
            allowed = ScoreMasks.And(allowed, places.abs().lt(Constant(window)).unsqueeze(0));
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
        _query = AddLayer(new Projection(config, "query", "...d,dhk->...hk", hasBias), "query_dense");
        _key = AddLayer(new Projection(config, "key", "...d,dhk->...hk", hasBias), "key_dense");
        _value = AddLayer(new Projection(config, "value", "...d,dhk->...hk", hasBias), "value_dense");
        _output = AddLayer(new Projection(config, "attention_output", "...hk,hko->...o", hasBias), "output_dense");
    }

    protected override bool PassesMask => true;

    protected internal override object Call(LayerCall call)
    {
        Tensor query = call.Input;
        Tensor value = (Tensor?)call.Argument("value", 1) ?? throw new ArgumentException($"{Path} needs a query and a value.");
        Tensor key = call.Argument("key", 2) as Tensor ?? value;
        Tensor q = _query.Project(query, call), k = _key.Project(key, call).repeat_interleave(_repeats, 2),
            v = _value.Project(value, call).repeat_interleave(_repeats, 2);
        Tensor scores = einsum("bqhd,bkhd->bhqk", q, k).Times(1 / Math.Sqrt(_headSize));
        Tensor? allowed = Mask("query_mask", query)?.to(ScalarType.Bool).unsqueeze(2);
        allowed = ScoreMasks.And(allowed, Mask("value_mask", value)?.to(ScalarType.Bool).unsqueeze(1));
        if (!ReferenceEquals(key, value))
            allowed = ScoreMasks.And(allowed, Mask("key_mask", key)?.to(ScalarType.Bool).unsqueeze(1));
        if (call.Argument("use_causal_mask") is true)
            allowed = ScoreMasks.And(allowed, ScoreMasks.Causal(query.shape[1], value.shape[1]).unsqueeze(0));
        allowed = ScoreMasks.And(allowed, (call.Argument("attention_mask", 3) as Tensor)?.to(ScalarType.Bool));
        if (allowed is not null)
            scores = scores.Plus(allowed.unsqueeze(1).to(scores.dtype).SubtractedFrom(1)
                .Times(scores.dtype == ScalarType.Float16 ? -3e4 : -1e9));
        Tensor weights = scores.softmax(-1);
        Tensor used = call.Training && _dropout > 0 ? NoiseLayer.Drop(weights, _dropout, weights.shape) : weights;
        Tensor mixed = einsum("bhqk,bkhd->bqhd", used, v);
        if (allowed is not null && _dropout == 0 && call.Argument("return_attention_scores") is not true)
            mixed = ScoreMasks.AsFused(mixed, allowed, key.shape[1]);
        Tensor result = _output.Project(mixed, call);
        return call.Argument("return_attention_scores") is true ? (object?[])[result, weights] : result;

        Tensor? Mask(string name, Tensor tensor) => call.Argument(name) as Tensor ?? call.MaskOf(tensor);
    }
}
