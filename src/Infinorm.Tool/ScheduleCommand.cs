using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json.Nodes;
using Infinorm.Charts;
using Infinorm.Checkpoints;
using Infinorm.Tool.Terminal;

namespace Infinorm.Tool;

/// <summary><c>infinorm schedule CONFIG</c>: draws a learning rate.</summary>
static class ScheduleCommand
{
    const int SvgPoints = 1000;

    public static Subcommand Create(Session session)
    {
        var config = new Argument<string>("CONFIG")
        {
            Description = "A schedule, or an optimizer or model with a schedule: a JSON file, a .keras or .safetensors file, or JSON text.",
        };
        var steps = new Option<long?>("--steps")
        {
            Description = "The number of steps to draw. Default: enough to show the course of the schedule.",
            HelpName = "N",
            CustomParser = ParseSteps,
        };
        var svg = new Option<string?>("--svg") { Description = "Write a picture instead.", HelpName = "FILE" };
        var json = new Option<bool>("--json") { Description = "Write JSON: the steps and their rates." };
        var command = new Subcommand(
            "schedule", "Draws a learning-rate schedule.",
            "infinorm schedule model.keras", "infinorm schedule checkpoint.safetensors --steps 10000 --svg rate.svg",
            """infinorm schedule '{"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.001, "decay_steps": 1000}}'""")
        {
            config, steps, svg, json,
        };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(svg) is { } file && !file.EndsWith(".svg", StringComparison.OrdinalIgnoreCase))
                throw new CommandException($"--svg: the picture is an SVG, so the file's name must end in .svg; found {file}");
            ScheduleSource source = ScheduleSource.Read(parsed.GetRequiredValue(config), session);
            long count = parsed.GetValue(steps) ?? source.DefaultSteps;
            if (parsed.GetValue(json))
                WriteJson(session, source.Sample(count, SvgPoints));
            else if (parsed.GetValue(svg) is { } picture)
                AtomicFile.Write(picture, stream => WriteSvg(stream, source.Sample(count, SvgPoints)));
            else
                TerminalChart.Write(session, points => source.Sample(count, points));
            return ExitCode.Success;
        });
        return command;
    }

    static void WriteSvg(Stream stream, Curve curve) => SvgChart.Write(stream, $"{curve.Name}: learning rate by step", [curve]);

    static void WriteJson(Session session, Curve curve) => session.Output.WriteLine(new JsonObject
    {
        ["schedule"] = curve.Name,
        ["steps"] = new JsonArray([.. curve.Steps.Select(step => JsonValue.Create(step))]),
        ["rates"] = new JsonArray([.. curve.Values.Select(rate => double.IsFinite(rate) ? JsonValue.Create(rate) : null)]),
    }.ToJsonString());

    static long? ParseSteps(ArgumentResult argument)
    {
        string text = argument.Tokens[0].Value;
        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long steps)
            && steps is >= 1 and <= ScheduleSource.MaxSteps)
            return steps;
        argument.AddError(string.Create(CultureInfo.InvariantCulture, $"--steps: from 1 to {ScheduleSource.MaxSteps}, found {text}"));
        return null;
    }
}
