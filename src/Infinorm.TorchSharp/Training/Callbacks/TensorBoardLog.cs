using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training.Callbacks;

/// <summary>Writes every value of every epoch for TensorBoard, with TorchSharp's own writer. Keras: <c>TensorBoard</c>.</summary>
/// <param name="folder">The folder of this run; it is created if it does not exist. A resumed run adds a file to it.</param>
public sealed class TensorBoardLog(string folder) : Callback
{
    SummaryWriter? _writer;

    /// <summary>Also write the loss and the learning rate every this many steps, ≥ 1; null, the default, writes only epochs.</summary>
    public int? EverySteps
    {
        get;
        init => field = value is null or >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(EverySteps), value, "EverySteps is at least 1.");
    }

    internal override bool IsForFirstRank => true;

    /// <inheritdoc/>
    public override void OnBatchEnd(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (EverySteps is not { } steps || run.Step % steps != 0)
            return;
        Write("batch_loss", run.Loss, run.Step);
        Write("batch_learning_rate", run.LearningRate, run.Step);
    }

    /// <inheritdoc/>
    public override void OnEpochEnd(TrainingRun run, EpochLog log)
    {
        ArgumentNullException.ThrowIfNull(log);
        foreach (var (name, value) in log.Values)
            Write($"epoch_{name}", value, log.Epoch);
    }

    // TensorBoard reads seconds since 1970, which is not the default of the writer.
    void Write(string name, double value, long step)
    {
        _writer ??= utils.tensorboard.SummaryWriter(folder);
        _writer.add_scalar(name, (float)value, checked((int)step), DateTimeOffset.UtcNow.ToUnixTimeSeconds());
    }
}
