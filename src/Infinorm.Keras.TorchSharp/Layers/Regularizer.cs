using System.Text.Json.Nodes;
using Infinorm.Config;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>What a weight or an output adds to the loss.</summary>
/// <param name="Of">Takes the weight or output and returns a scalar.</param>
sealed record Regularizer(Func<Tensor, Tensor> Of)
{
    static readonly Registry<Regularizer> Classes = new Registry<Regularizer>("regularizer")
        .Add("L1", "keras.regularizers", config => L1L2(config.Number("l1", 0.01), 0))
        .Add("L2", "keras.regularizers", config => L1L2(0, config.Number("l2", 0.01)))
        .Add("L1L2", "keras.regularizers", config => L1L2(config.Number("l1", 0), config.Number("l2", 0)))
        .Add("OrthogonalRegularizer", "keras.regularizers", config => Orthogonal(config.Number("factor", 0.01), config.Text("mode", "rows")));

    /// <exception cref="FormatException">It is not known.</exception>
    public static Regularizer? FromConfig(JsonNode? node) => node switch
    {
        null => null,
        JsonObject serialized => Classes.Create(KerasObject.Read("regularizer", serialized)),
        _ => node.ToString() switch
        {
            "l1" => L1L2(0.01, 0),
            "l2" => L1L2(0, 0.01),
            "l1_l2" => L1L2(0.01, 0.01),
            var other => throw new FormatException($"regularizer: no class '{other}'; known are {string.Join(", ", Classes.Names)}"),
        },
    };

    public static Regularizer L1L2(double l1, double l2) => new(x => (l1, l2) switch
    {
        (_, 0) => x.abs().sum() * l1,
        (0, _) => x.square().sum() * l2,
        _ => (x.abs().sum() * l1) + (x.square().sum() * l2),
    });

    static Regularizer Orthogonal(double factor, string mode)
    {
        if (mode is not ("rows" or "columns"))
            throw new FormatException($"OrthogonalRegularizer: mode should be rows or columns, found {mode}");
        return new(x =>
        {
            Tensor rows = mode == "rows" ? x : x.t();
            Tensor unit = rows / rows.square().sum(1, keepdim: true).sqrt().clamp_min(1e-12);
            long size = rows.shape[0];
            Tensor others = unit.matmul(unit.t()) * (1 - eye(size, dtype: x.dtype));
            return others.abs().sum() * (factor * 0.5 / (size * (size - 1) / 2.0));
        });
    }
}
