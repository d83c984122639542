using System.Collections.ObjectModel;
using System.Runtime.CompilerServices;
using Infinorm.Checkpoints;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Trains, evaluates and runs a model: what <c>compile</c>, <c>fit</c>, <c>evaluate</c> and <c>predict</c> of Keras are together. It does
/// not own the model, the optimizer or data. One thread uses it at a time.
/// </summary>
public sealed class Trainer
{
    readonly ForwardPass _forward;

    /// <summary>Brings together what is trained.</summary>
    /// <param name="model">The model.</param>
    /// <param name="loss">
    /// Takes predictions and targets of a batch and returns a scalar tensor, the mean over the batch, such as
    /// <c>nn.CrossEntropyLoss().forward</c>.
    /// </param>
    /// <param name="optimizer">The optimizer for the model, such as <c>new Adamax(1e-3).For(model)</c>.</param>
    /// <exception cref="ArgumentException">No parameter of the optimizer is trainable.</exception>
    public Trainer(nn.Module<Tensor, Tensor> model, Func<Tensor, Tensor, Tensor> loss, TorchOptimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(loss);
        ArgumentNullException.ThrowIfNull(optimizer);
        (Model, Loss, Optimizer) = (model, loss, optimizer);
        _forward = new ForwardPass(model, loss);
        Parameter[] parameters = [.. optimizer.parameters()];
        if (!parameters.Any(parameter => parameter.requires_grad))
        {
            throw new ArgumentException(
                $"None of the optimizer's {parameters.Length} parameters is trainable: all are frozen (requires_grad = false). Set "
                + "requires_grad to true where something is to be learnt.", nameof(optimizer));
        }
    }

    /// <summary>The model.</summary>
    public nn.Module<Tensor, Tensor> Model { get; }

    /// <summary>The loss.</summary>
    public Func<Tensor, Tensor, Tensor> Loss { get; }

    /// <summary>The optimizer.</summary>
    public TorchOptimizer Optimizer { get; }

    /// <summary>
    /// What is shown beside the loss. Their names differ, and are neither <c>loss</c> nor <c>learning_rate</c>. The default is nothing.
    /// Keras: <c>metrics</c>.
    /// </summary>
    /// <exception cref="ArgumentException">A name is taken: histories could not hold both values.</exception>
    public IReadOnlyList<Metric> Metrics
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            HashSet<string> taken = ["loss", "val_loss", "learning_rate"];
            foreach (Metric metric in value)
            {
                if (!taken.Add(metric.Name) || !taken.Add($"val_{metric.Name}"))
                    throw new ArgumentException($"The name of the metric '{metric.Name}' is taken; give it another one.", nameof(Metrics));
            }

