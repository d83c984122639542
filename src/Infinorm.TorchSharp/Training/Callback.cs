using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Told what happens in <see cref="Trainer"/>'s Fit; override what you need. Callbacks are called in the order in which they were given, on
/// the thread that trains. What one throws ends the training. Keras: <c>Callback</c>.
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
    /// In each step between the gradients and the update. The gradients stand at the parameters, multiplied by the loss scale.
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
    /// At the end, whatever it is: see <see cref="TrainingRun.Outcome"/>. After whole runs, the averages are in the model already.
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
    /// Throws if <see cref="LoadState"/> could not use what was written, or it does not fit the run, whatever the exception. Called before
    /// anything is changed.
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
