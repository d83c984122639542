using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Tool.Files;
using Infinorm.Tool.Terminal;
using Infinorm.Types;

namespace Infinorm.Tool;

/// <summary><c>infinorm inspect FILE</c>: what is in a file.</summary>
static class InspectCommand
{
    static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static Subcommand Create(Session session)
    {
        var file = new Argument<string>("FILE") { Description = "A .safetensors, .keras or .weights.h5 file." };
        var json = new Option<bool>("--json") { Description = "Write JSON, with all digits." };
        var command = new Subcommand(
            "inspect", "Shows what is in a file: settings, counters, and of each tensor its shape, type, norm and range.",
            "infinorm inspect model.keras", "infinorm inspect checkpoint.safetensors --json | jq '.counters'",
            "infinorm inspect checkpoint.safetensors | grep variables/") { file, json };
        command.SetAction(parsed =>
        {
            using StateFile state = StateFile.Open(parsed.GetRequiredValue(file), session);
            if (parsed.GetValue(json))
                session.Output.WriteLine(ToJson(state).ToJsonString(Indented));
            else
                Show(state, session);
            return ExitCode.Success;
        });
        return command;
    }

    static void Show(StateFile file, Session session)
    {
        var tensors = new Table("tensor", ">shape", "type", ">norm", ">min", ">max", ">non-finite");
        foreach (TensorInfo tensor in file.Tensors)
        {
            TensorStatistics its = TensorStatistics.Of(file, tensor);
            tensors.Add(
                tensor.Name, Shapes.Format(tensor.Shape), tensor.DType.KerasName(), NumberFormat.Rounded(its.Norm), NumberFormat.Rounded(its.Min),
                NumberFormat.Rounded(its.Max), its.NonFinite.ToString(CultureInfo.InvariantCulture));
        }

        var facts = new Table("property", "~value");
        facts.Add("file", file.Path);
        facts.Add("format", file.Format);
        Table? history = RunHistory.ToTable(file);
        foreach (var (key, value) in file.About)
        {
            foreach (var (name, text) in history is not null && key == RunHistory.StateKey ? Settings.Flat(key, value) : [(key, value)])
                facts.Add(name, text);
        }

        foreach (var (name, value) in Settings.Of(file))
            facts.Add($"setting {name}", value);
        foreach (var (name, value) in Counters(file))
            facts.Add($"counter {name}", value);
        foreach (string note in file.Notes)
            facts.Add("note", note);

        facts.Write(session);
        session.Output.WriteLine();
        if (history is not null)
        {
            history.Write(session);
            session.Output.WriteLine();
        }

        tensors.Write(session);
    }

    static JsonObject ToJson(StateFile file)
    {
        var tensors = new JsonArray();
        foreach (TensorInfo tensor in file.Tensors)
        {
            TensorStatistics its = TensorStatistics.Of(file, tensor);
            tensors.Add((JsonNode)new JsonObject
            {
                ["name"] = tensor.Name,
                ["shape"] = new JsonArray([.. tensor.Shape.Select(size => JsonValue.Create((long)size))]),
                ["dtype"] = tensor.DType.KerasName(),
                ["norm"] = Finite(its.Norm),
                ["min"] = Finite(its.Min),
                ["max"] = Finite(its.Max),
                ["non_finite"] = its.NonFinite,
            });
        }

        var json = new JsonObject
        {
            ["file"] = file.Path,
            ["format"] = file.Format,
            ["about"] = new JsonObject(file.About.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))),
            ["optimizer"] = file.Settings?.DeepClone(),
            ["floatx"] = file.FloatX?.KerasName(),
            ["weight_decay_exclusions"] = file.WeightDecayExclusions is { } paths ? Texts(paths) : null,
            ["counters"] = new JsonObject(Counters(file).Select(pair => KeyValuePair.Create(pair.Key, Number(pair.Value)))),
            ["notes"] = Texts(file.Notes),
            ["tensors"] = tensors,
        };
        foreach (var (key, text) in file.Groups ?? new Dictionary<string, string>())
            json.Add(key, JsonNode.Parse(text));
        return json;

        static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(text => JsonValue.Create(text))]);

        static JsonNode? Number(string text) =>
            double.IsFinite(double.Parse(text, CultureInfo.InvariantCulture)) ? JsonNode.Parse(text) : text;

        static JsonNode? Finite(double? value) => value is { } number && double.IsFinite(number) ? number : null;
    }

    // The numbers that an optimizer has once: iteration, learning rate, scale of the loss.
    static IEnumerable<KeyValuePair<string, string>> Counters(StateFile file) =>
        from tensor in file.Tensors
        where tensor.Shape.Length == 0 && (tensor.Name.StartsWith($"{CheckpointFile.OptimizerRoot}/", StringComparison.Ordinal)
            || tensor.Name.StartsWith($"{KerasState.Unnamed}/{CheckpointFile.OptimizerRoot}/", StringComparison.Ordinal))
        select KeyValuePair.Create(tensor.Name, NumberFormat.Exact(file.Pieces(tensor).Single()));
}
