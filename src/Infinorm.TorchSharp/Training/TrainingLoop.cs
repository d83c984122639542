using System.Collections.ObjectModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Infinorm.Execution;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>The loop of one call of Fit. Between two steps the run can be saved and resumed.</summary>
sealed class TrainingLoop
{
    readonly Trainer _trainer;
    readonly OptimizerDriver _optimizer;
    readonly Parameter[] _parameters;
    readonly Func<IAsyncEnumerable<Batch>> _data;
    readonly IEnumerable<Batch>? _validation;
    readonly FitOptions _options;
    readonly IReadOnlyList<Callback> _callbacks;
    readonly TrainingRun _run;
    readonly RankMeetings? _ranks; // where several train together
    readonly ThreadCount _threads = new();
    CancellationToken _cancellation;

    public TrainingLoop(
        Trainer trainer, Func<IAsyncEnumerable<Batch>> data, int? count, string? description, IEnumerable<Batch>? validation,
        Callback? first, int epochs, FitOptions? options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(epochs, 1);
        (_trainer, _data, _validation, _options) = (trainer, data, validation, options ?? new());
        if (_options.InitialEpoch >= epochs)
        {
            throw new ArgumentException(
                $"The initial epoch, {_options.InitialEpoch}, must be less than the number of the last one, {epochs}: that many are "
                + "completed.", nameof(options));
        }

        _callbacks = [.. first is null ? (Callback[])[] : [first], .. _options.Callbacks, .. ProgressBar.For(_options, Console.IsOutputRedirected)];
        (_optimizer, _parameters) = (trainer.Driver, trainer.Driver.Parameters);
        if (_optimizer.World is { } world)
            _callbacks = [.. _callbacks.Where(callback => world.IsFirst || !callback.IsForFirstRank)];
        _run = new TrainingRun(trainer, epochs, _options) { BatchesPerEpoch = _options.StepsPerEpoch ?? count, Data = description };
        _ranks = _optimizer.World is null ? null : new RankMeetings(_optimizer.World, _run);
    }

