using System.Globalization;

namespace Infinorm.Tool.Terminal;

/// <summary>Says how far a command is, once it has taken longer than a second.</summary>
/// <param name="writer">stderr.</param>
/// <param name="isTerminal">Whether it is one: there one line changes, elsewhere a line is added now and then.</param>
/// <param name="clock">The time.</param>
sealed class Progress(TextWriter writer, bool isTerminal, TimeProvider clock)
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    readonly TimeSpan _interval = isTerminal ? TimeSpan.FromSeconds(0.1) : TimeSpan.FromSeconds(5);
    readonly long _start = clock.GetTimestamp();
    TimeSpan _next = Patience;
    long _expected, _done;
    int _shown;

    /// <summary>More bytes are to be read or written.</summary>
    public void Expect(long bytes) => _expected += bytes;

    /// <summary>Bytes were read or written.</summary>
    public void Advance(long bytes)
    {
        _done += bytes;
        TimeSpan elapsed = clock.GetElapsedTime(_start);
        if (elapsed < _next)
            return;
        _next = elapsed + _interval;
        double part = _expected > 0 ? Math.Min(1, (double)_done / _expected) : 0;
        string line = string.Create(CultureInfo.InvariantCulture, $"infinorm: {100 * part:0} % after {elapsed.TotalSeconds:0} s");
        if (isTerminal)
        {
            Clear();
            writer.Write(line);
            _shown = line.Length;
        }
        else
        {
            writer.WriteLine(line);
        }
    }

    /// <summary>Removes the line, for something else to be written.</summary>
    public void Clear()
    {
        if (_shown > 0)
            writer.Write($"\r{new string(' ', _shown)}\r");
        _shown = 0;
    }
}
