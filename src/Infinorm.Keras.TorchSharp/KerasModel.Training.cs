using System.Text.Json.Nodes;
using Infinorm.Keras.Torch.Layers;
using Infinorm.Keras.Torch.Training;
using Infinorm.Torch;
using Infinorm.Torch.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch;

// Loss, optimizer, steps.
public sealed partial class KerasModel
{
    OutputTraining[] _training = [];
    string? _compileProblem;
    readonly Dictionary<Variables.Variable, LayerWeight> _weights = new(ReferenceEqualityComparer.Instance);
    TorchOptimizer? _optimizer;
    Pass? _lastPass; // of forward, for the loss that a trainer asks for then

    /// <summary>
    /// The optimizer for this model, over the archive's variables and state: the archive's or, set by <see cref="Compile"/>, another.
    /// </summary>
    /// <exception cref="InvalidOperationException">The archive has no optimizer that is known, and none was given.</exception>
    public TorchOptimizer Optimizer
    {
        get
        {
            _optimizer ??= MakeOptimizer(Archive.Optimizer ?? StoredOptimizer());
            if (!_optimizer.Optimizer.TrainableVariables.SequenceEqual(Archive.TrainableVariables))
                UseOptimizer(ForOthers(_optimizer.Optimizer));
            return _optimizer;
        }
    }

    /// <summary>The weights that are trained, in the order of the optimizer's variables.</summary>
    internal IEnumerable<LayerWeight> TrainedWeights => Archive.TrainableVariables.Select(variable => _weights[variable]);