    public async Task<History> RunAsync(CancellationToken cancellationToken)
    {
        if (_ranks is null)
            cancellationToken.ThrowIfCancellationRequested();
        else
            (_cancellation, cancellationToken) = (cancellationToken, CancellationToken.None); // ranks agree on it
        _run.Seed = _options.Seed ?? StepSeed.Draw();
        if (_ranks is null)
            Resume();
        else
            ResumeTogether(_optimizer.World!);
        _run.History.Beginning = Beginning();

        _run.History.PendingBatches = _optimizer.PendingCalls;
        using var mode = new ModelMode(_trainer.Model, training: true);
        using Tensor randomState = random.get_rng_state().DetachFromDisposeScope();
        try
        {
            Notify(callback => callback.OnFitBegin(_run));
            await EpochsAsync(cancellationToken).ConfigureAwait(false);
            _threads.Restore();
            RequireSaved();
            _optimizer.FinalizeAverages();
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

    void Resume()
    {
        if (_options.ResumeFrom is { } path && File.Exists(path))
            RunFile.Restore(_run, path);
    }

    void ResumeTogether(World world)
    {
        long seed = _run.Seed;
        world.Broadcast(MemoryMarshal.AsBytes(new Span<long>(ref seed)), root: 0);
        _run.Seed = seed;
        _ranks!.Meet(_options.ResumeFrom is { } path && File.Exists(path) ? "the file to resume from" : "a new run");
        world.Together(Resume);
        if (_optimizer.PendingCalls > 0)
            throw new InvalidOperationException($"The optimizer is in the middle of an update of {world.BatchesPerUpdate} batches; ranks begin to train between updates.");
        RequireWholeUpdates();
    }

    // Nothing can be saved in the middle of an update.
    void RequireWholeUpdates()
    {
        if (_optimizer.World is { BatchesPerUpdate: var all } && _run.BatchesPerEpoch % all is > 0 && _options.Callbacks.Any(callback => callback.SavesRuns))
        {
            throw new InvalidOperationException(
                $"An epoch has {_run.BatchesPerEpoch} batches, and {all} make an update: ranks cannot save a checkpoint in the middle of one. Make the "
                + $"batches of an epoch a multiple of {all}, or set {nameof(FitOptions.StepsPerEpoch)} to one.");
        }
    }

    void RequireSaved()
    {
        if (_run.RequestedFiles.Count > 0)
        {
            throw new InvalidOperationException(
                $"{_run.RequestedFiles[0].Path} could not be saved: the run ended {_ranks!.Position} batches after the last update of "
                + $"{_optimizer.World!.BatchesPerUpdate}, and ranks save after an update.");
        }
    }

    async Task EpochsAsync(CancellationToken cancellationToken)
    {
        var batches = new BatchReader(_data, _run);
        await using var _ = batches.ConfigureAwait(false);
        while (_run.CompletedEpochs < _run.Epochs && _run.History.StopReason is null)
            await EpochAsync(batches, cancellationToken).ConfigureAwait(false);
    }

    async Task EpochAsync(BatchReader batches, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        _run.Epoch = _run.CompletedEpochs + 1;
        Notify(callback => callback.OnEpochBegin(_run));
        bool isWhole = await StepsAsync(batches, cancellationToken).ConfigureAwait(false);
        _threads.Restore();
        if (!isWhole)
        {
            Notify(callback => callback.OnStoppedWithinEpoch(_run));
            SaveFiles();
            return;
        }

        if (_options.StepsPerEpoch is null)
        {
            await batches.DisposeAsync().ConfigureAwait(false);
            _threads.Restore();
            _run.Position = 0;
        }

        OrderedDictionary<string, double> values = _run.Totals.Values();
        foreach (var (name, value) in Validate(cancellationToken))
            values.Add($"val_{name}", value);
        values.Add("learning_rate", _run.LearningRate);
        _run.CompletedEpochs++;
        var log = new EpochLog
        {
            Epoch = _run.Epoch,
            Batches = _run.Batch,
            Duration = Stopwatch.GetElapsedTime(start),
            Values = new ReadOnlyDictionary<string, double>(values),
        };

        _run.History.Logs.Add(log);
        _run.BatchesPerEpoch = _run.Batch;
        _run.Batch = 0;
        _run.Totals.Clear();
        RequireWholeUpdates();
        Notify(callback => callback.OnEpochEnd(_run, log));
        SaveFiles();
    }

    // The steps of an epoch, or what is left of them. Returns whether the epoch is whole, that is, was not stopped before its last batch.
    async Task<bool> StepsAsync(BatchReader batches, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_run.History.StopReason is not null && _run.BatchesPerEpoch is { } all)
                return _run.Batch == all;
            if (_run.Batch + (_ranks?.Waiting ?? 0) == _options.StepsPerEpoch || !await NextAsync(batches, cancellationToken).ConfigureAwait(false))
            {
                Tell();
                return true;
            }

            _threads.Restore();
            if (_run.History.StopReason is not null)
                return false;

            if (_ranks is not null)
            {
                StepTogether(batches);
                continue;
            }

            double[] sums = Gradients(batches.Current);
            Update();
            Note(batches.Taken, _run.Loss, sums, isUpdate: true);
            Notify(callback => callback.OnBatchEnd(_run));
            SaveFiles();
        }
    }

