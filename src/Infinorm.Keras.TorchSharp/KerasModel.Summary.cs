using System.Globalization;
using System.Text;
using Infinorm.Keras.Torch.Graph;
using Infinorm.Keras.Torch.Layers;
using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch;

// The table of layers.
public sealed partial class KerasModel
{
    /// <summary>
    /// A table of the layers with their output shapes and numbers of weights, and the totals. Keras: <c>summary</c>.
    /// </summary>
    public string Summary()
    {
        List<SummaryRow> rows = [.. SummaryRows()];
        string[] head = ["Layer (type)", "Output shape", "Param #"];
        string[][] cells = [.. rows.Select(row => new[] { $"{new string(' ', 2 * row.Depth)}{row.Name} ({row.ClassName})", row.Shape,
            Number(row.Count) })];
        var (lines, rule) = TextTable.Of(head, cells, left: 2);
        long all = Archive.Weights.Sum(weight => (long)weight.Variable.Length),
            trained = TrainedWeights.Sum(weight => (long)weight.Stored!.Variable.Length);
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"Model: {_root.LayerName}");
        foreach (string line in lines)
            text.AppendLine(line);
        text.AppendLine(rule);
        text.AppendLine(CultureInfo.InvariantCulture, $"Total params: {Number(all)}");
        text.AppendLine(CultureInfo.InvariantCulture, $"Trainable params: {Number(trained)}");
        text.AppendLine(CultureInfo.InvariantCulture, $"Non-trainable params: {Number(all - trained)}");
        return text.ToString();

        static string Number(long? count) => count?.ToString("N0", CultureInfo.InvariantCulture) ?? "";
    }

    /// <summary>The rows of the table. A model in the model has no number of its own: its layers follow, one level deeper.</summary>
    internal IEnumerable<SummaryRow> SummaryRows()
    {
        Dictionary<KerasLayer, string> shapes = Shapes();
        return Rows(_root, 0);

        IEnumerable<SummaryRow> Rows(KerasLayer model, int depth)
        {
            foreach ((GraphInput? input, KerasLayer? layer) in model is GraphLayer graph ? graph.Listed : [(null, model)])
            {
                if (input is not null)
                {
                    yield return new SummaryRow(input.Key.Name, "InputLayer", input.Shape is null ? "?" : Format(input.Shape), 0, depth);
                    continue;
                }

                bool isModel = layer is GraphLayer;
                yield return new SummaryRow(layer!.LayerName, layer.ClassName, shapes.GetValueOrDefault(layer, "?"), isModel
                    ? null
                    : Count(layer), depth);
                if (isModel)
                {
                    foreach (SummaryRow row in Rows(layer, depth + 1))
                        yield return row;
                }
            }
        }

        static long Count(KerasLayer layer) =>
            layer.All().Distinct().SelectMany(part => part.Weights).Sum(weight => (long)(weight.Stored?.Variable.Length ?? 0));
    }

    // Two batches of zeros tell which axes are fixed.
    Dictionary<KerasLayer, string> Shapes()
    {
        if (_graph is null || _graph.Inputs.Any(input => input.Shape is null))
            return [];
        using var noGrad = no_grad();
        Dictionary<KerasLayer, long[][]> small = Of(batch: 2, free: 8), large = Of(batch: 3, free: 9);
        return small.ToDictionary(item => item.Key, item => string.Join(", ", item.Value.Select((shape, i) =>
            Format([.. shape.Select((size, axis) => axis < large[item.Key][i].Length && large[item.Key][i][axis] == size ? size : -1)]))));

        Dictionary<KerasLayer, long[][]> Of(long batch, long free)
        {
            using var scope = NewDisposeScope();
            var shapes = new Dictionary<KerasLayer, long[][]>();
            var context = new ForwardContext(training: false)
            {
                Observe = (layer,
                outputs) => shapes[layer] = [.. Values.Tensors(outputs).Select(output => output.shape)]
            };
            object?[] inputs = [.. _graph!.Inputs.Select(input => zeros([input.Shape![0] < 0
                ? batch
                : input.Shape[0], .. input.Shape.Skip(1).Select(size => size < 0 ? free : size)], dtype: input.DType))];
            _root.Invoke(new LayerCall(context, [inputs]));
            return shapes;
        }
    }

    static string Format(long[] shape) =>
        $"({string.Join(", ", shape.Select(size => size < 0 ? "None" : size.ToString(CultureInfo.InvariantCulture)))})";

    /// <summary>A row of the table.</summary>
    internal sealed record SummaryRow(string Name, string ClassName, string Shape, long? Count, int Depth);
}
