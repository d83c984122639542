using Infinorm.Keras.Torch.Training;
using Infinorm.Torch;
using Infinorm.Torch.Training;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch;

/// <summary>
/// A Keras model as <see cref="Trainer"/> takes one, whatever its inputs and outputs: a batch is the numbers of its examples. Numbers
/// from the count of the training data on are of the validation data.
/// </summary>
sealed class RowBatches : nn.Module<Tensor, Tensor>
{
    readonly KerasModel _model;
    readonly KerasData _data;
    readonly KerasData? _validation;
    readonly RunningLogs _logs;
    readonly Dictionary<string, (double Value, double Examples)> _former = [];
    bool _wasTraining;
    KerasModel.Pass? _pass;

    public RowBatches(KerasModel model, KerasData data, KerasData? validation)
        : base(model.GetName())
    {
        (_model, _data, _validation) = (model, data, validation);
        _logs = model.NewLogs();
        foreach ((string name, nn.Module module) in model.named_children())
            register_module(name, module); // so that weights have the model's names
        Metrics = [.. _logs.Values().Keys.Where(name => name != "loss").Select(Metric)];
    }

    /// <summary>The model's metrics.</summary>
    public IReadOnlyList<Metric> Metrics { get; }

    /// <summary>Forgets what metrics have seen, at the beginning of each epoch.</summary>
    public Callback NewEpoch => new EpochStart(this);

    /// <summary>The numbers of the training data, or of the validation data.</summary>
    public static Tensor Numbers(long first, long count) => Range(first, first + count);

    public override Tensor forward(Tensor rows)
    {
        if (training != _wasTraining)
            Restart();
        _wasTraining = training;
        bool isValidation = _validation is not null && rows[0].ToInteger() >= _data.Count;
        KerasData data = isValidation ? _validation! : _data;
        (Tensor[] inputs, Tensor?[] targets, Tensor?[] weights) = data.Rows(isValidation
            ? rows.Minus(_data.Count)
            : rows, _model.OutputNames.Count, training);
        _pass = _model.Forward(inputs, targets, weights, training);
        return _pass.Outputs[0];
    }

    /// <summary>The loss of the batch that was last computed.</summary>
    public Tensor Loss(Tensor prediction, Tensor rows) => _model.Loss(_pass!, _logs);

    // Trainer averages what a metric gives for batches, by their examples. So it gets what makes that average the metric's own value.
    Metric Metric(string name) => new(name, (_, _) =>
    {
        (double value, double examples) = _former.GetValueOrDefault(name);
        double now = _logs.Values()[name];
        _former[name] = (now, _logs.Examples);
        return tensor(((now * _logs.Examples) - (value * examples)) / (_logs.Examples - examples), dtype: ScalarType.Float64);
    });

    // An epoch or a validation begins.
    void Restart()
    {
        _logs.Clear();
        _former.Clear();
    }

    sealed class EpochStart(RowBatches batches) : Callback
    {
        public override void OnEpochBegin(TrainingRun run) => batches.Restart();
    }
}