            field = [.. value];
        }
    } = [];

    /// <summary>
    /// Trains the model and, after the last epoch, leaves the averages in it where the optimizer keeps some. Keras: <c>fit</c>.
    /// </summary>
    /// <param name="data">
    /// Batches of inputs and targets, enumerated once an epoch: <see cref="TensorBatches"/>, a data loader's
    /// <see cref="DataLoaders.Pairs(DataLoader{IList{Tensor}, IList{Tensor}})"/>, a list, an iterator. Tensors that are made when a batch
    /// is asked for are disposed after its step; those that were there before stay.
    /// </param>
    /// <param name="epochs">How many times to go through the data, ≥ 1.</param>
    /// <param name="options">Validation, callbacks, seed, resuming.</param>
    /// <param name="cancellationToken">Stops the training after the present step; <see cref="Callbacks.Checkpoint"/> then saves the run.</param>
    /// <returns>What was seen in each epoch.</returns>
    /// <exception cref="OperationCanceledException">The training was cancelled.</exception>
    /// <exception cref="ArgumentException">
    /// A batch does not fit the model or the loss, an option cannot be used with these data, or the file to resume from is of another run.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The data are empty, the loss is no scalar, does not depend on the model's parameters, or is not finite at the first step.
    /// </exception>
    /// <exception cref="InvalidFileException">The file to resume from is malformed.</exception>
    public History Fit(
        IEnumerable<(Tensor Input, Tensor Target)> data, int epochs = 1, FitOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        IEnumerable<(Tensor Input, Tensor Target)>? validation = options?.ValidationData;
        if (options?.ValidationSplit is { } part)
        {
            (data, validation) = (data, validation) switch
            {
                (TensorBatches batches, null) => batches.Split(part),
                (_, null) => throw new ArgumentException(
                    "A validation split needs TensorBatches as data: others have no known last examples. Give validation data instead.",
                    nameof(options)),
                _ => throw new ArgumentException("Give a validation split or validation data, not both.", nameof(options)),
            };
        }

        int? count = data is IReadOnlyCollection<(Tensor, Tensor)> counted ? counted.Count : null;
        return new TrainingLoop(this, () => BatchStream.Of(data), count, (data as TensorBatches)?.ToString(), validation, epochs, options)
            .RunAsync(cancellationToken).GetAwaiter().GetResult(); // nothing in it waits
    }

    /// <summary>As <see cref="Fit"/>, with batches that may be waited for.</summary>
    /// <param name="data">Batches, enumerated once an epoch. Who makes them disposes them, when the next one is asked for.</param>
    /// <param name="epochs">How many times to go through the data, ≥ 1.</param>
    /// <param name="options">Validation data (a split is for <see cref="TensorBatches"/>), callbacks, seed, resuming.</param>
    /// <param name="cancellationToken">Stops the training after the present step; <see cref="Callbacks.Checkpoint"/> then saves the run.</param>
    /// <inheritdoc cref="Fit"/>
    public Task<History> FitAsync(
        IAsyncEnumerable<(Tensor Input, Tensor Target)> data, int epochs = 1, FitOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (options?.ValidationSplit is not null)
            throw new ArgumentException("A stream of batches cannot be split; give validation data instead.", nameof(options));
        return new TrainingLoop(this, () => BatchStream.Of(data), count: null, description: null, options?.ValidationData, epochs, options)
            .RunAsync(cancellationToken);
    }

    /// <summary>
    /// Puts model and optimizer into the state of a file that <see cref="Callbacks.Checkpoint"/> or <see cref="TrainingRun.Save"/> wrote and, as
    /// after Fit, the averages into the model where the optimizer keeps some. All is checked before anything is changed.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidFileException">The file is malformed or no run.</exception>
    /// <exception cref="CheckpointMismatchException">It does not fit; the message lists every difference.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void Restore(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        RunFile.RestoreModel(this, path);
        TrainingLoop.FinalizeAverages(Optimizer);
    }

    /// <summary>The loss and metrics over data, with the model as it is, in evaluation mode. Keras: <c>evaluate</c>.</summary>
    /// <param name="data">Batches of inputs and targets.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    /// <returns><c>loss</c> and the metrics by name, in this order.</returns>
    /// <inheritdoc cref="Fit" path="/exception"/>
    public IReadOnlyDictionary<string, double> Evaluate(
        IEnumerable<(Tensor Input, Tensor Target)> data, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        return EvaluateStreamAsync(BatchStream.Of(data), cancellationToken).GetAwaiter().GetResult(); // nothing in it waits
    }

    /// <summary>As <see cref="Evaluate"/>, with batches that may be waited for; who makes them disposes them.</summary>
    /// <inheritdoc cref="Evaluate"/>
    public Task<IReadOnlyDictionary<string, double>> EvaluateAsync(
        IAsyncEnumerable<(Tensor Input, Tensor Target)> data, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        return EvaluateStreamAsync(BatchStream.Of(data), cancellationToken);
    }

    async Task<IReadOnlyDictionary<string, double>> EvaluateStreamAsync(
        IAsyncEnumerable<(Tensor Input, Tensor Target)> data, CancellationToken cancellationToken)
    {
        var means = new RunningMeans(Metrics);
        using var mode = new ModelMode(Model, training: false);
        var threads = new ThreadCount();
        bool any = false;
        await foreach (var (input, target) in data.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            threads.Restore();
            cancellationToken.ThrowIfCancellationRequested();
            any = true;
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            Tensor prediction = _forward.Predict(input);
            means.Add(_forward.Loss(prediction, target).ToNumber(), prediction, target);
        }

        return any
            ? new ReadOnlyDictionary<string, double>(means.Values())
            : throw new InvalidOperationException("The data to evaluate with have no batch.");
    }

    /// <summary>What the model makes of inputs, in evaluation mode. Keras: <c>predict</c>.</summary>
    /// <param name="inputs">Examples, along the first axis.</param>
    /// <param name="batchSize">How many to give the model at once, ≥ 1. The default is 32.</param>
    /// <returns>The predictions in one tensor, for the caller to dispose.</returns>
    public Tensor Predict(Tensor inputs, int batchSize = 32)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        using var scope = NewDisposeScope();
        return cat([.. Predict(inputs.split(batchSize))]).MoveToOuterDisposeScope();
    }

    /// <summary>What the model makes of batches of inputs, one after the other, in evaluation mode.</summary>
    /// <param name="batches">Inputs. Tensors that are made when a batch is asked for are disposed after its use.</param>
    /// <returns>A prediction a batch, for the caller to dispose.</returns>
    public IEnumerable<Tensor> Predict(IEnumerable<Tensor> batches)
    {
        ArgumentNullException.ThrowIfNull(batches);
        return Predictions(BatchStream.Of(batches, batch => [batch])).ToBlockingEnumerable(); // nothing in it waits
    }

    /// <summary>As <see cref="Predict(IEnumerable{Tensor})"/>, with batches that may be waited for; who makes them disposes them.</summary>
    /// <param name="batches">Inputs.</param>
    /// <param name="cancellationToken">
    /// Stops between batches; the stream of batches gets it too. A token given by <c>WithCancellation</c> does the same.
    /// </param>
    /// <inheritdoc cref="Predict(IEnumerable{Tensor})"/>
    /// <exception cref="OperationCanceledException">It was cancelled; thrown when the next prediction is asked for.</exception>
    public IAsyncEnumerable<Tensor> PredictAsync(IAsyncEnumerable<Tensor> batches, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(batches);
        return Predictions(BatchStream.Of(batches, batch => [batch]), cancellationToken);
    }

    async IAsyncEnumerable<Tensor> Predictions(
        IAsyncEnumerable<Tensor> batches, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var threads = new ThreadCount();
        await foreach (Tensor input in batches.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            threads.Restore();
            cancellationToken.ThrowIfCancellationRequested();
            yield return PredictBatch(input);
        }
    }

    Tensor PredictBatch(Tensor input)
    {
        using var mode = new ModelMode(Model, training: false);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return _forward.Predict(input).MoveToOuterDisposeScope();
    }
}
