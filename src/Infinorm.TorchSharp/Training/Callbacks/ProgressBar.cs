using Spectre.Console;

namespace Infinorm.Torch.Training.Callbacks;

/// <summary>
/// Shows how the training goes: a line after each epoch and, in a terminal, a bar in the present one with loss, metrics and the time left.
/// Keras: <c>ProgbarLogger</c>.
/// </summary>
public sealed class ProgressBar : Callback
{
    readonly IAnsiConsole? _terminal;
    readonly TextWriter _output;
    ProgressTask? _bar;
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

    internal ProgressBar(TextWriter output, IAnsiConsole? terminal)
    {
        ArgumentNullException.ThrowIfNull(output);
        (_output, _terminal) = (output, terminal);
    }

    /// <inheritdoc/>
    public override void OnFitBegin(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.History.Beginning is { } beginning)
            _output.WriteLine(beginning);
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
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(),
                new RemainingTimeColumn())
            .StartAsync(bars =>
            {
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
        _bar.Description = $"{Title(run)}  {Markup.Escape(EpochLog.Format(run.EpochValues))}";
        if (run.BatchesPerEpoch is not null)
            _bar.Value = run.Batch;
    }

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingRun run, EpochLog log)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(log);
        Close();
        _output.WriteLine(log.Describe($"{log.Epoch}/{run.Epochs}"));
    }

    /// <inheritdoc/>
    public override void OnFitEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        Close();
        if (run.Outcome == FitOutcome.Stopped)
            _output.WriteLine($"stopped: {run.History.StopReason}");
    }

    void Close()
    {
        _end?.SetResult();
        _display.GetAwaiter().GetResult();
        (_bar, _end) = (null, null);
    }

    static string Title(TrainingRun run) => $"epoch {run.Epoch + 1}/{run.Epochs}";
}
