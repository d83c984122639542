using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>A layer that joins a list of inputs element by element.</summary>
sealed class Merge(LayerConfig config, Func<Tensor, Tensor, Tensor> join, bool isMean = false) : KerasLayer(config)
{
    protected internal override object Call(LayerCall call)
    {
        long rank = call.Inputs.Max(input => input.dim());
        Tensor joined = call.Inputs.Select(input => Fit(input, rank)).Aggregate(join);
        return isMean ? joined / call.Inputs.Count : joined;
    }

    protected override Tensor? ComputeMask(LayerCall call, Tensor? previous)
    {
        Tensor?[] masks = call.Masks;
        return masks.Length == 0 || masks.Contains(null) ? null : masks.Aggregate((x, y) => x!.logical_or(y!));
    }

    // Axes that are missing are those after the batch.
    static Tensor Fit(Tensor x, long rank)
    {
        while (x.dim() < rank)
            x = x.unsqueeze(1);
        return x;
    }
}

sealed class Concatenate : KerasLayer
{
    readonly long _axis;

    public Concatenate(LayerConfig config)
        : base(config) => _axis = config.OptionalInteger("axis") ?? -1;

    protected internal override object Call(LayerCall call) => cat([.. call.Inputs], _axis);

    protected override Tensor? ComputeMask(LayerCall call, Tensor? previous)
    {
        Tensor?[] masks = call.Masks;
        if (masks.All(mask => mask is null))
            return null;
        Tensor[] whole = [.. masks.Select((mask, i) => mask is null
            ? ones_like(call.Inputs[i], dtype: ScalarType.Bool)
            : mask.dim() < call.Inputs[i].dim() ? mask.unsqueeze(-1).expand_as(call.Inputs[i]) : mask)];
        return cat(whole, _axis).any(-1);
    }
}

sealed class Dot : KerasLayer
{
    readonly long[] _axes;
    readonly bool _normalizes;

    public Dot(LayerConfig config)
        : base(config)
    {
        _axes = config.Axes("axes") ?? throw new FormatException("Dot: config key 'axes' is missing");
        _normalizes = config.Boolean("normalize", false);
    }

    protected internal override object Call(LayerCall call)
    {
        (Tensor x, Tensor y) = (call.Inputs[0], call.Inputs[1]);
        long a = Axes.FromFront(_axes[0], x.dim()), b = Axes.FromFront(_axes[^1], y.dim());
        if (_normalizes)
            (x, y) = (Unit(x, a), Unit(y, b));

        // All but the batch and the summed axis become one axis of rows.
        Tensor rows = x.movedim([a], [-1]), columns = y.movedim([b], [1]);
        long[] left = rows.shape[1..^1], right = columns.shape[2..];
        Tensor product = rows.reshape(x.shape[0], -1, x.shape[a]).matmul(columns.reshape(y.shape[0], y.shape[b], -1));
        return left.Length + right.Length == 0 ? product.view(x.shape[0], 1) : product.view([x.shape[0], .. left, .. right]);
    }

    static Tensor Unit(Tensor x, long axis) => x * x.square().sum(axis, keepdim: true).clamp_min(1e-12).rsqrt();
}
