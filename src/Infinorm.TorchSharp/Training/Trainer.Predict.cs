using System.Collections.ObjectModel;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

// What a model is worth, and what it makes of inputs.
public sealed partial class Trainer
{
    /// <summary>The loss and metrics over data, with the model as it is, in evaluation mode. Keras: <c>evaluate</c>.</summary>
    /// <param name="data">Batches of inputs and targets.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    /// <returns><c>loss</c> and the metrics by name, in this order.</returns>
    /// <inheritdoc cref="Fit(IEnumerable{Batch}, int, FitOptions?, CancellationToken)" path="/exception"/>
    public IReadOnlyDictionary<string, double> Evaluate(
        IEnumerable<Batch> data, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        return EvaluateStreamAsync(BatchStream.Of(data), cancellationToken).GetAwaiter().GetResult(); // nothing in it waits
    }

    /// <summary>The loss and metrics over examples in two tensors.</summary>
    /// <param name="inputs">The examples, along the first axis.</param>
    /// <param name="targets">What should be predicted for each.</param>
    /// <param name="batchSize">How many to give the model at once, ≥ 1. The default is 32.</param>
    /// <param name="weights">How much each example counts; null, the default, for 1 each.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    /// <inheritdoc cref="Evaluate(IEnumerable{Batch}, CancellationToken)" path="/returns|/exception"/>
    public IReadOnlyDictionary<string, double> Evaluate(
        Tensor inputs, Tensor targets, int batchSize = 32, Tensor? weights = null, CancellationToken cancellationToken = default) =>
        Evaluate(new TensorBatches(inputs, targets, batchSize, shuffle: false, weights: weights), cancellationToken);

    /// <summary>
    /// As <see cref="Evaluate(IEnumerable{Batch}, CancellationToken)"/>, with batches from an asynchronous source, which disposes
    /// them.
    /// </summary>
    /// <inheritdoc cref="Evaluate(IEnumerable{Batch}, CancellationToken)"/>
    public Task<IReadOnlyDictionary<string, double>> EvaluateAsync(
        IAsyncEnumerable<Batch> data, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        return EvaluateStreamAsync(BatchStream.Of(data), cancellationToken);
    }

    /// <summary>As <see cref="Evaluate(IEnumerable{Batch}, CancellationToken)"/>; where ranks are given, each evaluates its share of the batches.</summary>
    internal IReadOnlyDictionary<string, double> EvaluateShare(IEnumerable<Batch> data, RankMeetings? ranks, CancellationToken cancellationToken) =>
        EvaluateStreamAsync(BatchStream.Of(data), cancellationToken, ranks).GetAwaiter().GetResult();

    async Task<IReadOnlyDictionary<string, double>> EvaluateStreamAsync(
        IAsyncEnumerable<Batch> data, CancellationToken cancellationToken, RankMeetings? ranks = null)
    {
        var totals = new RunningTotals(Metrics);
        using var mode = new ModelMode(Model, training: false);
        var threads = new ThreadCount();
        bool any = false;
        Exception? failure = null;
        try
        {
            await foreach (Batch given in data.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                threads.Restore();
                cancellationToken.ThrowIfCancellationRequested();
                any = true;
                double[]? sums = ranks is null || ranks.IsOwnOfMany ? Sums(given) : null;
                if (ranks is null)
                    totals.Add(sums!);
                else
                    ranks.AddOfMany(sums);
            }
        }
        catch (Exception e) when (ranks is not null)
        {
            failure = e;
        }

        if (ranks is not null)
        {
            ranks.Meet($"the validation with {ranks.Waiting} batches", failure);
            foreach (var (_, sums) in ranks.Take())
                totals.Add(sums);
        }

        return any
            ? new ReadOnlyDictionary<string, double>(totals.Values())
            : throw new InvalidOperationException("The data to evaluate with have no batch.");

        double[] Sums(Batch given)
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            Batch batch = given.To(Device);
            IReadOnlyList<Tensor> predictions = Forward.Predict(batch.Inputs);
            Tensor? weights = ExampleWeights.Of(batch);
            double loss = Forward.Loss(predictions, batch, weights).ToNumber();
            return totals.Of(loss, predictions, batch, weights);
        }
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

    /// <summary>What a model of several inputs or outputs makes of inputs, in evaluation mode.</summary>
    /// <param name="inputs">The examples: a tensor for each input, the examples along its first axis.</param>
    /// <param name="batchSize">How many to give the model at once, ≥ 1. The default is 32.</param>
    /// <returns>A tensor for each output, for the caller to dispose.</returns>
    /// <exception cref="ArgumentException">The inputs have different numbers of examples, or none, or do not fit the model.</exception>
    public IReadOnlyList<Tensor> PredictOutputs(IReadOnlyList<Tensor> inputs, int batchSize = 32)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var scope = NewDisposeScope();
        Tensor[][] outputs = [.. new TensorBatches(inputs, inputs, batchSize, shuffle: false).Select(batch => PredictBatch(batch.Inputs))];
        return [.. Enumerable.Range(0, outputs[0].Length).Select(
            i => cat([.. outputs.Select(batch => batch[i])]).MoveToOuterDisposeScope())];
    }

    /// <summary>What the model makes of batches of inputs, one after the other, in evaluation mode.</summary>
    /// <param name="batches">Inputs. Tensors that are made when a batch is asked for are disposed after its use.</param>
    /// <returns>One prediction for each batch, for the caller to dispose.</returns>
    public IEnumerable<Tensor> Predict(IEnumerable<Tensor> batches)
    {
        ArgumentNullException.ThrowIfNull(batches);
        return Predictions(BatchStream.Of(batches, batch => [batch])).ToBlockingEnumerable(); // nothing in it waits
    }

    /// <summary>As <see cref="Predict(IEnumerable{Tensor})"/>, with batches from an asynchronous source, which disposes them.</summary>
    /// <param name="batches">Inputs.</param>
    /// <param name="cancellationToken">
    /// Stops between batches; the stream of batches gets it too. A token given by <c>WithCancellation</c> does the same.
    /// </param>
    /// <inheritdoc cref="Predict(IEnumerable{Tensor})" path="/exception|/returns"/>
    /// <exception cref="OperationCanceledException">It was cancelled; thrown when the next prediction is asked for.</exception>
    public IAsyncEnumerable<Tensor> PredictAsync(IAsyncEnumerable<Tensor> batches, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(batches);
        return Predictions(BatchStream.Of(batches, batch => [batch], CancellationToken.None), cancellationToken);
    }

    async IAsyncEnumerable<Tensor> Predictions(
        IAsyncEnumerable<Tensor> batches, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var threads = new ThreadCount();
        await foreach (Tensor input in batches.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            threads.Restore();
            cancellationToken.ThrowIfCancellationRequested();
            yield return PredictBatch([input])[0];
        }
    }

    Tensor[] PredictBatch(IReadOnlyList<Tensor> inputs)
    {
        using var mode = new ModelMode(Model, training: false);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        IReadOnlyList<Tensor> there = [.. inputs.Select(input => input.IsInvalid || input.IsOn(Device) ? input : input.to(Device))];
        return [.. Forward.Predict(there).Select(output => output.MoveToOuterDisposeScope())];
    }
}