    // Where epochs have a number of steps of their own, the data begin again when they end.
    async Task<bool> NextAsync(BatchReader batches, CancellationToken cancellationToken)
    {
        try
        {
            if (await batches.MoveNextAsync(cancellationToken).ConfigureAwait(false))
                return true;
            if (_options.StepsPerEpoch is null)
                return false;
            Tell();
            _run.Position = 0;
            return await batches.MoveNextAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (_ranks is not null && e is not WorldException)
        {
            _ranks.Meet("", e);
            throw;
        }
    }

    // The batch's owner trains with it; all pass it, and tell their callbacks of an update's batches once it is made.
    void StepTogether(BatchReader batches)
    {
        double[]? values = null;
        if (_ranks!.IsOwn)
        {
            try
            {
                double[] sums = Gradients(batches.Current);
                values = [_run.Loss, .. sums];
                if (_ranks.IsLastOwn)
                    _optimizer.HoldBuffers(); // until all are here, maybe in the next epoch
                else
                    Update();
            }
            catch (Exception e) when (e is not WorldException)
            {
                _ranks.Meet("", e);
                throw;
            }
        }

        _ranks.Add(batches.Taken, values);
        if (_ranks.Position == 0)
        {
            _ranks.Meet(Place);
            Update();
            Tell();
        }
    }

    string Place => $"batch {_run.Batch + _ranks!.Waiting} of epoch {_run.Epoch}";

    // Tells the callbacks of the batches that the ranks have trained with.
    void Tell()
    {
        if (_ranks is null || _ranks.Waiting == 0)
            return;
        bool isUpdate = _ranks.Position == 0;
        if (!isUpdate)
            _ranks.Meet($"the end of the data, {Place}");
        Exception? failure = null;
        try
        {
            IReadOnlyList<(int Taken, double[] Values)> told = _ranks.Take();
            foreach (var (batch, (taken, values)) in told.Index())
            {
                Note(taken, values[0], values[1..], isUpdate && batch == told.Count - 1);
                foreach (Callback callback in _callbacks)
                    callback.OnBatchEnd(_run);
            }
        }
        catch (Exception e) when (e is not WorldException)
        {
            failure = e;
        }

        _ranks.Agree(Place, failure, _cancellation.IsCancellationRequested);
        SaveFiles();
    }

    // The gradients of a batch's loss. Returns what the batch adds to the totals.
    double[] Gradients(Batch given)
    {
        using var scope = NewDisposeScope();
        using var grad = enable_grad();
        _optimizer.DropGradients();

        Batch batch = given.To(_trainer.Device);
        IReadOnlyList<Tensor> predictions = _trainer.Forward.Predict(batch.Inputs);
        Tensor? weights = ExampleWeights.Of(batch, _options.ClassWeights);
        Tensor loss = _trainer.Forward.Loss(predictions, batch, weights);
        if (!loss.requires_grad)
            throw LossWithoutParameters();
        _run.Loss = loss.ToNumber();
        if (_run.Step == 0 && !double.IsFinite(_run.Loss))
            throw new InvalidOperationException(NonFinite.OfLoss(_run, batch, predictions));
        double[] sums;
        using (no_grad())
            sums = _run.Totals.Of(_run.Loss, predictions, batch, weights);

        _optimizer.ScaleLoss(loss).backward();
        if (_run.Step == 0 && !_parameters.Any(HasGradient))
            throw LossWithoutParameters();
        foreach (Callback callback in _callbacks)
            callback.OnGradients(_run);
        return sums;
    }

    void Update()
    {
        long start = Stopwatch.GetTimestamp();
        _optimizer.Step();
        _run.History.OptimizerTime += Stopwatch.GetElapsedTime(start);
    }

    // A step that was made.
    void Note(int taken, double loss, double[] sums, bool isUpdate)
    {
        _run.Loss = loss;
        _run.Totals.Add(sums);
        _run.Batch++;
        _run.Position = taken;
        _run.History.Steps++;
        _run.History.PendingBatches = _ranks?.Position ?? _optimizer.PendingCalls;
        if (!isUpdate)
            return;
        _run.LearningRate = _optimizer.LearningRate;
        _run.History.SkippedSteps += _run.LastStep?.Result == StepResult.Skipped ? 1 : 0;
    }

    IReadOnlyDictionary<string, double> Validate(CancellationToken cancellationToken)
    {
        if (_validation is null || _run.Epoch % _options.ValidateEvery != 0)
            return ReadOnlyDictionary<string, double>.Empty;
        using IDisposable? averages = _run.UseAverages();
        return _trainer.EvaluateShare(_validation, _ranks, cancellationToken);
    }

    string? Beginning() => _run.CompletedEpochs >= _run.Epochs
        ? $"nothing to do: {_run.CompletedEpochs} of {_run.Epochs} epochs are done"
        : _run.Step > 0 ? $"resumed at epoch {_run.CompletedEpochs + 1}, batch {_run.Batch + 1}" : null;

    InvalidOperationException LossWithoutParameters() => new(
        $"The loss does not depend on any of the optimizer's {_parameters.Length} parameters, so there is nothing to learn. Look for "
        + "detach(), no_grad() or integer operations in the model or the loss, and whether the optimizer was made for this model.");

    static bool HasGradient(Parameter parameter)
    {
        using Tensor? gradient = parameter.grad;
        return gradient is not null;
    }

    // Every callback is told, so that files and displays are closed, whatever another one throws.
    void End(FitOutcome outcome, Exception? cause = null)
    {
        _run.Outcome = outcome;
        List<Exception> failures = cause is null ? [] : [cause];
        int before = failures.Count;
        foreach (Callback callback in _callbacks)
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

    // Whatever one rank's callbacks throw or decide holds for all.
    void Notify(Action<Callback> what)
    {
        Exception? failure = null;
        try
        {
            foreach (Callback callback in _callbacks)
                what(callback);
        }
        catch (Exception e) when (_ranks is not null && e is not WorldException)
        {
            failure = e;
        }

        _ranks?.Agree(Place, failure, _cancellation.IsCancellationRequested);
    }

    void SaveFiles()
    {
        if (_ranks is null || _ranks.Position == 0)
            _run.SaveRequestedFiles();
    }
}
