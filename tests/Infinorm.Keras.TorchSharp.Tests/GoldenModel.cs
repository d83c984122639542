using System.Text.Json.Nodes;
using Infinorm.Keras.Torch.Layers;
using Infinorm.Keras.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Tests;

/// <summary>A model that Keras saved, with what Keras computes with it.</summary>
sealed class GoldenModel
{
    static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Golden", "keras-models");

    GoldenModel(string id, JsonObject json) => (Id, Json) = (id, json);

    public static IEnumerable<string> Ids => Directory.EnumerateFiles(Folder, "*.json").Select(file => Path.GetFileNameWithoutExtension(file)!).Order(StringComparer.Ordinal);

    public string Id { get; }

    public JsonObject Json { get; }

    public string Archive => Path.Combine(Folder, Id + ".keras");

    public IReadOnlyList<string> OutputNames => [.. Json["outputs"]!.AsArray().Select(name => name!.ToString())];

    public double Relative => Id switch { "mixed_float16" => 1e-2, "mixed_bfloat16" => 2e-2, _ => 2e-5 };

    public static GoldenModel Read(string id) => new(id, (JsonObject)JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, id + ".json")))!);

    /// <summary>Examples with targets and weights, or some of their rows.</summary>
    public KerasData Data(KerasModel model, (int Start, int End)? rows = null) => new(Inputs(model, rows), PerOutput(model, "y", rows))
    {
        SampleWeights = PerOutput(model, "sample_weight", rows),
        ClassWeights = (Json["data"]!["class_weight"] as JsonObject)?.ToDictionary(
            item => long.Parse(item.Key, System.Globalization.CultureInfo.InvariantCulture), item => item.Value!.GetValue<double>()),
    };

    /// <summary>The inputs in the model's order, or some of their rows.</summary>
    public Tensor[] Inputs(KerasModel model, (int Start, int End)? rows = null)
    {
        JsonArray all = Json["data"]!["x"]!.AsArray();
        return [.. all.Select((_, i) => Array(model.InputNames.Count > 1 ? all.Single(x => x!["name"]!.ToString() == model.InputNames[i])! : all[i]!, rows))];
    }

    /// <summary>Targets (or weights) in the model's order of outputs.</summary>
    public Tensor?[] PerOutput(KerasModel model, string what, (int Start, int End)? rows = null)
    {
        JsonArray? all = Json["data"]![what]?.AsArray();
        if (all is null)
            return [.. model.OutputNames.Select(_ => (Tensor?)null)];
        if (what == "y")
            return [.. InModelOrder(model).Select(i => Array(all[i]!, rows))];
        return [.. InModelOrder(model).Select(i => all.FirstOrDefault(item => item?["name"]?.ToString() == OutputNames[i]) is { } found ? Array(found, rows) : null)];
    }

    /// <summary>For each output of the model its place in the file, which has dictionaries in another order.</summary>
    public int[] InModelOrder(KerasModel model) => OutputNames.Order().SequenceEqual(model.OutputNames.Order()) && OutputNames.Distinct().Count() == OutputNames.Count
        ? [.. model.OutputNames.Select(name => OutputNames.ToList().IndexOf(name))]
        : [.. Enumerable.Range(0, OutputNames.Count)];

    public static Tensor Array(JsonNode json, (int Start, int End)? rows = null)
    {
        string type = json["dtype"]!.ToString();
        Tensor all = Array(json, type, [.. json["shape"]!.AsArray().Select(size => size!.GetValue<long>())]);
        return rows is var (start, end) ? all.narrow(0, start, end - start).clone() : all;
    }

    public static Tensor Array(JsonNode json, string type, long[] shape)
    {
        ScalarType scalar = DTypes.Parse(type)!.Value;
        if (json["fill"] is { } fill)
            return full(shape, fill.GetValueKind() is System.Text.Json.JsonValueKind.True or System.Text.Json.JsonValueKind.False ? fill.GetValue<bool>() ? 1 : 0 : fill.GetValue<double>(), dtype: scalar);
        byte[] bytes = Convert.FromBase64String(json["b64"]!.ToString());
        Tensor tensor = zeros(shape, dtype: scalar);
        bytes.CopyTo(tensor.bytes);
        return tensor;
    }

    /// <summary>What a value may be off, from how far Keras's own computations are apart.</summary>
    public static double Noise(JsonNode? json) => Math.Max(json?["noise"]?.GetValue<double>() ?? 0, json?["f64"]?.GetValue<double>() ?? 0);

    /// <summary>A sentence where an array is another than expected; null where it is not.</summary>
    public string? Compare(string what, Tensor actual, Tensor expected, double noise, double? relative = null)
    {
        if (!actual.shape.SequenceEqual(expected.shape))
            return $"{what}: shape [{string.Join(", ", actual.shape)}], expected [{string.Join(", ", expected.shape)}]";
        if (expected.numel() == 0)
            return null;
        using Tensor x = actual.detach().to(ScalarType.Float64), y = expected.to(ScalarType.Float64);
        double largest = y.abs().max().item<double>(), off = (x - y).abs().max().item<double>();
        double allowed = ((relative ?? Relative) * largest) + (20 * noise) + 1e-7;
        return off <= allowed ? null : $"{what}: off by {off:g3}, allowed {allowed:g3}, largest {largest:g3}";
    }

    /// <summary>Differences of named numbers.</summary>
    public IEnumerable<string> CompareLogs(string what, IReadOnlyDictionary<string, double> actual, JsonObject expected, JsonObject? noise, JsonObject? f64)
    {
        string missing = string.Join(", ", expected.Select(item => item.Key).Except(actual.Keys)), more = string.Join(", ", actual.Keys.Except(expected.Select(item => item.Key)));
        if (missing.Length + more.Length > 0)
            yield return $"{what}: missing {missing}; not expected {more}";
        foreach (var (name, value) in expected)
        {
            if (!actual.TryGetValue(name, out double found))
                continue;
            double want = value!.GetValue<double>(), own = Math.Max(noise?[name]?.GetValue<double>() ?? 0, f64?[name]?.GetValue<double>() ?? 0);
            double allowed = (Relative * Math.Abs(want)) + 1e-6 + (20 * own);
            if (!(Math.Abs(found - want) <= allowed))
                yield return $"{what} {name}: {found:g9}, expected {want:g9}";
        }
    }
}
