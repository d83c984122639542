using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Infinorm.Checkpoints;

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
        catch (OperationCanceledException) when (session.Stop.IsCancellationRequested)
        {
            session.Say("stopped");
            return ExitCode.Stopped;
        }
        catch (Exception e)
        {
            bool isExpected = e is CommandException or FormatException or InfinormException or IOException
                or UnauthorizedAccessException or NotSupportedException;
            session.Say(isExpected ? e.Message : $"this should not have happened, please report it: {e.GetType().Name}: {e.Message}");
            return ExitCode.Error;
        }
        finally
        {
            session.Progress.Clear();
        }
    }

    // What is wrong with a command line: of several errors not one that only follows from an unknown word, such as a missing command.
    static string? Problem(ParseResult parsed)
    {
        if (parsed.Errors.Count == 0)
            return parsed.Tokens.Any(token => token.Value.Length == 0) ? "An argument is empty." : null;
        string? unknown = parsed.UnmatchedTokens.FirstOrDefault();
        ParseError? first = parsed.Errors.FirstOrDefault(error => unknown is not null && error.Message.Contains($"'{unknown}'"));
        return (first ?? parsed.Errors[^1]).Message;
    }

    // Not a RootCommand, which has the name of the file that runs: that of the assembly.
    static Command Root(Session session)
    {
        var help = new HelpOption { Recursive = true };
        help.Action = new Help((SynchronousCommandLineAction)help.Action!);
        return new(Name, "Looks into checkpoints of Infinorm and files of Keras, compares and converts them, and draws schedules.")
        {
            InspectCommand.Create(session), DiffCommand.Create(session), ConvertCommand.Create(session), ScheduleCommand.Create(session),
            help, new VersionOption(),
        };
    }

    static string Path(Command command) => command is Subcommand ? $"{Name} {command.Name}" : Name;

    /// <summary>The library's help, then examples and exit codes.</summary>
    sealed class Help(SynchronousCommandLineAction standard) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parsed)
        {
            standard.Invoke(parsed);
            TextWriter output = parsed.InvocationConfiguration.Output;
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
