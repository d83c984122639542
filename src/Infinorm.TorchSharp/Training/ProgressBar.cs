using System.Diagnostics;
using Spectre.Console;

namespace Infinorm.Torch.Training;

/// <summary>
/// Shows how the training goes: a line after each epoch and, in a terminal, a bar in the present one with loss, metrics and the time left.
/// Keras: <c>ProgbarLogger</c>.
/// </summary>
public sealed class ProgressBar : Callback
{
    const int BarWidth = 20, BesideText = BarWidth + 24; // percentage, time left and what is between the columns

    static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.1);

    readonly IAnsiConsole? _terminal;
    readonly TextWriter _output;
    ProgressContext? _bars;
    ProgressTask? _bar;
    long _shownAt;
    TaskCompletionSource? _end;
    Task _display = Task.CompletedTask;

    /// <summary>Shows it on the console: lines only, if the output is redirected.</summary>
    public ProgressBar()
        : this(Console.Out, Console.IsOutputRedirected ? null : AnsiConsole.Console)
    {
    }

    /// <summary>Writes lines to a writer, such as a log.</summary>
    /// <param name="output">Where to.</param>
    public ProgressBar(TextWriter output)
        : this(output, terminal: null)
    {
    }

    /// <summary>The one that Fit adds of its own accord, if any.</summary>
    internal static IEnumerable<Callback> For(FitOptions options, bool isRedirected) =>
        options.Callbacks.Any(callback => callback is ProgressBar) ? [] : options.Verbosity switch
        {
            Verbosity.Silent => [],
            Verbosity.Auto when isRedirected => [],
            Verbosity.Lines => [new ProgressBar(Console.Out)],
            _ => [new ProgressBar()],
        };

    internal ProgressBar(TextWriter output, IAnsiConsole? terminal)
    {
        ArgumentNullException.ThrowIfNull(output);
        (_output, _terminal) = (output, terminal);
    }

    internal override bool IsForFirstRank => true;

    /// <inheritdoc/>
    public override void OnFitBegin(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.History.Beginning is { } beginning)
            WriteLine(beginning);
    }

    /// <inheritdoc/>
    public override void OnEpochBegin(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (_terminal is null)
            return;
        var end = _end = new TaskCompletionSource();
        _display = _terminal.Progress()
            .AutoClear(true)
            .AutoRefresh(false) // what a thread of its own leaves to the garbage collector can harm a call of TorchSharp's
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = BarWidth }, new PercentageColumn(),
                new RemainingTimeColumn())
            .StartAsync(bars =>
            {
                _bars = bars;
                _bar = bars.AddTask(Title(run), maxValue: run.BatchesPerEpoch ?? 1);
                _bar.IsIndeterminate = run.BatchesPerEpoch is null;
                return end.Task;
            });
    }

    /// <inheritdoc/>
    public override void OnBatchEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (_bar is null)
            return;
        string text = Fold($"{Title(run)}  {EpochLog.Format(run.EpochValues)}", _terminal!.Profile.Width - BesideText).First();
        _bar.Description = Markup.Escape(text); // what has no room is in the epoch's line
        if (run.BatchesPerEpoch is not null)
            _bar.Value = run.Batch;
        if (Stopwatch.GetElapsedTime(_shownAt) < Interval)
            return;
        _bars!.Refresh();
        _shownAt = Stopwatch.GetTimestamp();
    }

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingRun run, EpochLog log)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(log);
        Close();
        WriteLine(log.Describe($"{log.Epoch}/{run.Epochs}"));
    }

    /// <inheritdoc/>
    public override void OnFitEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        Close();
        if (run.Outcome == FitOutcome.Stopped)
            WriteLine($"stopped: {run.History.StopReason}");
    }

    void Close()
    {
        _end?.SetResult();
        _display.GetAwaiter().GetResult();
        (_bars, _bar, _end, _shownAt) = (null, null, null, 0);
    }

    // A log's lines have no width.
    void WriteLine(string line)
    {
        foreach (string folded in _terminal is null ? [line] : Fold(line, _terminal.Profile.Width))
            _output.WriteLine(folded);
    }

    /// <summary>
    /// A line as lines of a width: broken between its parts, which two spaces divide, and within a part, between words, only where that is
    /// wider than a line. A terminal would break it anywhere, even within numbers.
    /// </summary>
    internal static IEnumerable<string> Fold(string line, int width)
    {
        const string between = "  ", indent = "  ";
        string folded = "";
        foreach (string part in line.Split(between))
        {
            string separator = folded.Length == 0 ? "" : between;
            foreach (string piece in indent.Length + part.Length <= width ? [part] : part.Split(' '))
            {
                if (folded.Length > 0 && folded.Length + separator.Length + piece.Length > width)
                {
                    yield return folded;
                    (folded, separator) = ("", indent.Length + piece.Length <= width ? indent : "");
                }

                folded += separator + piece;
                separator = " ";
            }
        }

        yield return folded;
    }

    static string Title(TrainingRun run) => $"epoch {run.Epoch}/{run.Epochs}";
}
