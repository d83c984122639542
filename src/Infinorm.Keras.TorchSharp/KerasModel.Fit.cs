using Infinorm.Keras.Torch.Training;
using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch;

// Going through data: evaluating, fitting.
public sealed partial class KerasModel
{
    /// <summary>Loss and metrics over examples, without training. Keras: <c>evaluate</c>.</summary>
    /// <param name="data">Examples and targets.</param>
    /// <param name="batchSize">How many to compute at once, ≥ 1. The default is 32.</param>
    /// <returns><c>loss</c> and the metrics by their names in Keras's logs.</returns>
    /// <exception cref="ArgumentException">The data do not fit the model.</exception>
    /// <exception cref="InvalidOperationException">The model has no loss.</exception>
    public OrderedDictionary<string, double> Evaluate(KerasData data, int batchSize = 32)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        RequireLoss();
        data.CheckFits(InputNames, OutputNames);
        using var noGrad = no_grad();
        RunningLogs logs = NewLogs();
        for (long start = 0; start < data.Count; start += batchSize)
        {
            using var scope = NewDisposeScope();
            (Tensor[] inputs, Tensor?[] targets, Tensor?[] weights) = data.Rows(start, Math.Min(batchSize, data.Count - start),
                OutputNames.Count, training: false);
            Loss(Forward(inputs, targets, weights, training: false), logs);
        }

        return logs.Values();
    }

    /// <inheritdoc cref="Evaluate(KerasData, int)" path="/summary|/returns|/exception"/>
    /// <param name="input">Examples, along the first axis.</param>
    /// <param name="target">Their targets.</param>
    /// <param name="batchSize">How many to compute at once, ≥ 1. The default is 32.</param>
    public OrderedDictionary<string, double> Evaluate(Tensor input, Tensor target, int batchSize = 32) =>
        Evaluate(new KerasData(input, target), batchSize);

    /// <summary>
    /// Trains the model, by way of a <see cref="Trainer"/>, and, after the last epoch, leaves the averages in it where the optimizer keeps
    /// some. Keras: <c>fit</c>.
    /// </summary>
    /// <param name="data">Examples and targets.</param>
    /// <param name="batchSize">Examples in a batch, ≥ 1. The default is 32.</param>
    /// <param name="epochs">How many times to go through the data, ≥ 1.</param>
    /// <param name="validation">What to validate with after each epoch; null, the default, for nothing, or a split in the options.</param>
    /// <param name="shuffle">Whether each epoch has a new order, drawn from torch's generator. The default is true.</param>
    /// <param name="options">Callbacks, seed, resuming.</param>
    /// <param name="cancellationToken">Stops the training after the present step.</param>
    /// <returns>What was seen in each epoch.</returns>
    /// <exception cref="OperationCanceledException">The training was cancelled.</exception>
    /// <exception cref="ArgumentException">The data do not fit the model.</exception>
    /// <exception cref="InvalidOperationException">The model has no loss, or no optimizer that is known.</exception>
    public History Fit(
        KerasData data, int batchSize = 32, int epochs = 1, KerasData? validation = null, bool shuffle = true, FitOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (options?.ClassWeights is not null)
            throw new ArgumentException($"Give class weights with the data: {nameof(KerasData)}.{nameof(KerasData.ClassWeights)}.", nameof(options));
        RequireLoss();
        data.CheckFits(InputNames, OutputNames);
        validation?.CheckFits(InputNames, OutputNames);
        var rows = new RowBatches(this, data, validation); // not disposed: it has the model's own layers
        using Tensor numbers = RowBatches.Numbers(0, data.Count).DetachFromDisposeScope();
        using Tensor? validationNumbers = validation is null
            ? null
            : RowBatches.Numbers(data.Count, validation.Count).DetachFromDisposeScope();
        var trainer = new Trainer(rows, rows.Loss, Optimizer) { Metrics = rows.Metrics };
        return trainer.Fit(
            new TensorBatches(numbers, numbers, batchSize, shuffle),
            validationNumbers is null
                ? options?.ValidationData
                : new TensorBatches(validationNumbers, validationNumbers, batchSize, shuffle: false),
            rows.NewEpoch, epochs, options, cancellationToken);
    }

    /// <inheritdoc cref="Fit(KerasData, int, int, KerasData?, bool, FitOptions?, CancellationToken)" path="/summary|/remarks|/returns|/exception"/>
    /// <param name="input">Examples, along the first axis.</param>
    /// <param name="target">Their targets.</param>
    /// <param name="batchSize">Examples in a batch, ≥ 1. The default is 32.</param>
    /// <param name="epochs">How many times to go through the data, ≥ 1.</param>
    /// <param name="options">Callbacks, validation split, seed, resuming.</param>
    /// <param name="cancellationToken">Stops the training after the present step.</param>
    public History Fit(Tensor input, Tensor target, int batchSize = 32, int epochs = 1, FitOptions? options = null,
        CancellationToken cancellationToken = default) =>
        Fit(new KerasData(input, target), batchSize, epochs, options: options, cancellationToken: cancellationToken);

    /// <summary>Trains a model of one input and one output with batches from anywhere.</summary>
    /// <param name="batches">Batches of inputs and targets, as <see cref="Trainer"/> takes them.</param>
    /// <param name="epochs">How many times to go through the data, ≥ 1.</param>
    /// <param name="options">Validation, callbacks, seed, resuming.</param>
    /// <param name="cancellationToken">Stops the training after the present step.</param>
    /// <inheritdoc cref="Trainer.Fit(IEnumerable{Batch}, int, FitOptions?, CancellationToken)" path="/returns|/exception"/>
    public History Fit(
        IEnumerable<Batch> batches, int epochs = 1, FitOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(batches);
        RequireLoss();
        return NewTrainer().Fit(batches, epochs, options, cancellationToken);
    }

    /// <summary>
    /// A trainer of a model of one input and one output, with its loss, optimizer and metrics. What a metric is over an epoch is the mean
    /// over its batches; <see cref="Fit(KerasData, int, int, KerasData?, bool, FitOptions?, CancellationToken)"/> has Keras's own values.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// The model has several inputs or outputs, no loss, or no optimizer that is known.
    /// </exception>
    public Trainer NewTrainer()
    {
        RequireLoss();
        if (InputNames.Count != 1 || OutputNames.Count != 1)
            throw new InvalidOperationException($"The model has {InputNames.Count} inputs and {OutputNames.Count} outputs: use "
                + $"{nameof(Fit)} with {nameof(KerasData)}.");
        return new Trainer(this, (prediction, target) => Loss(_lastPass! with { Outputs = [prediction], Targets = [target] }, logs: null),
            Optimizer)
        {
            Metrics = [.. _outputTraining[0].Metrics.Select(metric => new Metric(metric.Name, (prediction, target) =>
            {
                metric.Reset();
                metric.Update(target, prediction);
                return tensor(metric.Result);
            }) { LargerIsBetter = metric.LargerIsBetter })],
        };
    }
}
