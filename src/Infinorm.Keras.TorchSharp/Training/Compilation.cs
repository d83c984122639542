using System.Globalization;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Training;

/// <summary>What one output is trained and measured with.</summary>
sealed class OutputTraining
{
    public required string Name { get; init; }

    public KerasLoss? Loss { get; set; }

    public double LossWeight { get; set; } = 1;

    public IReadOnlyList<KerasMetric> Metrics { get; set; } = [];

    public IReadOnlyList<KerasMetric> WeightedMetrics { get; set; } = [];
}

/// <summary>Losses, their weights and metrics, an entry for each output: what <c>compile</c> was given.</summary>
static class Compilation
{
    /// <summary>Reads a compile config.</summary>
    /// <exception cref="FormatException">It names something that is not known.</exception>
    public static OutputTraining[] Read(JsonObject config, IReadOnlyList<string> outputs)
    {
        JsonNode?[] losses = PerOutput(config["loss"], outputs, "loss", repeats: true);
        JsonNode?[] weights = PerOutput(config["loss_weights"], outputs, "loss_weights", repeats: true);
        JsonNode?[] metrics = PerOutput(config["metrics"], outputs, "metrics", isMetrics: true);
        JsonNode?[] weighted = PerOutput(config["weighted_metrics"], outputs, "weighted_metrics", isMetrics: true);
        return [.. outputs.Select((name, i) => new OutputTraining
        {
            Name = name,
            Loss = KerasLoss.FromConfig(losses[i]),
            LossWeight = weights[i] is { } weight ? double.Parse(weight.ToString(), CultureInfo.InvariantCulture) : 1,
            Metrics = Metrics(metrics[i]),
            WeightedMetrics = Metrics(weighted[i]),
        })];
    }

    /// <summary>The names of what is logged: one output's alone, several with the output's name in front.</summary>
    public static string LogName(OutputTraining output, string name, bool isOnly) => isOnly ? name : $"{output.Name}_{name}";

    static KerasMetric[] Metrics(JsonNode? node) => node switch
    {
        null => [],
        JsonArray list => [.. list.Select(KerasMetric.FromConfig).OfType<KerasMetric>()],
        _ => [KerasMetric.FromConfig(node)!],
    };

    // One for all, a list, or a dictionary by output.
    static JsonNode?[] PerOutput(JsonNode? node, IReadOnlyList<string> outputs, string what, bool repeats = false, bool isMetrics = false)
    {
        switch (node)
        {
            case null:
                return new JsonNode?[outputs.Count];
            case JsonObject named when !named.ContainsKey("class_name"):
                return [.. outputs.Select(name => named[name])];
            case JsonArray list when isMetrics && outputs.Count == 1:
                return [list is [JsonArray only] ? only : list];
            case JsonArray list when list.Count == outputs.Count:
                return [.. list];
            case JsonArray list:
                throw new FormatException($"compile_config: {what} has {list.Count} entries, the model has {outputs.Count} outputs");
            default:
                return repeats || outputs.Count == 1
                    ? [.. outputs.Select(_ => node)]
                    : throw new FormatException($"compile_config: {what} is given once, the model has {outputs.Count} outputs");
        }
    }
}

/// <summary>Loss and metrics over the batches of an epoch.</summary>
sealed class RunningLogs(IReadOnlyList<OutputTraining> outputs)
{
    readonly double[] _losses = new double[outputs.Count];
    double _loss, _examples;

    /// <summary>How many examples were seen.</summary>
    public double Examples => _examples;

    bool IsOnly => outputs.Count == 1;

    /// <summary>Adds a batch.</summary>
    public void Add(double loss, double?[] losses, long examples, IReadOnlyList<Tensor> predictions, IReadOnlyList<Tensor?> masks, IReadOnlyList<Tensor?> targets, IReadOnlyList<Tensor?> weights)
    {
        _loss += loss * examples;
        _examples += examples;
        for (int i = 0; i < outputs.Count; i++)
        {
            _losses[i] += (losses[i] ?? 0) * examples;
            if (targets[i] is not { } target)
                continue;
            foreach (KerasMetric metric in outputs[i].Metrics)
                metric.Update(target, predictions[i], WithMask(metric, null, masks[i]));
            foreach (KerasMetric metric in outputs[i].WeightedMetrics)
                metric.Update(target, predictions[i], WithMask(metric, weights[i], masks[i]));
        }
    }

    // Keras's metrics that are means count what is not masked.
    static Tensor? WithMask(KerasMetric metric, Tensor? weight, Tensor? mask) =>
        metric is MeanMetric or ByShapeMetric ? Matching.Mask(weight, mask, isMean: false) : weight;

    /// <summary>Forgets what was seen.</summary>
    public void Clear()
    {
        Array.Clear(_losses);
        (_loss, _examples) = (0, 0);
        foreach (KerasMetric metric in outputs.SelectMany(output => output.Metrics.Concat(output.WeightedMetrics)))
            metric.Reset();
    }

    /// <summary>All values by their names in logs.</summary>
    public OrderedDictionary<string, double> Values()
    {
        var values = new OrderedDictionary<string, double> { ["loss"] = _loss / _examples };
        if (outputs.Count(output => output.Loss is not null) > 1)
        {
            for (int i = 0; i < outputs.Count; i++)
            {
                if (outputs[i].Loss is not null)
                    values[Compilation.LogName(outputs[i], "loss", isOnly: false)] = _losses[i] / _examples;
            }
        }

        foreach (OutputTraining output in outputs)
        {
            foreach (KerasMetric metric in output.Metrics)
                values.TryAdd(Compilation.LogName(output, metric.Name, IsOnly), metric.Result);
        }

        foreach (OutputTraining output in outputs)
        {
            foreach (KerasMetric metric in output.WeightedMetrics)
            {
                if (!values.TryAdd(Compilation.LogName(output, metric.Name, IsOnly), metric.Result))
                    values[Compilation.LogName(output, $"weighted_{metric.Name}", IsOnly)] = metric.Result;
            }
        }

        return values;
    }
}
