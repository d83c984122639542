using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using Microsoft.Extensions.Logging;

namespace Infinorm.Torch.Tests.Training.Callbacks;

/// <summary>Callbacks of functions, messages to a logger, and what is shown without any callback.</summary>
[Collection(nameof(Alone))]
public sealed class LambdaAndLoggerTests : IDisposable
{
    readonly Problem _problem = new();

    [Fact]
    public void FunctionsAreCalledAsMethodsAre()
    {
        var told = new List<string>();
        _problem.Trainer.Fit(_problem.Data, 2, new()
        {
            StepsPerEpoch = 2,
            Callbacks =
            [
                new LambdaCallback(),
                new LambdaCallback
                {
                    FitBegin = run => told.Add($"begin {run.Epochs}"),
                    EpochBegin = run => told.Add($"epoch {run.Epoch}"),
                    Gradients = run => told.Add($"gradients {run.Step}"),
                    BatchEnd = run => told.Add($"batch {run.Batch}"),
                    EpochEnd = (run, log) => told.Add($"epoch {run.Epoch} = {log.Epoch}"),
                    FitEnd = run => told.Add($"{run.Outcome}"),
                },
            ],
        });
        Assert.Equal(
            [
                "begin 2", "epoch 1", "gradients 0", "batch 1", "gradients 1", "batch 2", "epoch 1 = 1", "epoch 2", "gradients 2", "batch 1",
                "gradients 3", "batch 2", "epoch 2 = 2", "Completed",
            ],
            told);
    }

    [Fact]
    public void ALoggerIsToldOfTheRun()
    {
        var logger = new Remembering();
        History history = _problem.Trainer.Fit(_problem.Data, 2, new() { Callbacks = [new LoggerCallback(logger) { EverySteps = 9 }] });
        Assert.Equal(["FitBegin", "BatchEnd", "EpochEnd", "BatchEnd", "EpochEnd", "FitEnd"], logger.Messages.Select(message => message.Event));
        Assert.Equal(
            [LogLevel.Information, LogLevel.Debug, LogLevel.Information], logger.Messages.Take(3).Select(message => message.Level));
        Assert.Equal("the training begins", logger.Messages[0].Text);
        Assert.StartsWith("epoch 1/2  9 batches in ", logger.Messages[2].Text);
        Assert.Equal("completed: 2 epochs, 18 steps", logger.Messages[^1].Text);
        Dictionary<string, object?> values = logger.Messages[4].Values;
        Assert.Equal((2, 9, history["loss"][1], history["accuracy"][1]), (values["epoch"], values["batches"], values["loss"], values["accuracy"]));

        logger.Messages.Clear();
        logger.Least = LogLevel.Information;
        _problem.Trainer.Fit(_problem.Data, 1, new()
        {
            Callbacks = [new LambdaCallback { BatchEnd = run => run.Stop("enough") }, new LoggerCallback(logger) { EverySteps = 1 }],
        });
        Assert.Equal(["the training begins", "stopped: enough"], logger.Messages.Select(message => message.Text));
    }

    [Fact]
    public void ALoggerIsToldOfFailures()
    {
        var logger = new Remembering();
        Assert.Throws<TimeZoneNotFoundException>(() => _problem.Trainer.Fit(_problem.Data, 1, new()
        {
            Callbacks = [new LoggerCallback(logger), new LambdaCallback { BatchEnd = _ => throw new TimeZoneNotFoundException() }],
        }));
        Assert.Equal((LogLevel.Error, "failed after 1 steps"), (logger.Messages[^1].Level, logger.Messages[^1].Text));

        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => _problem.Trainer.Fit(
            _problem.Data, 1, new() { Callbacks = [new LoggerCallback(logger), new LambdaCallback { BatchEnd = _ => stop.Cancel() }] }, stop.Token));
        Assert.Equal((LogLevel.Warning, "cancelled after 1 steps"), (logger.Messages[^1].Level, logger.Messages[^1].Text));
        Assert.Throws<ArgumentNullException>(() => new LoggerCallback(null!));
        Assert.Throws<ArgumentOutOfRangeException>(() => new LoggerCallback(logger) { EverySteps = 0 });
    }

    [Theory]
    [InlineData(Verbosity.Auto, true, 0)]
    [InlineData(Verbosity.Auto, false, 1)]
    [InlineData(Verbosity.Silent, false, 0)]
    [InlineData(Verbosity.Bar, true, 1)]
    [InlineData(Verbosity.Lines, true, 1)]
    public void ABarIsAddedByVerbosity(Verbosity verbosity, bool isRedirected, int bars)
    {
        Assert.Equal(bars, ProgressBar.For(new() { Verbosity = verbosity }, isRedirected).Count());
        Assert.Equal(bars, ProgressBar.For(new() { Verbosity = verbosity, Callbacks = [new StopOnNaN()] }, isRedirected).Count());
        Assert.Empty(ProgressBar.For(new() { Verbosity = verbosity, Callbacks = [new ProgressBar(TextWriter.Null)] }, isRedirected));
    }

    [Fact]
    public void LinesAreShownWhereWanted()
    {
        string Shown(FitOptions? options)
        {
            TextWriter before = Console.Out;
            using var output = new StringWriter();
            Console.SetOut(output);
            try
            {
                _problem.Trainer.Fit(_problem.Data, 2, options);
            }
            finally
            {
                Console.SetOut(before);
            }

            return output.ToString();
        }

        Assert.Equal(2, Shown(new() { Verbosity = Verbosity.Lines }).Split('\n').Count(line => line.StartsWith("epoch ", StringComparison.Ordinal)));
        Assert.Equal("", Shown(new() { Verbosity = Verbosity.Silent }));
        if (Console.IsOutputRedirected)
            Assert.Equal("", Shown(null));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FitOptions { Verbosity = (Verbosity)9 });
    }

    public void Dispose() => _problem.Dispose();

    sealed class Remembering : ILogger
    {
        public List<(LogLevel Level, string Event, string Text, Dictionary<string, object?> Values)> Messages { get; } = [];

        public LogLevel Least { get; set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= Least;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Messages.Add((logLevel, eventId.Name!, formatter(state, exception), ((IReadOnlyList<KeyValuePair<string, object?>>)state!).ToDictionary()));
    }
}
