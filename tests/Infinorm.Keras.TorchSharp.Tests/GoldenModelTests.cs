using System.Text.Json.Nodes;
using Infinorm.Keras.Torch.Layers;
using Infinorm.Keras.Torch.Training;
using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Tests;

/// <summary>Archives of Keras 3.16 with what Keras computes with them: predictions, evaluation, steps of training.</summary>
public sealed class GoldenModelTests
{
    public static TheoryData<string> Supported => [.. GoldenModel.Ids.Where(id => GoldenModel.Read(id).Json["refuse"] is null)];

    public static TheoryData<string> Trained => [.. GoldenModel.Ids.Where(id => GoldenModel.Read(id).Json["train"] is not null)];

    public static TheoryData<string> Fitted => [.. GoldenModel.Ids.Where(id => GoldenModel.Read(id).Json["fit"] is not null)];

    public static TheoryData<string> Refused => [.. GoldenModel.Ids.Where(id => GoldenModel.Read(id).Json["refuse"] is not null)];

    [Theory, MemberData(nameof(Supported))]
    public void PredictionsAreThoseOfKeras(string id)
    {
        using var scope = NewDisposeScope();
        GoldenModel golden = GoldenModel.Read(id);
        using var model = KerasModel.Open(golden.Archive);
        Tensor[] predictions = model.Predict(golden.Inputs(model));
        int[] order = golden.InModelOrder(model);
        JsonArray expected = golden.Json["predict"]!.AsArray();
        Assert.Equal(expected.Count, predictions.Length);
        Expect(predictions.Select((prediction, i) => golden.Compare(
            expected[order[i]]!["name"]!.ToString(), prediction, GoldenModel.Array(expected[order[i]]!), GoldenModel.Noise(expected[order[i]]), id == "float64" ? 1e-12 : null)));
    }

    [Theory, MemberData(nameof(Supported))]
    public void EvaluationIsThatOfKeras(string id)
    {
        using var scope = NewDisposeScope();
        GoldenModel golden = GoldenModel.Read(id);
        if (golden.Json["evaluate"] is not JsonObject expected)
            return;
        using var model = KerasModel.Open(golden.Archive);
        OrderedDictionary<string, double> results = model.Evaluate(golden.Data(model), expected["batch_size"]!.GetValue<int>());
        Expect(golden.CompareLogs("evaluate", results, expected["results"]!.AsObject(), expected["results_noise"] as JsonObject, expected["results_f64"] as JsonObject));
    }

    [Theory, MemberData(nameof(Trained))]
    public void StepsAreThoseOfKeras(string id)
    {
        using var scope = NewDisposeScope();
        GoldenModel golden = GoldenModel.Read(id);
        using var model = KerasModel.Open(golden.Archive);
        JsonNode train = golden.Json["train"]!;
        var problems = new List<string?>();
        JsonArray steps = train["steps"]!.AsArray();
        (JsonNode Json, KerasWeight Weight)[] variables = Variables(golden, model);
        for (int i = 0; i < steps.Count; i++)
        {
            JsonNode step = steps[i]!;
            (int, int) rows = (train["batches"]![i]![0]!.GetValue<int>(), train["batches"]![i]![1]!.GetValue<int>());
            OrderedDictionary<string, double> logs = model.ComputeGradients(golden.Data(model, rows));
            bool isTight = i == 0 || !id.StartsWith("mixed", StringComparison.Ordinal);
            if (isTight)
                problems.AddRange(golden.CompareLogs($"step {i}", logs, step["logs"]!.AsObject(), step["logs_noise"] as JsonObject, step["logs_f64"] as JsonObject));
            if (step["gradients"] is JsonArray gradients)
                problems.AddRange(CompareGradients(golden, model, variables, gradients));
            model.Optimizer.step();
            if (!isTight)
                continue;
            int trainable = 0, other = 0;
            foreach ((JsonNode json, KerasWeight weight) in variables)
            {
                JsonNode expected = json["trainable"]!.GetValue<bool>() ? step["trainable"]![trainable++]! : step["non_trainable"]![other++]!;
                problems.Add(golden.Compare($"step {i} {json["path"]}", Tensor(weight), Like(expected, json), GoldenModel.Noise(expected)));
            }
        }

        if (!id.StartsWith("mixed", StringComparison.Ordinal))
        {
            Assert.Equal(train["iterations"]!.GetValue<long>(), model.Optimizer.Optimizer.Iterations);
            JsonArray expected = train["optimizer_variables"]!.AsArray(), declared = golden.Json["optimizer_variables"]!.AsArray();
            var state = model.Optimizer.Optimizer.Variables;
            Assert.Equal(expected.Count, state.Count);
            for (int i = 0; i < expected.Count; i++)
                problems.Add(golden.Compare(declared[i]!["path"]!.ToString(), OfState(state[i]), Like(expected[i]!, declared[i]!), GoldenModel.Noise(expected[i])));
        }

        Expect(problems);
    }