    /// <summary>
    /// Gives losses, metrics or an optimizer in code, in place of the archive's. What is null stays as it is. Keras: <c>compile</c>.
    /// </summary>
    /// <param name="optimizer">Not yet built: it begins anew.</param>
    /// <param name="losses">One for each of <see cref="OutputNames"/>; null for an output that has none.</param>
    /// <param name="lossWeights">One for each output.</param>
    /// <param name="metrics">A list for each output.</param>
    /// <param name="weightedMetrics">As metrics; these are weighted as the losses are.</param>
    /// <exception cref="ArgumentException">A list has another length than the model has outputs.</exception>
    public void Compile(
        Optimizer? optimizer = null, IReadOnlyList<KerasLoss?>? losses = null, IReadOnlyList<double>? lossWeights = null,
        IReadOnlyList<IReadOnlyList<KerasMetric>>? metrics = null, IReadOnlyList<IReadOnlyList<KerasMetric>>? weightedMetrics = null)
    {
        CheckCount(losses, nameof(losses));
        CheckCount(lossWeights, nameof(lossWeights));
        CheckCount(metrics, nameof(metrics));
        CheckCount(weightedMetrics, nameof(weightedMetrics));
        if (losses is not null)
            _compileProblem = null;
        for (int i = 0; i < _training.Length; i++)
        {
            OutputTraining output = _training[i];
            if (losses is not null)
                output.Loss = losses[i];
            output.LossWeight = lossWeights?[i] ?? output.LossWeight;
            output.Metrics = metrics?[i] ?? output.Metrics;
            output.WeightedMetrics = weightedMetrics?[i] ?? output.WeightedMetrics;
        }

        if (optimizer is null)
            return;
        optimizer.Build(Archive.TrainableVariables);
        UseOptimizer(optimizer);
    }

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
            Tensor rows = arange(start, Math.Min(start + batchSize, data.Count), dtype: ScalarType.Int64);
            (Tensor[] inputs, Tensor?[] targets, Tensor?[] weights) = data.Rows(rows, OutputNames.Count, training: false);
            Loss(Forward(inputs, targets, weights, training: false), logs);
        }

        return logs.Values();
    }

    /// <inheritdoc cref="Evaluate(KerasData, int)"/>
    /// <param name="input">Examples, along the first axis.</param>
    /// <param name="target">Their targets.</param>
    /// <param name="batchSize">How many to compute at once, ≥ 1. The default is 32.</param>
    public OrderedDictionary<string, double> Evaluate(Tensor input, Tensor target, int batchSize = 32) => Evaluate(new KerasData(input, target), batchSize);

    /// <summary>
    /// Trains the model, by way of a <see cref="Trainer"/>, and, after the last epoch, leaves the averages in it where the optimizer keeps
    /// some. Keras: <c>fit</c>.
    /// </summary>
    /// <param name="data">Examples and targets.</param>
    /// <param name="batchSize">Examples in a batch, ≥ 1. The default is 32.</param>
    /// <param name="epochs">How many times to go through the data, ≥ 1.</param>
    /// <param name="validation">What to validate with after each epoch; null, the default, for nothing, or a split in the options.</param>
    /// <param name="shuffle">Whether the order is drawn anew for each epoch, by torch's generator. The default is true.</param>
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
        RequireLoss();
        data.CheckFits(InputNames, OutputNames);
        validation?.CheckFits(InputNames, OutputNames);
        var rows = new RowBatches(this, data, validation); // not disposed: it has the model's own layers
        using Tensor numbers = RowBatches.Numbers(0, data.Count).DetachFromDisposeScope();
        using Tensor? validationNumbers = validation is null ? null : RowBatches.Numbers(data.Count, validation.Count).DetachFromDisposeScope();
        var trainer = new Trainer(rows, rows.Loss, Optimizer) { Metrics = rows.Metrics };
        return trainer.Fit(
            new TensorBatches(numbers, numbers, batchSize, shuffle),
            epochs,
            new FitOptions
            {
                ValidationData = validationNumbers is null ? options?.ValidationData : new TensorBatches(validationNumbers, validationNumbers, batchSize, shuffle: false),
                ValidationSplit = options?.ValidationSplit,
                Callbacks = [rows.NewEpoch, .. options?.Callbacks ?? []],
                Seed = options?.Seed,
                ResumeFrom = options?.ResumeFrom,
            },
            cancellationToken);
    }

    /// <inheritdoc cref="Fit(KerasData, int, int, KerasData?, bool, FitOptions?, CancellationToken)"/>
    /// <param name="input">Examples, along the first axis.</param>
    /// <param name="target">Their targets.</param>
    /// <param name="batchSize">Examples in a batch, ≥ 1. The default is 32.</param>
    /// <param name="epochs">How many times to go through the data, ≥ 1.</param>
    /// <param name="options">Callbacks, validation split, seed, resuming.</param>
    /// <param name="cancellationToken">Stops the training after the present step.</param>
    public History Fit(Tensor input, Tensor target, int batchSize = 32, int epochs = 1, FitOptions? options = null, CancellationToken cancellationToken = default) =>
        Fit(new KerasData(input, target), batchSize, epochs, options: options, cancellationToken: cancellationToken);

    /// <summary>Trains a model of one input and one output with batches from anywhere.</summary>
    /// <param name="batches">Batches of inputs and targets, as <see cref="Trainer.Fit"/> takes them.</param>
    /// <param name="epochs">How many times to go through the data, ≥ 1.</param>
    /// <param name="options">Validation, callbacks, seed, resuming.</param>
    /// <param name="cancellationToken">Stops the training after the present step.</param>
    /// <inheritdoc cref="Trainer.Fit" path="/returns|/exception"/>
    public History Fit(IEnumerable<(Tensor Input, Tensor Target)> batches, int epochs = 1, FitOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(batches);
        RequireLoss();
        return NewTrainer().Fit(batches, epochs, options, cancellationToken);
    }

    /// <summary>
    /// A trainer of a model of one input and one output, with its loss, optimizer and metrics. What a metric is over an epoch is the mean over
    /// its batches; <see cref="Fit(KerasData, int, int, KerasData?, bool, FitOptions?, CancellationToken)"/> has Keras's own values.
    /// </summary>
    /// <exception cref="InvalidOperationException">The model has several inputs or outputs, no loss, or no optimizer that is known.</exception>
    public Trainer NewTrainer()
    {
        RequireLoss();
        if (InputNames.Count != 1 || OutputNames.Count != 1)
            throw new InvalidOperationException($"The model has {InputNames.Count} inputs and {OutputNames.Count} outputs: use {nameof(Fit)} with {nameof(KerasData)}.");
        return new Trainer(this, (prediction, target) => Loss(_lastPass! with { Outputs = [prediction], Targets = [target] }, logs: null), Optimizer)
        {
            Metrics = [.. _training[0].Metrics.Select(metric => new Metric(metric.Name, (prediction, target) =>
            {
                metric.Reset();
                metric.Update(target, prediction);
                return tensor(metric.Result);
            }) { LargerIsBetter = metric.LargerIsBetter })],
        };
    }

    /// <summary>One step: gradients of the loss of a batch, then the optimizer. Keras: <c>train_on_batch</c>.</summary>
    /// <param name="batch">The batch.</param>
    /// <returns>The loss before the step, and the metrics.</returns>
    /// <inheritdoc cref="Evaluate(KerasData, int)" path="/exception"/>
    public OrderedDictionary<string, double> TrainOnBatch(KerasData batch)
    {
        OrderedDictionary<string, double> logs = ComputeGradients(batch);
        Optimizer.step();
        return logs;
    }

    /// <summary>The first half of a step: the gradients are then in the parameters.</summary>
    internal OrderedDictionary<string, double> ComputeGradients(KerasData batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        RequireLoss();
        batch.CheckFits(InputNames, OutputNames);
        using var scope = NewDisposeScope();
        using var grad = enable_grad();
        RunningLogs logs = NewLogs();
        foreach (LayerWeight weight in TrainedWeights)
            weight.Parameter!.grad = null;
        (Tensor[] inputs, Tensor?[] targets, Tensor?[] weights) = batch.Rows(arange(batch.Count, dtype: ScalarType.Int64), OutputNames.Count, training: true);
        Optimizer.ScaleLoss(Loss(Forward(inputs, targets, weights, training: true), logs)).backward();
        return logs.Values();
    }

    /// <summary>Loss and metrics with nothing seen.</summary>
    internal RunningLogs NewLogs()
    {
        var logs = new RunningLogs(_training);
        logs.Clear();
        return logs;
    }

    /// <summary>A batch that went through the model.</summary>
    internal sealed record Pass(Tensor[] Outputs, ForwardContext Context, long Examples, Tensor?[] Targets, Tensor?[] Weights);

    internal Pass Forward(IReadOnlyList<Tensor> inputs, Tensor?[] targets, Tensor?[] weights, bool training)
    {
        (Tensor[] outputs, ForwardContext context) = Run(inputs, training);
        return new Pass(outputs, context, inputs[0].shape[0], targets, weights);
    }

    /// <summary>The loss of a batch, with what regularizers and layers add; loss and metrics go to the logs.</summary>
    internal Tensor Loss(Pass pass, RunningLogs? logs)
    {
        Tensor?[] masks = [.. pass.Outputs.Select(pass.Context.MaskOf)];
        var losses = new Tensor?[_training.Length];
        Tensor? total = null;
        for (int i = 0; i < _training.Length; i++)
        {
            if (_training[i].Loss is not { } loss)
                continue;
            Tensor target = pass.Targets[i] ?? throw new ArgumentException($"There is no target for the output {OutputNames[i]}, which has a loss.");
            losses[i] = loss.Compute(target, pass.Outputs[i], pass.Weights[i], masks[i]);
            Tensor weighted = _training[i].LossWeight == 1 ? losses[i]! : losses[i]! * _training[i].LossWeight;
            total = total is null ? weighted : total + weighted;
        }

        foreach (Tensor added in pass.Context.Losses.Concat(RegularizationLosses()))
            total = total is null ? added : total + added.to(total.dtype);
        if (logs is not null)
        {
            using var noGrad = no_grad();
            logs.Add(total!.ToDouble(), [.. losses.Select(loss => loss?.ToDouble())], pass.Examples, pass.Outputs, masks, pass.Targets, pass.Weights);
        }

        return total!;
    }

    /// <summary>What the regularizers of the weights that are trained add to the loss.</summary>
    IEnumerable<Tensor> RegularizationLosses() =>
        from weight in TrainedWeights where weight.Regularizer is not null select weight.Regularizer!.Of(weight.Tensor);

    void ReadCompilation()
    {
        _training = [.. OutputNames.Select(name => new OutputTraining { Name = name })];
        if (Archive.ModelConfig?["compile_config"] is not JsonObject config)
        {
            _compileProblem = "the archive has no compile_config";
            return;
        }

        try
        {
            _training = Compilation.Read(config, OutputNames);
        }
        catch (FormatException e)
        {
            _compileProblem = e.Message;
        }
    }

    void RequireLoss()
    {
        if (_training.All(output => output.Loss is null))
            throw new InvalidOperationException($"The model has no loss{(_compileProblem is null ? "" : $": {_compileProblem}")}. Give it with {nameof(Compile)}.");
    }

    Optimizer StoredOptimizer()
    {
        try
        {
            const int counterAndRate = 2;
            Optimizer optimizer = Archive.CreateOptimizer();
            optimizer.Build(Archive.TrainableVariables);
            bool isNew = Archive.OptimizerVariableCount is 0 || (Archive.OptimizerVariableCount == counterAndRate && optimizer.Variables.Count > counterAndRate);
            return isNew ? Archive.Optimizer = optimizer : Archive.LoadOptimizer();
        }
        catch (Exception e) when (e is FormatException or Checkpoints.InvalidFileException or ArgumentException)
        {
            throw new InvalidOperationException($"The archive's optimizer cannot be used: {e.Message} Give one with {nameof(Compile)}.", e);
        }
    }

    TorchOptimizer MakeOptimizer(Optimizer optimizer) =>
        new(optimizer, [.. optimizer.TrainableVariables.Select(variable => (variable.Path, _weights[variable].Parameter!, variable))]);

    void UseOptimizer(Optimizer optimizer)
    {
        Archive.Optimizer = optimizer;
        _optimizer?.Dispose();
        _optimizer = MakeOptimizer(optimizer);
    }

    // After layers were frozen or unfrozen: the same optimizer for what is trained now, with the state of what was trained before.
    Optimizer ForOthers(Optimizer former)
    {
        Optimizer optimizer = Infinorm.Optimizer.FromConfig(former.GetConfig());
        optimizer.Build(Archive.TrainableVariables);
        Dictionary<string, Variables.Variable> state = former.Variables.DistinctBy(variable => variable.Path).ToDictionary(variable => variable.Path);
        foreach (Variables.Variable variable in optimizer.Variables)
        {
            if (state.TryGetValue(variable.Path, out Variables.Variable? value) && value.Shape.SequenceEqual(variable.Shape))
                variable.Assign(value.ToNdArray());
        }

        return optimizer;
    }

    void CheckCount<T>(IReadOnlyList<T>? list, string name)
    {
        if (list is not null && list.Count != OutputNames.Count)
            throw new ArgumentException($"{name} has {list.Count} entries, the model has {OutputNames.Count} outputs ({string.Join(", ", OutputNames)}).", name);
    }
}
