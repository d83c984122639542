using System.Diagnostics;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>The loop of one call of Fit. Between two steps the run is whole: it can be saved, and go on from there.</summary>
sealed class TrainingLoop
{
    readonly Trainer _trainer;
    readonly Func<IAsyncEnumerable<(Tensor Input, Tensor Target)>> _data;
    readonly IEnumerable<(Tensor Input, Tensor Target)>? _validation;
    readonly FitOptions _options;
    readonly TrainingRun _run;
    readonly ThreadCount _threads = new();

    public TrainingLoop(
        Trainer trainer, Func<IAsyncEnumerable<(Tensor Input, Tensor Target)>> data, int? count, string? description,
        IEnumerable<(Tensor Input, Tensor Target)>? validation, int epochs, FitOptions? options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(epochs, 1);
        (_trainer, _data, _validation, _options) = (trainer, data, validation, options ?? new());
        _run = new TrainingRun(trainer, epochs, _options) { BatchesPerEpoch = count, Data = description };
    }

    public async Task<History> RunAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _run.Seed = _options.Seed ?? StepSeed.Draw();
        if (_options.ResumeFrom is { } path && File.Exists(path))
            RunFile.Restore(_run, path);
        _run.History.Beginning = Beginning();

        _run.History.PendingBatches = _trainer.PendingBatches;
        using var mode = new ModelMode(_trainer.Model, training: true);
        using Tensor randomState = random.get_rng_state().DetachFromDisposeScope();
        try
        {
            Tell(callback => callback.OnFitBegin(_run));
            while (_run.Epoch < _run.Epochs && _run.History.StopReason is null)
                await EpochAsync(cancellationToken).ConfigureAwait(false);
            _trainer.FinalizeAverages();
            End(_run.History.StopReason is null ? FitOutcome.Completed : FitOutcome.Stopped);
            return _run.History;
        }
        catch (OperationCanceledException) when (_run.Outcome == FitOutcome.Running)
        {
            End(FitOutcome.Cancelled);
            throw;
        }
        catch (Exception e) when (_run.Outcome == FitOutcome.Running)
        {
            End(FitOutcome.Failed, e);
            throw;
        }
        finally
        {
            random.set_rng_state(randomState);
        }
    }

    async Task EpochAsync(CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        Tell(callback => callback.OnEpochBegin(_run));
        bool isWhole = await StepsAsync(cancellationToken).ConfigureAwait(false);
        _threads.Restore();
        if (!isWhole)
        {
            Tell(callback => callback.OnStoppedWithinEpoch(_run));
            _run.SaveWhatWasAskedFor();
            return;
        }

        OrderedDictionary<string, double> values = new(_run.Means.Values());
        foreach (var (name, value) in Validate(cancellationToken))
            values.Add($"val_{name}", value);
        values.Add("learning_rate", _run.LearningRate);
        _run.Epoch++;
        var log = new EpochLog(_run.Epoch, _run.Batch, Stopwatch.GetElapsedTime(start), values);

        _run.History.Logs.Add(log);
        _run.BatchesPerEpoch = _run.Batch;
        _run.Batch = 0;
        _run.Means.Clear();
        Tell(callback => callback.OnEpochEnd(_run, log));
        _run.SaveWhatWasAskedFor();
    }

    // The steps of an epoch, or what is left of them: batches that were seen before the run was resumed are asked for and passed over.
    // Returns whether the epoch is whole, that is, was not stopped before its last batch.
    async Task<bool> StepsAsync(CancellationToken cancellationToken)
    {
        long first = _run.Step - _run.Batch;
        int batch = 0;
        var batches = _data().GetAsyncEnumerator(cancellationToken);
        await using var _ = batches.ConfigureAwait(false);
        while (_run.History.StopReason is null || batch != _run.BatchesPerEpoch)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_run.History.StopReason is not null && _run.BatchesPerEpoch is not null)
                return false;
            StepSeed.Set(_run.Seed, first + batch);
            if (!await batches.MoveNextAsync().ConfigureAwait(false))
                break;
            _threads.Restore();
            if (_run.History.StopReason is not null)
                return false;
            if (batch++ < _run.Batch)
                continue;

            _trainer.Step(_run, batches.Current.Input, batches.Current.Target);
            _run.Batch = batch;
            _run.LearningRate = _run.LastStep?.LearningRate ?? 0;
            _run.History.Steps++;
            _run.History.SkippedSteps += _run.LastStep?.Result == StepResult.Skipped ? 1 : 0;
            _run.History.PendingBatches = _trainer.PendingBatches;
            Tell(callback => callback.OnBatchEnd(_run));
            _run.SaveWhatWasAskedFor();
        }

        if (batch == 0 || batch < _run.Batch)
            throw TooFewBatches(batch);
        return true;
    }

    OrderedDictionary<string, double> Validate(CancellationToken cancellationToken)
    {
        if (_validation is null)
            return [];
        using IDisposable? averages = _trainer.UseAverages();
        return _trainer.Evaluate(_validation, cancellationToken);
    }

    string? Beginning() => _run.Epoch >= _run.Epochs
        ? $"nothing to do: {_run.Epoch} of {_run.Epochs} epochs are done"
        : _run.Step > 0 ? $"resumed at epoch {_run.Epoch + 1}, batch {_run.Batch + 1}" : null;

    InvalidOperationException TooFewBatches(int found) => new(_run.Epoch == 0 && _run.Batch == 0
        ? "The data have no batch to train with."
        : $"The data gave {found} batches in epoch {_run.Epoch + 1}, after {Math.Max(_run.Batch, _run.BatchesPerEpoch ?? 0)} before. "
        + "They must be the same in each epoch and when a run is resumed: give a list, TensorBatches, or an iterator that can be "
        + "started anew.");

    // Every callback is told, so that files and displays are closed, whatever another one throws.
    void End(FitOutcome outcome, Exception? cause = null)
    {
        _run.Outcome = outcome;
        List<Exception> failures = cause is null ? [] : [cause];
        int before = failures.Count;
        foreach (Callback callback in _options.Callbacks)
        {
            try
            {
                callback.OnFitEnd(_run);
            }
            catch (Exception e)
            {
                failures.Add(e);
            }
        }

        if (failures.Count > before)
            throw failures.Count == 1 ? failures[0] : new AggregateException(failures);
    }

    void Tell(Action<Callback> what)
    {
        foreach (Callback callback in _options.Callbacks)
            what(callback);
    }
}