    [Theory, MemberData(nameof(Fitted))]
    public void FitIsThatOfKeras(string id)
    {
        using var scope = NewDisposeScope();
        GoldenModel golden = GoldenModel.Read(id);
        using var model = KerasModel.Open(golden.Archive);
        JsonNode fit = golden.Json["fit"]!;
        KerasData data = golden.Data(model);
        History history = model.Fit(data, fit["batch_size"]!.GetValue<int>(), fit["epochs"]!.GetValue<int>(), validation: data, shuffle: false);
        var problems = new List<string?>();
        for (int epoch = 0; epoch < history.Epochs.Count; epoch++)
        {
            JsonObject expected = At(fit["history"]!, epoch)!;
            var values = history.Epochs[epoch].Values.Where(item => item.Key != "learning_rate").ToDictionary();
            problems.AddRange(golden.CompareLogs($"epoch {epoch}", values, expected, At(fit["history_noise"], epoch), At(fit["history_f64"], epoch)));
        }

        int trainable = 0, other = 0;
        foreach ((JsonNode json, KerasWeight weight) in Variables(golden, model))
        {
            JsonNode? expected = json["trainable"]!.GetValue<bool>() ? fit["trainable"]![trainable++] : fit["non_trainable"]?[other++];
            if (expected is null)
                continue; // Statistics are not in all files.
            problems.Add(golden.Compare(json["path"]!.ToString(), Tensor(weight), Like(expected, json), GoldenModel.Noise(expected)));
        }

        Expect(problems);

        static JsonObject? At(JsonNode? lists, int epoch) => lists is not JsonObject named ? null
            : new(named.Where(item => item.Value is JsonArray).Select(item => KeyValuePair.Create(item.Key, item.Value![epoch]?.DeepClone())));
    }

    [Theory, MemberData(nameof(Supported))]
    public void SummaryIsThatOfKeras(string id)
    {
        using var scope = NewDisposeScope();
        GoldenModel golden = GoldenModel.Read(id);
        using var model = KerasModel.Open(golden.Archive);
        JsonNode summary = golden.Json["summary"]!;
        string[] expected = [.. Rows(summary["layers"]!.AsArray(), 0)];
        string[] found = [.. model.SummaryRows().Select(row => $"{row.Depth} {row.Name} {row.ClassName} {row.Count}")];
        Assert.Equal(expected, found);
        Assert.Contains($"Trainable params: {summary["trainable_params"]!.GetValue<long>():N0}", model.Summary(), StringComparison.Ordinal);

        static IEnumerable<string> Rows(JsonArray layers, int depth)
        {
            foreach (JsonNode? layer in layers)
            {
                bool isModel = layer!["layers"] is not null;
                yield return $"{depth} {layer["name"]} {layer["class"]} {(isModel ? "" : layer["params"])}";
                foreach (string row in isModel ? Rows(layer["layers"]!.AsArray(), depth + 1) : [])
                    yield return row;
            }
        }
    }

