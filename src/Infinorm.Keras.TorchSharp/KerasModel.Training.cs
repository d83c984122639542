using System.Text.Json.Nodes;
using Infinorm.Keras.Torch.Training;
using Infinorm.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch;

// Loss, optimizer, steps.
public sealed partial class KerasModel
{
    OutputTraining[] _training = [];
    string? _compileProblem;
    TorchOptimizer? _optimizer;

    /// <summary>
    /// The optimizer for this model, over the archive's variables and state: the archive's or, set by <see cref="Compile"/>, another.
    /// </summary>
    /// <exception cref="InvalidOperationException">The archive has no optimizer that is known, and none was given.</exception>
    public TorchOptimizer Optimizer => _optimizer ??= MakeOptimizer(Archive.Optimizer ?? StoredOptimizer());

    /// <summary>The weights that are trained, in the order of the optimizer's variables.</summary>
    internal IReadOnlyList<LayerWeight> TrainedWeights => field ??= Ordered(_root.All().Distinct().SelectMany(layer => layer.Weights).Where(weight => weight.Parameter?.requires_grad == true));

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
        optimizer.Build([.. TrainedWeights.Select(weight => weight.Stored!.Variable)]);
        Archive.Optimizer = optimizer;
        _optimizer?.Dispose();
        _optimizer = MakeOptimizer(optimizer);
    }

    /// <summary>Loss and metrics over examples, without training. Keras: <c>evaluate</c>.</summary>
    /// <param name="input">Examples, along the first axis.</param>
    /// <param name="target">Their targets.</param>
    /// <param name="batchSize">How many to compute at once, ≥ 1. The default is 32.</param>
    /// <param name="sampleWeight">Weights of the examples; null, the default, for none.</param>
    /// <returns><c>loss</c> and the metrics by their names in Keras's logs.</returns>
    public OrderedDictionary<string, double> Evaluate(Tensor input, Tensor target, int batchSize = 32, Tensor? sampleWeight = null) =>
        Evaluate([input], [target], batchSize, sampleWeight is null ? null : [sampleWeight]);

    /// <summary>As <see cref="Evaluate(Tensor, Tensor, int, Tensor?)"/>, of several inputs and outputs.</summary>
    /// <param name="inputs">A tensor for each of <see cref="InputNames"/>.</param>
    /// <param name="targets">A tensor for each of <see cref="OutputNames"/>; null for one that has no loss.</param>
    /// <param name="batchSize">As there.</param>
    /// <param name="sampleWeights">One for each output, each of which can be null; null, the default, for none.</param>
    public OrderedDictionary<string, double> Evaluate(
        IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor?> targets, int batchSize = 32, IReadOnlyList<Tensor?>? sampleWeights = null)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        RequireLoss();
        CheckCount(targets, nameof(targets));
        CheckCount(sampleWeights, nameof(sampleWeights));
        using var noGrad = no_grad();
        var logs = new RunningLogs(_training);
        logs.Clear();
        long count = inputs[0].shape[0];
        for (long start = 0; start < count; start += batchSize)
        {
            using var scope = NewDisposeScope();
            long size = Math.Min(batchSize, count - start);
            Tensor[] batch = [.. inputs.Select(input => input.narrow(0, start, size))];
            Tensor?[] batchTargets = [.. targets.Select(target => target?.narrow(0, start, size))];
            Tensor?[] weights = [.. _training.Select((_, i) => sampleWeights?[i]?.narrow(0, start, size))];
            Loss(batch, batchTargets, weights, training: false, logs);
        }

        return logs.Values();
    }

    /// <summary>One step: gradients of the loss of a batch, then the optimizer. Keras: <c>train_on_batch</c>.</summary>
    /// <param name="inputs">A tensor for each of <see cref="InputNames"/>.</param>
    /// <param name="targets">A tensor for each of <see cref="OutputNames"/>; null for one that has no loss.</param>
    /// <param name="sampleWeights">One for each output, each of which can be null; null, the default, for none.</param>
    /// <returns>The loss before the step, and the metrics.</returns>
    public OrderedDictionary<string, double> TrainOnBatch(IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor?> targets, IReadOnlyList<Tensor?>? sampleWeights = null)
    {
        OrderedDictionary<string, double> logs = ComputeGradients(inputs, targets, sampleWeights);
        Optimizer.step();
        return logs;
    }

    /// <summary>The first half of a step: the gradients are then in the parameters.</summary>
    internal OrderedDictionary<string, double> ComputeGradients(IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor?> targets, IReadOnlyList<Tensor?>? sampleWeights)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        RequireLoss();
        CheckCount(targets, nameof(targets));
        CheckCount(sampleWeights, nameof(sampleWeights));
        using var scope = NewDisposeScope();
        using var grad = enable_grad();
        var logs = new RunningLogs(_training);
        logs.Clear();
        foreach (LayerWeight weight in TrainedWeights)
            weight.Parameter!.grad = null;
        Tensor loss = Loss(inputs, targets, [.. _training.Select((_, i) => sampleWeights?[i])], training: true, logs);
        ScaleLoss(loss).backward();
        return logs.Values();
    }

    /// <summary>The loss of a batch, with what regularizers and layers add, and the logs of it.</summary>
    Tensor Loss(IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor?> targets, Tensor?[] weights, bool training, RunningLogs logs)
    {
        (Tensor[] outputs, ForwardContext context) = Run(inputs, training);
        Tensor?[] masks = [.. outputs.Select(context.MaskOf)];
        var losses = new Tensor?[_training.Length];
        Tensor? total = null;
        for (int i = 0; i < _training.Length; i++)
        {
            if (_training[i].Loss is not { } loss)
                continue;
            losses[i] = loss.Compute(targets[i] ?? throw new ArgumentException($"There is no target for the output {OutputNames[i]}, which has a loss."), outputs[i], weights[i], masks[i]);
            Tensor weighted = _training[i].LossWeight == 1 ? losses[i]! : losses[i]! * _training[i].LossWeight;
            total = total is null ? weighted : total + weighted;
        }

        foreach (Tensor added in context.Losses.Concat(RegularizationLosses()))
            total = total is null ? added : total + added.to(total.dtype);
        using (no_grad())
            logs.Add(total!.ToDouble(), [.. losses.Select(loss => loss?.ToDouble())], inputs[0].shape[0], outputs, masks, targets, weights);
        return total!;
    }

    /// <summary>What the regularizers of the weights that are trained add to the loss.</summary>
    IEnumerable<Tensor> RegularizationLosses() =>
        from weight in TrainedWeights where weight.Regularizer is not null select weight.Regularizer!.Of(weight.Tensor);

    Tensor ScaleLoss(Tensor loss) => _optimizer is not null || Archive.OptimizerConfig is not null && HasKnownOptimizer() ? Optimizer.ScaleLoss(loss) : loss;

    bool HasKnownOptimizer()
    {
        try
        {
            return Optimizer is not null;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

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
            if (Archive.HasTrainedState)
                return Archive.LoadOptimizer();
            Optimizer optimizer = Archive.CreateOptimizer();
            optimizer.Build(Archive.TrainableVariables);
            return Archive.Optimizer = optimizer;
        }
        catch (Exception e) when (e is FormatException or Checkpoints.InvalidFileException or ArgumentException)
        {
            throw new InvalidOperationException($"The archive's optimizer cannot be used: {e.Message} Give one with {nameof(Compile)}.", e);
        }
    }

    TorchOptimizer MakeOptimizer(Optimizer optimizer) => new(
        optimizer, [.. optimizer.TrainableVariables.Select(variable => TrainedWeights.FirstOrDefault(weight => weight.Stored!.Variable == variable)
            ?? throw new InvalidOperationException($"{optimizer.Name}: {variable.Path} is not trained by the model.")).Select(weight => (weight.Path, weight.Parameter!, weight.Stored!.Variable))]);

    List<LayerWeight> Ordered(IEnumerable<LayerWeight> weights)
    {
        Dictionary<KerasWeight, int> places = Archive.Weights.Select((weight, i) => (weight, i)).ToDictionary();
        return [.. weights.OrderBy(weight => places[weight.Stored!])];
    }

    void CheckCount<T>(IReadOnlyList<T>? list, string name)
    {
        if (list is not null && list.Count != OutputNames.Count)
            throw new ArgumentException($"{name} has {list.Count} entries, the model has {OutputNames.Count} outputs ({string.Join(", ", OutputNames)}).", name);
    }
}
