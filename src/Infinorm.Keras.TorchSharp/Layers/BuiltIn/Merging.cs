using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>A layer that joins a list of inputs element by element.</summary>
class Merge(LayerConfig config, Func<Tensor, Tensor, Tensor> join, bool isMean = false) : KerasLayer(config)
{
    protected internal sealed override object Call(LayerCall call)
    {
        // Axes that are missing are those after the batch.
        long rank = call.Inputs.Max(input => input.dim());
        Tensor joined = Join([.. call.Inputs.Select(input =>
        {
            Tensor fitted = input;
            while (fitted.dim() < rank)
                fitted = fitted.unsqueeze(1);
            return (fitted, call.MaskOf(input));
        })]);
        return isMean ? joined / call.Inputs.Count : joined;
    }

    protected sealed override Tensor? ComputeMask(LayerCall call, Tensor? previous)
    {
        Tensor?[] masks = call.Masks;
        return masks.Length == 0 || masks.Contains(null) ? null : masks.Aggregate((x, y) => x!.logical_or(y!));
    }

    protected Tensor Join(Tensor one, Tensor other) => join(one, other);

    protected virtual Tensor Join((Tensor Value, Tensor? Mask)[] inputs) => inputs.Select(input => input.Value).Aggregate(join);
}

/// <summary>A merge in which an element that is masked in one input is the other's.</summary>
sealed class MaskedMerge(LayerConfig config, Func<Tensor, Tensor, Tensor> join, bool isProduct) : Merge(config, join)
{
    protected override Tensor Join((Tensor Value, Tensor? Mask)[] inputs)
    {
        Tensor? output = null, outputMask = null;
        foreach ((Tensor value, Tensor? mask) in inputs)
        {
            Tensor x = value;
            Tensor? own = mask?.to(ScalarType.Bool).unsqueeze(-1).expand_as(x);
            if (isProduct)
            {
                x = own is null ? x : where(own, x, ones_like(x));
                output = output is null ? x : Join(output, x);
                continue;
            }

            if (output is null)
            {
                (output, outputMask) = (x, own);
                continue;
            }

            if (own is not null)
                x = where(own, x, output);
            if (outputMask is not null)
                output = where(outputMask, output, x);
            outputMask = own is null || outputMask is null ? null : own.logical_or(outputMask);
            output = Join(output, x);
        }

        return output!;
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
