using System.CommandLine;
using Infinorm.Checkpoints;

namespace Infinorm.Samples;

/// <summary>Runs a sample: what is wrong with its arguments or files is one line and exit code 2.</summary>
static class SampleCommand
{
    public static int Run(RootCommand command, string[] arguments, Action<ParseResult> action)
    {
        command.SetAction(parsed =>
        {
            try
            {
                action(parsed);
                return 0;
            }
            catch (Exception e) when (
                e is InvalidDataException or IOException or UnauthorizedAccessException
                or InfinormException)
            {
                return Refuse(e.Message);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                // A fault of the sample: everything about it on one line, to be reported, in place of a stack trace.
                var at = new System.Diagnostics.StackTrace(e).GetFrame(0)?.GetMethod();
                string message = e.GetBaseException().Message.Split('\n')[0].Trim();
                Refuse($"failed: {e.GetType().Name} in {at?.DeclaringType?.Name}.{at?.Name}: {message}");
                return 1;
            }
        });
        ParseResult result = command.Parse(arguments);
        return result.Errors.Count > 0 ? Refuse(OneLine(result.Errors[0].Message)) : result.Invoke();
    }

    // The library lists the values that an option may have on lines of their own.
    static string OneLine(string message) =>
        string.Join(' ', message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));

    static int Refuse(string problem)
    {
        Console.Error.WriteLine(problem);
        return 2;
    }
}
