using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Called at the events of <see cref="Trainer"/>'s Fit; override the methods that you need. Callbacks are called in the order in which they were
/// given, on the thread that trains. An exception of a callback ends the training. Keras: <c>Callback</c>.
/// </summary>
public abstract class Callback
{
    /// <summary>Whether it only writes or shows something: where several ranks train together, that is done by rank 0.</summary>
    internal virtual bool IsForFirstRank => false;

    /// <summary>Whether it saves the run.</summary>
    internal virtual bool SavesRuns => false;

    /// <summary>Before the first step, after a resumed run was restored.</summary>
    /// <param name="run">The run.</param>
    public virtual void OnFitBegin(TrainingRun run)
    {
    }

    /// <summary>Before an epoch, or before what is left of it in a resumed run.</summary>
    /// <inheritdoc cref="OnFitBegin"/>
    public virtual void OnEpochBegin(TrainingRun run)
    {
    }

    /// <summary>
    /// Called in each step after the gradients are computed and before the update. The parameters have their gradients, multiplied by the loss
    /// scale.
    /// </summary>
    /// <inheritdoc cref="OnFitBegin"/>
    public virtual void OnGradients(TrainingRun run)
    {
    }

    /// <summary>After each step.</summary>
    /// <inheritdoc cref="OnFitBegin"/>
    public virtual void OnBatchEnd(TrainingRun run)
    {
    }

    /// <summary>After each epoch and its validation.</summary>
    /// <param name="run">The run.</param>
    /// <param name="log">What was seen in the epoch.</param>
    public virtual void OnEpochEnd(TrainingRun run, EpochLog log)
    {
    }

    /// <summary>When the run is stopped within an epoch, before the averages go into the model.</summary>
    internal virtual void OnStoppedWithinEpoch(TrainingRun run)
    {
    }

    /// <summary>
    /// Called at the end, however the run ended: see <see cref="TrainingRun.Outcome"/>. After complete runs, the averages are already in the model.
    /// </summary>
    /// <inheritdoc cref="OnFitBegin"/>
    public virtual void OnFitEnd(TrainingRun run)
    {
    }

    /// <summary>Writes what the callback must remember for a resumed run to be the same; the default writes nothing.</summary>
    /// <param name="state">Where to write it.</param>
    public virtual void SaveState(CallbackState state)
    {
    }

    /// <summary>
    /// Throws any exception if <see cref="LoadState"/> could not use the saved state, or if that does not fit the run. Called before anything is
    /// changed.
    /// </summary>
    internal virtual void CheckState(CallbackState state, TrainingRun run)
    {
    }

    /// <summary>Reads what <see cref="SaveState"/> wrote. Not called if it wrote nothing, or the run is new.</summary>
    /// <param name="state">What was written.</param>
    public virtual void LoadState(CallbackState state)
    {
    }
}

/// <summary>What a callback remembers in a checkpoint.</summary>
public sealed class CallbackState
{
    /// <summary>Numbers, texts and the like.</summary>
    public JsonObject Values { get; init; } = [];

    /// <summary>Tensors. They are copied when written; what was read is the reader's to dispose.</summary>
    public IDictionary<string, Tensor> Tensors { get; } = new Dictionary<string, Tensor>();

    internal bool IsEmpty => Values.Count == 0 && Tensors.Count == 0;
}
