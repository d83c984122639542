using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Tool.Files;
using Infinorm.Tool.Terminal;
using Infinorm.Variables;

namespace Infinorm.Tool;

/// <summary>The history of a training run: a row an epoch with its batches, its seconds and the values that were logged.</summary>
static class RunHistory
{
    /// <summary>The key of a run's state in the metadata of its file.</summary>
    public const string StateKey = "run";

    const string Tensor = "run/history";
    const int SecondsColumn = 1, FirstValueColumn = 2;

    /// <summary>A tensor's values; of a history all but the seconds, which no two runs have in common.</summary>
    public static IEnumerable<NdArray> WithoutSeconds(StateFile file, TensorInfo tensor)
    {
        if (!IsHistory(tensor))
            return file.Pieces(tensor);
        double[] rows = Rows(file, tensor);
        for (int i = SecondsColumn; i < rows.Length; i += (int)tensor.Shape[1])
            rows[i] = 0;
        return [NdArray.Create(rows)];
    }

    /// <summary>The history as a table, of a file that has one.</summary>
    public static Table? ToTable(StateFile file)
    {
        if (file.Tensors.FirstOrDefault(IsHistory) is not { } tensor || State(file) is not var (columns, before)
            || columns.Length != tensor.Shape[1] - FirstValueColumn)
            return null;
        var table = new Table(["epoch", ">batches", ">seconds", .. columns.Select(column => $">{column}")]);
        double[][] rows = [.. Rows(file, tensor).Chunk((int)tensor.Shape[1])];
        for (int epoch = 0; epoch < rows.Length; epoch++)
            table.Add([$"{before + epoch + 1}", .. rows[epoch].Select(value => NumberFormat.Rounded(value))]);
        return table;
    }

    static bool IsHistory(TensorInfo tensor) => tensor.Name == Tensor && tensor.Shape is [_, >= FirstValueColumn];

    static double[] Rows(StateFile file, TensorInfo tensor) =>
        [.. file.Pieces(tensor).SelectMany(piece => piece.Cast(Types.DType.Float64).AsSpan<double>().ToArray())];

    // The names of the values, and how many epochs were completed before the first row.
    static (string[] Columns, int Before)? State(StateFile file)
    {
        try
        {
            return file.About.TryGetValue(StateKey, out string? text) && JsonNode.Parse(text) is { } state
                && state["Columns"] is JsonArray columns
                ? ([.. columns.Select(column => column!.GetValue<string>())], (int?)state["InitialEpoch"] ?? 0)
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or NullReferenceException or FormatException)
        {
            return null; // the file is not a run of ours: its history is shown as any other tensor
        }
    }
}
