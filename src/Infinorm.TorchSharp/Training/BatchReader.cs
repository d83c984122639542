namespace Infinorm.Torch.Training;

/// <summary>
/// Reads the batches of a run, epoch after epoch. Before each, torch's generator is seeded for its step. If the run was
/// resumed, the batches of the current pass through the data that it had seen are requested again and skipped.
/// </summary>
sealed class BatchReader(Func<IAsyncEnumerable<Batch>> data, TrainingRun run) : IAsyncDisposable
{
    IAsyncEnumerator<Batch>? _pass;

    /// <summary>How many batches of the pass were asked for.</summary>
    public int Taken { get; private set; }

    /// <summary>The batch to step with.</summary>
    public Batch Current => _pass!.Current;

    /// <summary>Goes to the next batch. Returns false at the end of the pass; the next call begins another one.</summary>
    /// <exception cref="InvalidOperationException">The data have no batch, or fewer than were seen before.</exception>
    public async Task<bool> MoveNextAsync(CancellationToken cancellationToken)
    {
        if (_pass is null)
            (_pass, Taken) = (data().GetAsyncEnumerator(cancellationToken), 0);
        long first = run.Step - run.Position;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            StepSeed.Set(run.Seed, first + Taken);
            if (!await _pass.MoveNextAsync().ConfigureAwait(false))
            {
                if (Taken == 0 || Taken < run.Position)
                    throw TooFewBatches();
                await DisposeAsync().ConfigureAwait(false);
                return false;
            }

            if (Taken++ >= run.Position)
                return true;
        }
    }

    /// <summary>Ends the pass, before its end maybe.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_pass is not null)
            await _pass.DisposeAsync().ConfigureAwait(false);
        _pass = null;
    }

    InvalidOperationException TooFewBatches() => new(run.CompletedEpochs == run.InitialEpoch && run.Batch == 0
        ? "The data have no batch to train with."
        : $"The data gave {Taken} batches in epoch {run.Epoch}, after {Math.Max(run.Position, run.BatchesPerEpoch ?? 0)} before. "
        + "They must be the same in each epoch and when a run is resumed: give a list, TensorBatches, or an iterator that can be "
        + "started again.");
}
