using Infinorm.Schedules;
using Infinorm.Torch.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>
/// Something small to learn, with everything that makes a run hard to resume: dropout, batch normalisation, averages, clipping, a schedule.
/// </summary>
sealed class Problem : IDisposable
{
    readonly Tensor _inputs, _targets;

    /// <param name="examples">How many examples.</param>
    /// <param name="optimizer">Makes the optimizer.</param>
    /// <param name="type">Type of inputs and model.</param>
    /// <param name="transposed">Whether the first weights lie in memory column by column.</param>
    /// <param name="groups">Whether biases are a group with a smaller rate and no decay.</param>
    public Problem(
        int examples = 70, Func<Optimizer>? optimizer = null, ScalarType type = ScalarType.Float32, bool transposed = false,
        bool groups = false)
    {
        using Generator _ = random.manual_seed(5);
        using Tensor inputs = rand(examples, 4);
        _inputs = inputs.to_type(type, copy: true);
        _targets = (inputs.sum(1) * 0.75f).to_type(ScalarType.Int64);
        var first = nn.Linear(4, 12);
        if (transposed)
            first.weight = new Parameter(rand(4, 12).t());
        Model = nn.Sequential(
            ("in", first), ("norm", nn.BatchNorm1d(12)), ("relu", nn.ReLU()), ("drop", nn.Dropout(0.3)), ("out", nn.Linear(12, 3)));
        Model.to(type);
        var parts = Model.named_parameters().ToLookup(named => groups && named.name.EndsWith("bias", StringComparison.Ordinal));
        Optimizer = (optimizer ?? Default)().For(
            [new(parts[false]), .. groups ? (ParameterGroup[])[new(parts[true]) { LearningRate = 0.005, WeightDecay = 0 }] : []]);
        Data = new TensorBatches(_inputs, _targets, batchSize: 8);
        Trainer = new Trainer(Model, nn.CrossEntropyLoss().forward, Optimizer) { Metrics = [Metric.Accuracy] };
    }

    public nn.Module<Tensor, Tensor> Model { get; }

    public TorchOptimizer Optimizer { get; }

    public Trainer Trainer { get; }

    public TensorBatches Data { get; }

    public static Optimizer Default() => new Adamax(new CosineDecay(0.02, decaySteps: 60))
    {
        GlobalClipNorm = 1,
        WeightDecay = 0.01,
        UseEma = true,
        EmaMomentum = 0.9,
    };

    /// <summary>Trains in a loop that is written out, with the seeds that a run has, and returns the number of steps.</summary>
    public long TrainByHand(long seed, int epochs, Action optimize)
    {
        long step = 0;
        Model.train();
        var loss = nn.CrossEntropyLoss();
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            using var batches = Data.GetEnumerator();
            for (int i = 0; i <= Data.Count; i++)
            {
                StepSeed.Set(seed, step);
                if (!batches.MoveNext())
                    break;
                Model.zero_grad();
                loss.forward(Model.forward(batches.Current.Input), batches.Current.Target).backward();
                optimize();
                step++;
            }
        }

        return step;
    }

    /// <summary>All parameters and buffers, bit for bit.</summary>
    public byte[] Weights() => WeightsOf(Model);

    public static byte[] WeightsOf(nn.Module model) =>
        [.. model.state_dict().Values.SelectMany(tensor => tensor.detach().contiguous().bytes.ToArray())];

    public void Dispose()
    {
        Optimizer.Dispose();
        Model.Dispose();
        _inputs.Dispose();
        _targets.Dispose();
    }
}
