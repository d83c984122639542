using System.Collections.ObjectModel;
using System.Diagnostics;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>The loop of one call of Fit. Between two steps the run can be saved and resumed.</summary>
sealed class TrainingLoop
{
    readonly Trainer _trainer;
    readonly TorchOptimizer _optimizer;
    readonly Parameter[] _parameters;
    readonly ForwardPass _forward;
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
        (_optimizer, _parameters) = (trainer.Optimizer, [.. trainer.Optimizer.parameters()]);
        _forward = new ForwardPass(trainer.Model, trainer.Loss);
        _run = new TrainingRun(trainer, epochs, _options) { BatchesPerEpoch = count, Data = description };
    }

    /// <summary>Leaves the averages in the parameters, where the optimizer keeps some.</summary>
    public static void FinalizeAverages(TorchOptimizer optimizer)
    {
        if (optimizer.Optimizer.HasAverages)
            optimizer.FinalizeVariableValues();
    }

    public async Task<History> RunAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _run.Seed = _options.Seed ?? StepSeed.Draw();
        if (_options.ResumeFrom is { } path && File.Exists(path))
            RunFile.Restore(_run, path);
        _run.History.Beginning = Beginning();

        _run.History.PendingBatches = _optimizer.Optimizer.PendingCalls;
        using var mode = new ModelMode(_trainer.Model, training: true);
        using Tensor randomState = random.get_rng_state().DetachFromDisposeScope();
        try
        {
            Notify(callback => callback.OnFitBegin(_run));
            while (_run.Epoch < _run.Epochs && _run.History.StopReason is null)
                await EpochAsync(cancellationToken).ConfigureAwait(false);
            FinalizeAverages(_optimizer);
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
        Notify(callback => callback.OnEpochBegin(_run));
        bool isWhole = await StepsAsync(cancellationToken).ConfigureAwait(false);
        _threads.Restore();
        if (!isWhole)
        {
            Notify(callback => callback.OnStoppedWithinEpoch(_run));
            _run.SaveRequestedFiles();
            return;
        }

        OrderedDictionary<string, double> values = _run.Means.Values();
        foreach (var (name, value) in Validate(cancellationToken))
            values.Add($"val_{name}", value);
        values.Add("learning_rate", _run.LearningRate);
        _run.Epoch++;
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
        _run.Means.Clear();
        Notify(callback => callback.OnEpochEnd(_run, log));
        _run.SaveRequestedFiles();
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

            Step(batches.Current.Input, batches.Current.Target);
            _run.Batch = batch;
            _run.LearningRate = _run.LastStep?.LearningRate ?? 0;
            _run.History.Steps++;
            _run.History.SkippedSteps += _run.LastStep?.Result == StepResult.Skipped ? 1 : 0;
            _run.History.PendingBatches = _optimizer.Optimizer.PendingCalls;
            Notify(callback => callback.OnBatchEnd(_run));
            _run.SaveRequestedFiles();
        }

        if (batch == 0 || batch < _run.Batch)
            throw TooFewBatches(batch);
        return true;
    }

    // One step: the gradients of a batch's loss, then the optimizer.
    void Step(Tensor input, Tensor target)
    {
        using var scope = NewDisposeScope();
        using var grad = enable_grad();
        _optimizer.zero_grad();

        Tensor prediction = _forward.Predict(input);
        Tensor loss = _forward.Loss(prediction, target);
        if (!loss.requires_grad)
            throw LossWithoutParameters();
        _run.Loss = loss.ToNumber();
        if (_run.Step == 0 && !double.IsFinite(_run.Loss))
            throw new InvalidOperationException(NonFinite.OfLoss(_run, input, target, prediction));

        _optimizer.ScaleLoss(loss).backward();
        if (_run.Step == 0 && !_parameters.Any(HasGradient))
            throw LossWithoutParameters();
        Notify(callback => callback.OnGradients(_run));

        long start = Stopwatch.GetTimestamp();
        _optimizer.step();
        _run.History.OptimizerTime += Stopwatch.GetElapsedTime(start);

        using var noGrad = no_grad();
        _run.Means.Add(_run.Loss, prediction, target);
    }

    IReadOnlyDictionary<string, double> Validate(CancellationToken cancellationToken)
    {
        if (_validation is null)
            return ReadOnlyDictionary<string, double>.Empty;
        using IDisposable? averages = _run.UseAverages();
        return _trainer.Evaluate(_validation, cancellationToken);
    }

    string? Beginning() => _run.Epoch >= _run.Epochs
        ? $"nothing to do: {_run.Epoch} of {_run.Epochs} epochs are done"
        : _run.Step > 0 ? $"resumed at epoch {_run.Epoch + 1}, batch {_run.Batch + 1}" : null;

    InvalidOperationException LossWithoutParameters() => new(
        $"The loss does not depend on any of the optimizer's {_parameters.Length} parameters, so there is nothing to learn. Look for "
        + "detach(), no_grad() or integer operations in the model or the loss, and whether the optimizer was made for this model.");

    static bool HasGradient(Parameter parameter)
    {
        using Tensor? gradient = parameter.grad;
        return gradient is not null;
    }

    InvalidOperationException TooFewBatches(int found) => new(_run.Epoch == 0 && _run.Batch == 0
        ? "The data have no batch to train with."
        : $"The data gave {found} batches in epoch {_run.Epoch + 1}, after {Math.Max(_run.Batch, _run.BatchesPerEpoch ?? 0)} before. "
        + "They must be the same in each epoch and when a run is resumed: give a list, TensorBatches, or an iterator that can be "
        + "started again.");

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

    void Notify(Action<Callback> what)
    {
        foreach (Callback callback in _options.Callbacks)
            what(callback);
    }
}
