using System.Text.Json.Nodes;
using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>A setting that is a number, a list of numbers, or lists in lists, as arrays are written.</summary>
static class NestedNumbers
{
    /// <summary>All numbers in order, and the shape; null for none.</summary>
    public static (double[] Values, long[] Shape)? Read(JsonNode? node)
    {
        if (node is JsonObject serialized)
            node = (serialized["config"] as JsonObject)?["value"] ?? serialized["config"]; // __numpy__, __tuple__
        var values = new List<double>();
        var shape = new List<long>();
        for (JsonNode? level = node; level is JsonArray list; level = list.FirstOrDefault())
            shape.Add(list.Count);
        Collect(node);
        return values.Count == 0 ? null : ([.. values], [.. shape]);

        void Collect(JsonNode? item)
        {
            if (item is JsonArray list)
            {
                foreach (JsonNode? inner in list)
                    Collect(inner);
            }
            else if (item is not null)
            {
                values.Add(double.Parse(item.ToString(), System.Globalization.CultureInfo.InvariantCulture));
            }
        }
    }
}

sealed class Normalization : Passing
{
    readonly long[] _axes;
    readonly bool _inverts;
    readonly (double[] Values, long[] Shape)? _givenMean, _givenVariance;
    readonly LayerWeight? _mean, _variance;

    public Normalization(LayerConfig config)
        : base(config)
    {
        _axes = config.Axes("axis") ?? [];
        _inverts = config.Boolean("invert", false);
        _givenMean = NestedNumbers.Read(config.Json("mean"));
        _givenVariance = NestedNumbers.Read(config.Json("variance"));
        if (_givenMean is null)
        {
            _mean = AddWeight("mean", isTrained: false);
            _variance = AddWeight("variance", isTrained: false);
            AddWeight("count", isTrained: false);
        }
    }

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        if (!x.is_floating_point())
            x = x.to(ComputeType);
        long[] axes = Axes.FromFront(_axes, x.dim());
        Array.Sort(axes);
        long[] shape = Axes.Broadcast(x, axes);
        Tensor mean = Statistic(_mean, _givenMean), deviation = Statistic(_variance, _givenVariance).sqrt().clamp_min(Constant(1e-7));
        return _inverts ? mean.Plus(x * deviation) : x.Minus(mean) / deviation;

        Tensor Statistic(LayerWeight? weight, (double[] Values, long[] Shape)? given) =>
            weight is not null ? weight.Value.view(shape) : tensor(given!.Value.Values, dtype: x.dtype).view(Placed(given.Value.Shape));

        // What is given with fewer axes belongs to the last ones.
        long[] Placed(long[] own)
        {
            var placed = new long[x.dim()];
            Array.Fill(placed, 1);
            for (int i = 1; i <= own.Length; i++)
                placed[axes[^i]] = own[^i];
            return placed;
        }
    }
}

sealed class Rescaling : Passing
{
    readonly (double[] Values, long[] Shape) _scale, _offset;

    public Rescaling(LayerConfig config)
        : base(config) => (_scale, _offset) = (NestedNumbers.Read(config.Json("scale")) ?? ([1], []),
            NestedNumbers.Read(config.Json("offset")) ?? ([0], []));

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        if (!x.is_floating_point())
            x = x.to(ComputeType);
        return (x * Of(_scale, x)).Plus(Of(_offset, x));

        static Tensor Of((double[] Values, long[] Shape) given, Tensor x) => tensor(given.Values, dtype: x.dtype).view(given.Shape);
    }
}

/// <summary>Numbers of classes as vectors: one for each element, or one for all of a row.</summary>
static class ClassEncoding
{
    public static Tensor Encode(Tensor indices, string mode, int depth, ScalarType type, Tensor? weights = null)
    {
        Tensor whole = indices.to(ScalarType.Int64);
        if (mode == "one_hot")
        {
            if (whole.dim() > 0 && whole.shape[^1] == 1)
                whole = whole.squeeze(-1);
            return nn.functional.one_hot(whole, depth).to(type);
        }

        Tensor each = nn.functional.one_hot(whole, depth).to(type);
        if (weights is not null)
            each = each * weights.to(type).unsqueeze(-1);
        long axis = whole.dim() > 1 || mode == "count" ? -2 : 0;
        return whole.dim() == 0 ? each : mode == "count" ? each.sum(axis) : each.amax([axis]);
    }
}

sealed class Discretization : Plain
{
    readonly double[] _boundaries;
    readonly string _mode;

    public Discretization(LayerConfig config)
        : base(config)
    {
        config.Ignore("num_bins", "epsilon");
        config.Only("sparse", false);
        _mode = config.OneOf("output_mode", "int", "int", "one_hot", "multi_hot", "count");
        _boundaries = config.Json("bin_boundaries") is JsonArray
            ? config.Numbers("bin_boundaries")
            : throw new FormatException("Discretization: it was not adapted: there are no bin_boundaries");
    }

    protected override Tensor Compute(Tensor x, LayerCall call)
    {
        Tensor indices = bucketize(x.to(ScalarType.Float32), tensor(_boundaries, dtype: ScalarType.Float32), right: true);
        return _mode == "int"
            ? indices.to(ScalarType.Int32)
            : ClassEncoding.Encode(indices, _mode, _boundaries.Length + 1, ScalarType.Float32);
    }
}

sealed class CategoryEncoding : KerasLayer
{
    readonly int _count;
    readonly string _mode;

    public CategoryEncoding(LayerConfig config)
        : base(config)
    {
        config.Only("sparse", false);
        _count = config.Integer("num_tokens");
        _mode = config.OneOf("output_mode", "multi_hot", "one_hot", "multi_hot", "count");
    }

    protected internal override object Call(LayerCall call) =>
        ClassEncoding.Encode(call.Input, _mode, _count, ComputeType, _mode == "count" ? call.Argument("count_weights", 1) as Tensor : null);
}