    [Theory, MemberData(nameof(Supported))]
    public void WhatIsSavedIsOpenedAgain(string id)
    {
        using var scope = NewDisposeScope();
        GoldenModel golden = GoldenModel.Read(id);
        using var file = new MemoryStream();
        Tensor[] before;
        using (var model = KerasModel.Open(golden.Archive))
        {
            if (golden.Json["train"] is not null)
                model.TrainOnBatch(golden.Data(model));
            before = model.Predict(golden.Inputs(model));
            model.Save(file);
        }

        file.Position = 0;
        using var again = KerasModel.Open(file);
        Tensor[] after = again.Predict(golden.Inputs(again));
        for (int i = 0; i < before.Length; i++)
            Assert.Equal(before[i].bytes.ToArray(), after[i].bytes.ToArray());
    }

    [Theory, MemberData(nameof(Refused))]
    public void WhatIsNotKnownIsRefused(string id)
    {
        GoldenModel golden = GoldenModel.Read(id);
        if (id == "refuse_custom_loss")
        {
            // The network is Keras's own: it predicts, and is trained once a loss is given.
            using var model = KerasModel.Open(golden.Archive);
            Assert.Contains("loss", Assert.Throws<InvalidOperationException>(() => model.Evaluate(zeros(1, 4), zeros(1, 2))).Message, StringComparison.Ordinal);
            return;
        }

        string message = Assert.Throws<NotSupportedException>(() => KerasModel.Open(golden.Archive)).Message;
        string named = id switch
        {
            "refuse_lambda" => "lam (Lambda)",
            "refuse_custom_layer" => "acme>Scale",
            "refuse_custom_activation" => "acme>cube",
            "refuse_subclass" => "acme>Net",
            _ => "quantized",
        };
        Assert.Contains(named, message, StringComparison.Ordinal);
    }

    static IEnumerable<string?> CompareGradients(GoldenModel golden, KerasModel model, (JsonNode Json, KerasWeight Weight)[] variables, JsonArray gradients)
    {
        int next = 0;
        var parameters = model.TrainedWeights.ToDictionary(weight => weight.Stored!);
        foreach ((JsonNode json, KerasWeight weight) in variables.Where(variable => variable.Json["trainable"]!.GetValue<bool>()))
        {
            JsonNode? expected = gradients[next++];
            Tensor? found = parameters[weight].Parameter!.grad;
            if (expected is null || found is null)
                yield return expected is null && (found is null || found.abs().max().item<float>() == 0) ? null : $"gradient {json["path"]}: {(found is null ? "none" : "one")}, expected {(expected is null ? "none" : "one")}";
            else
                yield return golden.Compare($"gradient {json["path"]}", found, Like(expected, json), GoldenModel.Noise(expected));
        }
    }

    // The archive's weights in the order of the file, which also has the states of random generators.
    static (JsonNode Json, KerasWeight Weight)[] Variables(GoldenModel golden, KerasModel model)
    {
        JsonNode[] stored = [.. golden.Json["variables"]!.AsArray().Where(variable => variable!["h5"] is not null).Select(variable => variable!)];
        return [.. stored.Select(variable => (variable, model.Archive.Weights.Single(weight => weight.Location == variable["h5"]!.ToString() || weight.Copies.Contains(variable["h5"]!.ToString()))))];
    }

    static Tensor OfState(Variables.Variable variable)
    {
        Tensor tensor = zeros([.. variable.Shape.ToArray().Select(size => (long)size)], dtype: variable.DType == Types.DType.Int64 ? ScalarType.Int64 : variable.DType == Types.DType.Float64 ? ScalarType.Float64 : ScalarType.Float32);
        variable.ToNdArray().Bytes.CopyTo(tensor.bytes);
        return tensor;
    }

    static Tensor Tensor(KerasWeight weight) => SharedMemory.AsTensor(weight.Variable);

    static Tensor Like(JsonNode values, JsonNode declared) =>
        GoldenModel.Array(values, declared["dtype"]!.ToString(), [.. declared["shape"]!.AsArray().Select(size => size!.GetValue<long>())]);

    static void Expect(IEnumerable<string?> problems)
    {
        string[] found = [.. problems.OfType<string>()];
        Assert.True(found.Length == 0, string.Join(Environment.NewLine, found.Take(12)));
    }
}
