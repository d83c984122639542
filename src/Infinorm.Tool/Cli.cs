using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Infinorm.Checkpoints;
using Infinorm.Tool.Terminal;

namespace Infinorm.Tool;

/// <summary>The command line: the root command with all subcommands, its help and its errors.</summary>
static class Cli
{
    const string Name = "infinorm";

    const string ExitCodes = """
        Exit codes:
          0    done; diff: nothing differs
          1    diff: something differs
          2    an error, which one line on stderr names
          130  stopped by Ctrl-C; no file is half written

        """;

    /// <summary>Runs the command.</summary>
    /// <returns>The <see cref="ExitCode"/>.</returns>
    public static int Run(string[] arguments, Session session)
    {
        ParseResult parsed = Root(session).Parse(arguments is [] ? ["--help"] : arguments);
        if (Problem(parsed) is { } problem)
        {
            session.Say($"{problem} (see: {Path(parsed.CommandResult.Command)} --help)");
            return ExitCode.Error;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration
            {
                Output = session.Output,
                Error = session.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null, // Program handles the signals
            });
        }
        catch (OperationCanceledException) when (session.Cancellation.IsCancellationRequested)
        {
            session.Say("stopped");
            return ExitCode.Stopped;
        }
        catch (Exception e)
        {
            bool isExpected = e is CommandException or FormatException or InfinormException or IOException
                or UnauthorizedAccessException or NotSupportedException;
            session.Say(e is CheckpointMismatchException mismatch ? Short(mismatch)
                : isExpected ? e.Message : $"this should not have happened, please report it: {e.GetType().Name}: {e.Message}");
            return ExitCode.Error;
        }
        finally
        {
            session.Progress.Clear();
        }
    }

    static string Short(CheckpointMismatchException mismatch)
    {
        const int Most = 3;
        int more = mismatch.Differences.Count - Most;
        return $"{mismatch.File}: it does not fit: {string.Join("; ", mismatch.Differences.Take(Most))}{(more > 0 ? $"; and {more} more" : "")}";
    }

    // What is wrong with a command line: of several errors not one that only follows from an unknown word, such as a missing command.
    static string? Problem(ParseResult parsed)
    {
        // An unknown option would otherwise be taken for a file.
        if (parsed.Tokens.FirstOrDefault(token => token.Type == TokenType.Argument && token.Value is ['-', _, ..]) is { } mistyped)
        {
            IEnumerable<string> known = parsed.CommandResult.Command.Options.Select(option => option.Name)
                .Where(name => name.StartsWith("--", StringComparison.Ordinal));
            return $"There is no option '{mistyped.Value}'; there are {string.Join(", ", known.Order(StringComparer.Ordinal))}.";
        }

        if (Missing(parsed) is { } missing)
            return $"{missing.Name} is missing: {missing.Description}";
        if (parsed.Errors.Count == 0)
            return parsed.Tokens.Any(token => token.Value.Length == 0) ? "An argument is empty." : null;
        string? unknown = parsed.UnmatchedTokens.FirstOrDefault();
        ParseError? first = parsed.Errors.FirstOrDefault(error => unknown is not null && error.Message.Contains($"'{unknown}'"));
        return (first ?? parsed.Errors[^1]).Message;
    }

    static Argument? Missing(ParseResult parsed) => parsed.UnmatchedTokens.Count > 0 || parsed.Action is Help
        ? null
        : parsed.CommandResult.Command.Arguments.FirstOrDefault(
            argument => argument.Arity.MinimumNumberOfValues > 0 && parsed.GetResult(argument) is not { Tokens.Count: > 0 });

    // A RootCommand answers [suggest], by which shells complete words. It comes with the options for help and version.
    static RootCommand Root(Session session)
    {
        var root = new RootCommand("Shows, compares and converts checkpoints of Infinorm and files of Keras, and draws learning-rate schedules.")
        {
            InspectCommand.Create(session), DiffCommand.Create(session), ConvertCommand.Create(session), ScheduleCommand.Create(session),
        };
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new Help((SynchronousCommandLineAction)help.Action!);
        return root;
    }

    static string Path(Command command) => command is Subcommand ? $"{Name} {command.Name}" : Name;

    /// <summary>The library's help, then examples and exit codes.</summary>
    sealed class Help(SynchronousCommandLineAction standard) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parsed)
        {
            TextWriter output = parsed.InvocationConfiguration.Output;
            var text = new StringWriter { NewLine = output.NewLine };
            parsed.InvocationConfiguration.Output = text;
            standard.Invoke(parsed);
            parsed.InvocationConfiguration.Output = output;
            output.Write(text.ToString().Replace($"  {RootCommand.ExecutableName}", $"  {Name}")); // it has the name of the file that runs
            Command command = parsed.CommandResult.Command;
            output.WriteLine("Examples:");
            IEnumerable<Subcommand> all = command.Subcommands.OfType<Subcommand>();
            foreach (string example in command is Subcommand { Examples: var own } ? own : all.Select(subcommand => subcommand.Examples[0]))
                output.WriteLine($"  {example}");
            output.WriteLine();
            output.Write(ExitCodes);
            return ExitCode.Success;
        }
    }
}
