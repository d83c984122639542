using System.CommandLine;
using Infinorm.Checkpoints;
using Infinorm.Tool.Conversions;
using Infinorm.Tool.Files;
using Infinorm.Tool.Terminal;

namespace Infinorm.Tool;

/// <summary><c>infinorm convert IN OUT</c>: Keras's files to safetensors and back.</summary>
static class ConvertCommand
{
    public static Subcommand Create(Session session)
    {
        var input = new Argument<string>("IN") { Description = "A .safetensors, .keras or .weights.h5 file." };
        var output = new Argument<string>("OUT")
        {
            Description = "The file to write: .safetensors, .keras or .weights.h5. An existing file is replaced.",
        };
        var template = new Option<string?>("--template")
        {
            Description = "A .keras archive of the same model, for an IN that lacks it: a checkpoint saved by Infinorm, or a weights file.",
            HelpName = "ARCHIVE",
        };
        var strict = new Option<bool>("--strict") { Description = "Write nothing if something cannot be carried over." };
        var command = new Subcommand(
            "convert",
            "Converts a Keras archive to safetensors and back, with the optimizer's state. Says first what cannot be carried over.",
            "infinorm convert model.keras model.safetensors", "infinorm convert model.safetensors model.keras",
            "infinorm convert checkpoint.safetensors model.keras --template original.keras") { input, output, template, strict };
        command.SetAction(parsed =>
        {
            string from = parsed.GetRequiredValue(input), to = parsed.GetRequiredValue(output);
            FileKind kind = FileKinds.Of(to);
            session.Progress.Expect(File.Exists(from) ? new FileInfo(from).Length : 0); // about as much is to be written
            using var models = new Template(parsed.GetValue(template), session);
            using StateFile state = StateFile.Open(from, session, models.ConfigFor(from));
            Conversion conversion = state switch
            {
                KerasState keras => kind == FileKind.Safetensors ? ToSafetensors.From(keras) : ToKeras.From(keras, kind),
                SafetensorsState checkpoint => kind == FileKind.Safetensors
                    ? throw new CommandException($"{from}: it is a safetensors file already")
                    : ToKeras.From(checkpoint, kind, models),
                _ => throw new InvalidOperationException($"No conversion from {state.GetType()}."),
            };
            foreach (string omission in conversion.Omissions)
                session.Say($"not carried over: {omission}");
            foreach (string note in conversion.Notes.Concat(models.Unused))
                session.Say($"note: {note}");
            if (conversion.Omissions.Count > 0 && parsed.GetValue(strict))
                throw new CommandException($"{to} was not written: --strict, and something cannot be carried over");

            AtomicFile.Write(to, stream => conversion.Write(new WatchedStream(stream, session)));
            return ExitCode.Success;
        });
        return command;
    }
}
