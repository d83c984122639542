using System.Text.Json.Nodes;
using Infinorm.Keras.Torch.Layers;
using Infinorm.Keras.Torch.Training;
using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch;

// Loss, optimizer, steps.
public sealed partial class KerasModel
{
    OutputTraining[] _outputTraining = [];
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
    /// <param name="optimizer">An optimizer that is not built yet; it starts with new state.</param>
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
        for (int i = 0; i < _outputTraining.Length; i++)
        {
            OutputTraining output = _outputTraining[i];
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
        (Tensor[] inputs, Tensor?[] targets, Tensor?[] weights) = batch.Rows(0, batch.Count, OutputNames.Count, training: true);
        Optimizer.ScaleLoss(Loss(Forward(inputs, targets, weights, training: true), logs)).backward();
        return logs.Values();
    }

    /// <summary>Loss and metrics with nothing seen.</summary>
    internal RunningLogs NewLogs()
    {
        var logs = new RunningLogs(_outputTraining);
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
        var losses = new Tensor?[_outputTraining.Length];
        Tensor? total = null;
        for (int i = 0; i < _outputTraining.Length; i++)
        {
            if (_outputTraining[i].Loss is not { } loss)
                continue;
            Tensor target = pass.Targets[i]
                ?? throw new ArgumentException($"There is no target for the output {OutputNames[i]}, which has a loss.");
            losses[i] = loss.Compute(target, pass.Outputs[i], pass.Weights[i], masks[i]);
            Tensor weighted = _outputTraining[i].LossWeight == 1 ? losses[i]! : losses[i]!.Times(_outputTraining[i].LossWeight);
            total = total is null ? weighted : total.Plus(weighted);
        }

        foreach (Tensor added in pass.Context.Losses.Concat(RegularizationLosses()))
            total = total is null ? added : total.Plus(added.to(total.dtype));
        if (logs is not null)
        {
            using var noGrad = no_grad();
            logs.Add(total!.ToNumber(), [.. losses.Select(loss => loss?.ToNumber())], pass.Examples, pass.Outputs, masks, pass.Targets,
                pass.Weights);
        }

        return total!;
    }

    /// <summary>What the regularizers of the weights that are trained add to the loss.</summary>
    IEnumerable<Tensor> RegularizationLosses() =>
        from weight in TrainedWeights where weight.Regularizer is not null select weight.Regularizer!.Of(weight.Tensor);

    void ReadCompilation()
    {
        _outputTraining = [.. OutputNames.Select(name => new OutputTraining { Name = name })];
        if (Archive.ModelConfig?["compile_config"] is not JsonObject config)
        {
            _compileProblem = "the archive has no compile_config";
            return;
        }

        try
        {
            _outputTraining = Compilation.Read(config, OutputNames);
        }
        catch (FormatException e)
        {
            _compileProblem = e.Message;
        }
    }

    void RequireLoss()
    {
        if (_outputTraining.All(output => output.Loss is null))
            throw new InvalidOperationException($"The model has no loss{(_compileProblem is null ? "" : $": {_compileProblem}")}. "
                + $"Give it with {nameof(Compile)}.");
    }

    Optimizer StoredOptimizer()
    {
        try
        {
            const int counterAndRate = 2;
            Optimizer optimizer = Archive.CreateOptimizer();
            optimizer.Build(Archive.TrainableVariables);
            bool isNew = Archive.OptimizerVariableCount is 0
                || (Archive.OptimizerVariableCount == counterAndRate && optimizer.Variables.Count > counterAndRate);
            return isNew ? Archive.Optimizer = optimizer : Archive.LoadOptimizer();
        }
        catch (Exception e) when (e is FormatException or Checkpoints.InvalidFileException or ArgumentException)
        {
            throw new InvalidOperationException($"The archive's optimizer cannot be used: {e.Message} Give one with {nameof(Compile)}.", e);
        }
    }

    TorchOptimizer MakeOptimizer(Optimizer optimizer) => TorchOptimizer.Over(
        optimizer, optimizer.TrainableVariables.Select(variable => (variable.Path, _weights[variable].Parameter!, variable)));

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
        optimizer.ExcludeAs(former);
        optimizer.Build(Archive.TrainableVariables);
        Dictionary<string, Variables.Variable> state = former.Variables.DistinctBy(variable => variable.Path)
            .ToDictionary(variable => variable.Path);
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
            throw new ArgumentException($"{name} has {list.Count} entries, the model has {OutputNames.Count} outputs "
                + $"({string.Join(", ", OutputNames)}).", name);
    }
}
