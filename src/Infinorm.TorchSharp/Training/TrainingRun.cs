using System.Collections.ObjectModel;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>How a call of Fit ends.</summary>
public enum FitOutcome
{
    /// <summary>It has not ended.</summary>
    Running,

    /// <summary>All epochs were made.</summary>
    Completed,

    /// <summary>A callback stopped it.</summary>
    Stopped,

    /// <summary>The cancellation token stopped it.</summary>
    Cancelled,

    /// <summary>An exception stopped it.</summary>
    Failed,
}

/// <summary>A call of <see cref="Trainer"/>'s Fit, as callbacks see it.</summary>
public sealed class TrainingRun
{
    internal TrainingRun(Trainer trainer, int epochs, FitOptions options)
    {
        (Trainer, Epochs, Options) = (trainer, epochs, options);
        Totals = new RunningTotals(trainer.Metrics);
        (InitialEpoch, CompletedEpochs, Epoch) = (options.InitialEpoch, options.InitialEpoch, options.InitialEpoch);
    }

    /// <summary>Who trains.</summary>
    public Trainer Trainer { get; }

    /// <summary>The model.</summary>
    public nn.Module Model => Trainer.Model;

    /// <summary>The optimizer.</summary>
    public optim.Optimizer Optimizer => Trainer.Optimizer;

    /// <summary>The number of the last epoch that is wanted.</summary>
    public int Epochs { get; }

    /// <summary>
    /// The number of the current epoch, counted from 1, as in <see cref="EpochLog.Epoch"/>. Before the first epoch begins, it is the number of
    /// completed ones.
    /// </summary>
    public int Epoch { get; internal set; }

    /// <summary>How many epochs are completed, those before <see cref="FitOptions.InitialEpoch"/> included.</summary>
    public int CompletedEpochs { get; internal set; }

    /// <summary>Completed steps of the present epoch.</summary>
    public int Batch { get; internal set; }

    /// <summary>Batches of an epoch; null while it is not known.</summary>
    public int? BatchesPerEpoch { get; internal set; }

    /// <summary>Completed steps since the run began, resumed or not.</summary>
    public long Step => History.Steps;

    /// <summary>The loss of the last batch, not scaled.</summary>
    public double Loss { get; internal set; }

    /// <summary>The learning rate of the last step; 0 before the first one.</summary>
    public double LearningRate { get; internal set; }

    /// <summary>What the optimizer did in the last step; null before the first one, and for an optimizer that is not Infinorm's.</summary>
    public StepInfo? LastStep => Trainer.Driver.LastStep;

    /// <summary>The mean loss and the metrics over the present epoch so far, in this order; NaN before its first step.</summary>
    public IReadOnlyDictionary<string, double> EpochValues => new ReadOnlyDictionary<string, double>(Totals.Values());

    /// <summary>What was seen so far.</summary>
    public History History { get; } = new();

    /// <summary>How the run ended, in <see cref="Callback.OnFitEnd"/>.</summary>
    public FitOutcome Outcome { get; internal set; }

    /// <summary>
    /// Whether this process writes files and shows the progress: whether it trains alone, or is rank 0 of the ranks that train together.
    /// </summary>
    public bool IsFirst => Trainer.Driver.World?.IsFirst ?? true;

    internal FitOptions Options { get; }

    /// <summary>Files to be saved as soon as all callbacks have been told.</summary>
    internal List<RequestedFile> RequestedFiles { get; } = [];

    internal bool HasValidation => Options is { ValidationData: not null } or { ValidationSplit: not null };

    /// <summary>What the run is trained with, as far as that is known: a resumed run must have the same.</summary>
    internal string? Data { get; init; }

    internal RunningTotals Totals { get; }

    /// <summary>The epochs that were completed before this run.</summary>
    internal int InitialEpoch { get; set; }

    /// <summary>Batches of the present pass through the data that were trained with.</summary>
    internal int Position { get; set; }

    internal long Seed
    {
        get => History.Seed;
        set => History.Seed = value;
    }

    /// <summary>
    /// Ends the training after this step or epoch. An incomplete epoch is neither validated nor in the history; a resumed run continues
    /// it.
    /// </summary>
    /// <param name="reason">Why, for the history.</param>
    public void Stop(string reason)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        History.StopReason ??= reason;
    }

    /// <summary>
    /// Writes the whole run to a file, for <see cref="FitOptions.ResumeFrom"/>: model, optimizer, position, history and the callbacks'
    /// states. During the training, the file is written when all callbacks have been called for the current step or epoch. At the end of
    /// the training, it is written at once.
    /// </summary>
    /// <param name="path">A file of safetensors. It is replaced as a whole: it is the old or the new one whatever happens.</param>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Request(path, weightsOnly: false, () => { });
    }

    /// <summary>
    /// Writes the model's weights, and nothing else, to a file, for <see cref="Trainer.LoadWeights"/> and other programs: parameters and
    /// persistent buffers by their names. If the optimizer keeps averages, they are the weights. It is written at the same time as that of
    /// <see cref="Save"/>.
    /// </summary>
    /// <param name="path">A file of safetensors. It is replaced as a whole.</param>
    public void SaveWeights(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Request(path, weightsOnly: true, () => { });
    }

    /// <summary>
    /// Puts the optimizer's averages into the model until the result is disposed, as validation does.
    /// </summary>
    /// <returns>An object to dispose; null, which <c>using</c> accepts, if the optimizer keeps no averages.</returns>
    public IDisposable? UseAverages() => Trainer.Driver.UseAverages();

    /// <summary>As <see cref="Save"/> and <see cref="SaveWeights"/>, and tells when it is done.</summary>
    internal void Request(string path, bool weightsOnly, Action whenSaved)
    {
        RequestedFiles.Add(new(path, weightsOnly, whenSaved));
        if (Outcome != FitOutcome.Running)
            SaveRequestedFiles();
    }

    internal void SaveRequestedFiles()
    {
        RequestedFile[] files = [.. RequestedFiles];
        RequestedFiles.Clear();
        foreach (RequestedFile file in files.DistinctBy(file => (file.Path, file.WeightsOnly)))
        {
            if (!file.WeightsOnly)
                RunFile.Save(this, file.Path);
            else if (Trainer.Driver.World is { } world)
                world.Together(() => SaveWeightsNow(file.Path));
            else
                SaveWeightsNow(file.Path);
        }

        foreach (RequestedFile file in files)
            file.WhenSaved();
    }

    void SaveWeightsNow(string path)
    {
        using IDisposable? averages = UseAverages();
        if (IsFirst)
            ModelTensors.Save(Model, path);
    }

    /// <summary>A file to be saved.</summary>
    /// <param name="Path">Its path.</param>
    /// <param name="WeightsOnly">Whether it has the model's weights alone.</param>
    /// <param name="WhenSaved">What is to be done then.</param>
    internal sealed record RequestedFile(string Path, bool WeightsOnly, Action WhenSaved);
}
