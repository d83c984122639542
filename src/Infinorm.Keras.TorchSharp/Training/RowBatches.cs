using Infinorm.Torch.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Training;

/// <summary>
/// A Keras model as <see cref="Trainer"/> takes one, whatever its inputs and outputs: a batch is the numbers of its examples. Numbers from the
/// count of the training data on are of the validation data.
/// </summary>
sealed class RowBatches : nn.Module<Tensor, Tensor>
{
    readonly KerasModel _model;
    readonly KerasData _data;
    readonly KerasData? _validation;
    readonly RunningLogs _training, _evaluation;
    KerasModel.Pass? _pass;

    public RowBatches(KerasModel model, KerasData data, KerasData? validation)
        : base(model.GetName())
    {
        (_model, _data, _validation) = (model, data, validation);
        (_training, _evaluation) = (model.NewLogs(), model.NewLogs());
        foreach ((string name, nn.Module module) in model.named_children())
            register_module(name, module); // so that weights have the model's names
        Metrics = [.. _training.Values().Keys.Where(name => name != "loss").Select(Metric)];
    }

    /// <summary>The model's metrics.</summary>
    public IReadOnlyList<Metric> Metrics { get; }

    /// <summary>Forgets what metrics have seen, at the beginning of each epoch.</summary>
    public Callback NewEpoch => new Restart(this);

    /// <summary>The numbers of the training data, or of the validation data.</summary>
    public static Tensor Numbers(long first, long count) => arange(first, first + count, dtype: ScalarType.Int64);

    public override Tensor forward(Tensor rows)
    {
        bool isValidation = _validation is not null && rows[0].ToInt64() >= _data.Count;
        KerasData data = isValidation ? _validation! : _data;
        (Tensor[] inputs, Tensor?[] targets, Tensor?[] weights) = data.Rows(isValidation ? rows - _data.Count : rows, _model.OutputNames.Count, training);
        _pass = _model.Forward(inputs, targets, weights, training);
        return _pass.Outputs[0];
    }

    /// <summary>The loss of the batch that was last computed.</summary>
    public Tensor Loss(Tensor prediction, Tensor rows)
    {
        RunningLogs logs = training ? _training : _evaluation;
        return _model.Loss(_pass!, logs);
    }

    // Trainer averages what a metric gives for batches, by their examples. So it gets what makes that average the metric's own value.
    Metric Metric(string name)
    {
        var former = new Dictionary<RunningLogs, (double Value, double Examples)>();
        return new Metric(name, (_, _) =>
        {
            RunningLogs logs = training ? _training : _evaluation;
            (double value, double examples) = former.GetValueOrDefault(logs);
            if (logs.Examples <= examples)
                (value, examples) = (0, 0);
            double now = logs.Values()[name];
            former[logs] = (now, logs.Examples);
            return tensor(((now * logs.Examples) - (value * examples)) / (logs.Examples - examples), dtype: ScalarType.Float64);
        });
    }

    sealed class Restart(RowBatches batches) : Callback
    {
        public override void OnEpochBegin(TrainingRun run)
        {
            batches._training.Clear();
            batches._evaluation.Clear();
        }
    }
}
