namespace Infinorm.Torch.Training.Callbacks;

/// <summary>
/// Finds a learning rate: it trains with a rate that grows from step to step until the loss explodes, records the losses, and then
/// restores model and optimizer. Make it the only callback of a call of <see cref="Trainer"/>'s Fit, then read <see cref="Suggestion"/>.
/// Groups of parameters with a rate of their own keep that rate.
/// </summary>
/// <param name="from">The first rate, &gt; 0. The default is 1e-6.</param>
/// <param name="to">The last rate, larger than the first. The default is 1.</param>
/// <param name="steps">
/// The number of steps from the first rate to the last, ≥ 10. The default is 100. Fit must have at least as many batches over all epochs.
/// </param>
public sealed class LearningRateFinder(double from = 1e-6, double to = 1, int steps = 100) : Callback
{
    // A loss of this many times the best one will not recover.
    const double Explosion = 4;

    // Losses of single batches are noisy, so they are smoothed.
    const double Smoothing = 0.9;

    readonly List<(double Rate, double Loss)> _points = [];
    readonly int _steps = from > 0 && to > from && double.IsFinite(to) && steps >= 10
        ? steps
        : throw new ArgumentException($"The rates must grow from above 0, in at least 10 steps: found {from} to {to} in {steps} steps.");

    ModelSnapshot? _weights;
    Action? _putBack;
    double _average, _best;
    bool _isDone;

    /// <summary>The rates that were tried, each with its smoothed loss.</summary>
    public IReadOnlyList<(double Rate, double Loss)> Points => _points.AsReadOnly();

    /// <summary>The rate in the middle of the range in which the loss fell, a good start. Null if the loss did not fall, or if
    /// the data ended before all rates were tried.</summary>
    public double? Suggestion { get; private set; }

    /// <inheritdoc/>
    public override void OnFitBegin(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        int epochs = run.Epochs - run.InitialEpoch;
        if (run.BatchesPerEpoch is { } batches && (long)batches * epochs < _steps)
        {
            throw new ArgumentException(
                $"{_steps} learning rates are to be tried, a step each, and there are only {(long)batches * epochs} steps: "
                + $"{batches} batches × {epochs} epochs. Give Fit more epochs, at least {(_steps + batches - 1) / batches}.");
        }

        _isDone = false;
        _points.Clear();
        (Suggestion, _average, _best) = (null, 0, double.PositiveInfinity);
        _weights = new ModelSnapshot();
        _weights.CopyFrom(run.Model);
        _putBack = run.Trainer.Driver.Remember();
        run.Trainer.Driver.LearningRate = from;
    }

    /// <inheritdoc/>
    public override void OnBatchEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        int count = _points.Count + 1;
        _average = Smoothing * _average + (1 - Smoothing) * run.Loss;
        double loss = _average / (1 - Math.Pow(Smoothing, count));
        _best = Math.Min(_best, loss);
        _points.Add((run.LearningRate, loss));
        if (!(loss <= Explosion * _best) || count == _steps)
        {
            _isDone = true;
            run.Stop("learning rates tried");
        }
        else
        {
            run.Trainer.Driver.LearningRate = from * Math.Pow(to / from, (double)count / (_steps - 1));
        }
    }

    /// <inheritdoc/>
    public override void OnFitEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (_weights is null)
            return; // another callback failed before this one began
        _putBack!();
        _weights.CopyTo(run.Model);
        _weights.Dispose();
        _weights = null;
        Suggestion = _isDone ? Valley() : null;
    }

    // The middle of the longest way down: of the longest subsequence of falling losses, its end and its length back from there. A single
    // steep step would be the noise of a batch.
    double? Valley()
    {
        int count = _points.Count, bottom = 0;
        var lengths = new int[count];
        for (int i = 0; i < count; i++)
        {
            for (int j = 0; j < i; j++)
            {
                if (_points[i].Loss < _points[j].Loss)
                    lengths[i] = Math.Max(lengths[i], lengths[j] + 1);
            }

            bottom = lengths[i] > lengths[bottom] ? i : bottom;
        }

        return count == 0 || lengths[bottom] == 0 ? null : _points[bottom - lengths[bottom] / 2].Rate;
    }
}
