using System.Text;

namespace Infinorm.Tool.Terminal;

/// <summary>What a subcommand runs in: where it writes, whether a person looks at it, and whether it is to stop.</summary>
/// <param name="Output">Results.</param>
/// <param name="Error">Errors, notes and progress.</param>
/// <param name="IsOutputTerminal">Whether results are shown rather than read by a program.</param>
/// <param name="Width">How many characters a line has.</param>
/// <param name="Progress">How far it is.</param>
/// <param name="Cancellation">Cancelled by Ctrl-C.</param>
sealed record Session(TextWriter Output, TextWriter Error, bool IsOutputTerminal, int Width, Progress Progress, CancellationToken Cancellation)
{
    const int DefaultWidth = 80;

    public static Session OfConsole(CancellationToken stop) => new(
        Console.Out, Console.Error, !Console.IsOutputRedirected,
        !Console.IsOutputRedirected && Console.WindowWidth > 0 ? Console.WindowWidth : DefaultWidth, // a terminal may not know
        new Progress(Console.Error, !Console.IsErrorRedirected, TimeProvider.System), stop);

    /// <summary>Writes one line to stderr, after what there is of progress.</summary>
    public void Say(string line)
    {
        Progress.Clear();
        Error.WriteLine($"infinorm: {OneLine(line)}");
    }

    /// <summary>
    /// A text that comes from a file on one line, and without characters that would move a terminal's cursor or worse.
    /// </summary>
    public static string OneLine(string text)
    {
        var clean = new StringBuilder(text.Length);
        foreach (char c in text.ReplaceLineEndings(" "))
            clean.Append(char.IsControl(c) || TurnsText(c) ? $"\\u{(int)c:x4}" : c.ToString());
        return clean.ToString();

        // Marks that show the characters after them in another order than they stand.
        static bool TurnsText(char c) => c is (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069');
    }
}
