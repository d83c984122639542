using Infinorm.Torch.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>Tensors as data, several inputs and outputs, weights, devices.</summary>
[Collection(nameof(Alone))]
public sealed class TrainerDataTests : IDisposable
{
    readonly Tensor _inputs, _targets;

    public TrainerDataTests()
    {
        using var generator = new Generator(1);
        (_inputs, _targets) = (rand(40, 4, generator: generator), randint(0, 3, 40, generator: generator));
    }

    [Fact]
    public void TakesTensors()
    {
        using Problem tensors = new(), batches = new();
        History one = tensors.Trainer.Fit(_inputs, _targets, batchSize: 8, epochs: 2, new() { Seed = 1, ValidationSplit = 0.2 });
        History other = batches.Trainer.Fit(new TensorBatches(_inputs, _targets, 8), 2, new() { Seed = 1, ValidationSplit = 0.2 });
        Assert.Equal(other["val_loss"], one["val_loss"]);
        Assert.Equal(batches.Weights(), tensors.Weights());
        Assert.Equal(batches.Trainer.Evaluate(new TensorBatches(_inputs, _targets, shuffle: false)), tensors.Trainer.Evaluate(_inputs, _targets));

        byte[] before = tensors.Weights();
        Assert.Throws<ArgumentOutOfRangeException>(() => tensors.Trainer.Fit(_inputs, _targets, batchSize: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => tensors.Trainer.Fit(_inputs, _targets, epochs: 0));
        Assert.Throws<ArgumentException>(() => tensors.Trainer.Fit(_inputs, _targets[..39]));
        Assert.Throws<ArgumentNullException>(() => tensors.Trainer.Fit(_inputs, null!));
        Assert.Equal(before, tensors.Weights());
    }

    [Fact]
    public void AModelOfSeveralInputsAndOutputsTrains()
    {
        using var model = new TwoByTwo();
        using TorchOptimizer optimizer = new Adamax(0.02).For(model);
        Tensor second = _inputs * 2, number = _inputs.sum(1, keepdim: true);
        var trainer = new Trainer(
            model,
            inputs => [.. model.Both(inputs[0], inputs[1])],
            (outputs, targets) => nn.functional.cross_entropy(outputs[0], targets[0]) + nn.functional.mse_loss(outputs[1], targets[1]),
            optimizer)
        {
            Metrics = [Metric.Accuracy, Metric.MeanAbsoluteError.For(output: 1, "number_error")],
        };
        History history = trainer.Fit([_inputs, second], [_targets, number], batchSize: 8, epochs: 10, new() { ValidationSplit = 0.2 });
        Assert.Equal(
            ["loss", "accuracy", "number_error", "val_loss", "val_accuracy", "val_number_error", "learning_rate"], history.Epochs[0].Values.Keys);
        Assert.True(history["number_error"][^1] < 0.7 * history["number_error"][0]);

        IReadOnlyList<Tensor> outputs = trainer.PredictOutputs([_inputs, second], batchSize: 7);
        Assert.Equal([40, 3], outputs[0].shape);
        using (no_grad())
        {
            Tensor whole = model.Both(_inputs, second)[1];
            Assert.True(whole.allclose(outputs[1]));
            IReadOnlyDictionary<string, double> scores = trainer.Evaluate([new Batch([_inputs, second], [_targets, number])]);
            Assert.Equal((whole - number).abs().mean().ToNumber(), scores["number_error"], 1e-6);
        }

        var missing = new Trainer(model, inputs => [.. model.Both(inputs[0], inputs[1])], (outputs, _) => outputs[0].mean(), optimizer)
        {
            Metrics = [Metric.Accuracy.For(2, "third")],
        };
        Assert.Equal(
            "The metric 'third' is of output 2; the model has 2 outputs, the batch 1 targets.",
            Assert.Throws<ArgumentException>(() => missing.Fit([new Batch([_inputs, second], [_targets])])).Message);
    }

    [Fact]
    public void ABatchOfSeveralIsNotForAModelOfOne()
    {
        using var problem = new Problem();
        Assert.StartsWith(
            "The model has one input and one output, and the batch 2 inputs or targets.",
            Assert.Throws<ArgumentException>(() => problem.Trainer.Fit([new Batch([_inputs, _inputs], [_targets])])).Message);
        Assert.Equal("inputs", Assert.Throws<ArgumentException>(() => new Batch([], [_targets])).ParamName);
        Assert.Equal("targets", Assert.Throws<ArgumentException>(() => new Batch([_inputs], [null!])).ParamName);
    }

    [Fact]
    public void AnExampleOfWeightTwoCountsAsTwo()
    {
        // The last 10 of 40 examples twice, and once with a weight.
        Tensor twice = ones(40), inputs = cat([_inputs, _inputs[30..]]), targets = cat([_targets, _targets[30..]]);
        twice[TensorIndex.Slice(30, null)] = 2;
        var loss = nn.CrossEntropyLoss(reduction: nn.Reduction.None);
        (byte[] Weights, double Accuracy) Train(Tensor x, Tensor y, Tensor? weights, double factor)
        {
            using Generator _ = random.manual_seed(6);
            using var model = nn.Linear(4, 3);
            using TorchOptimizer optimizer = new Infinorm.Optimizers.Sgd(0.1).For(model);
            var trainer = new Trainer(model, (prediction, target) => factor * loss.forward(prediction, target), optimizer)
            {
                Metrics = [Metric.Accuracy],
            };
            double accuracy = trainer.Fit(x, y, batchSize: 100, weights: weights, shuffle: false)["accuracy"][0];
            return (Problem.WeightsOf(model), accuracy);
        }

        // Keras's mean divides by the number of examples, not by the sum of the weights.
        var (weighted, accuracy) = Train(_inputs, _targets, twice, 40);
        var (repeated, same) = Train(inputs, targets, null, 50);
        Assert.Equal(same, accuracy, 1e-12);
        Assert.True(Close(repeated, weighted));

        var (unweighted, _) = Train(_inputs, _targets, null, 40);
        Assert.False(Close(unweighted, weighted));
    }

    [Fact]
    public void ClassWeightsCountInTrainingAlone()
    {
        var loss = nn.CrossEntropyLoss(reduction: nn.Reduction.None);
        (byte[] Weights, History History) Train(Tensor targets, Tensor? weights, Dictionary<long, double>? classWeights)
        {
            using Problem problem = new();
            var trainer = new Trainer(problem.Model, (p, t) => loss.forward(p, t.dim() > 1 ? t.argmax(1) : t), problem.Optimizer)
            {
                Metrics = [new Metric("hits", (p, t) => p.argmax(1).eq(t.dim() > 1 ? t.argmax(1) : t))],
            };
            History history = trainer.Fit(
                _inputs, targets, batchSize: 8, epochs: 2, weights: weights,
                options: new() { Seed = 2, ClassWeights = classWeights, ValidationData = [(_inputs, targets)] });
            return (problem.Weights(), history);
        }

        Tensor byHand = where(_targets.eq(2), tensor(5f), where(_targets.eq(0), tensor(0.1f), tensor(1f))), half = full(40, 0.5f);
        Dictionary<long, double> classWeights = new() { [0] = 0.1, [2] = 5 };
        var (expected, history) = Train(_targets, byHand, null);
        var (weights, ofClasses) = Train(_targets, null, classWeights);
        Assert.Equal(expected, weights);
        Assert.Equal(history["loss"], ofClasses["loss"]);
        Assert.Equal(history["hits"], ofClasses["hits"]);
        Assert.Equal(history["val_loss"], ofClasses["val_loss"]);
        Assert.Equal(expected, Train(nn.functional.one_hot(_targets, 3), null, classWeights).Weights);
        Assert.Equal(Train(_targets, byHand * half, null).Weights, Train(_targets, half, classWeights).Weights);
        Assert.NotEqual(expected, Train(_targets, null, null).Weights);
    }

    [Fact]
    public void WeightsThatCannotBe()
    {
        using var problem = new Problem();
        byte[] before = problem.Weights();
        foreach (float wrong in (float[])[-1, float.NaN, float.PositiveInfinity])
        {
            Assert.StartsWith(
                "The weights of the examples must be finite and at least 0; some are not.",
                Assert.Throws<ArgumentException>(() => problem.Trainer.Fit(_inputs, _targets, weights: full(40, wrong))).Message);
            Assert.StartsWith(
                "Class weights are finite and at least 0",
                Assert.Throws<ArgumentException>(() => new FitOptions { ClassWeights = new Dictionary<long, double> { [0] = wrong } }).Message);
        }

        Assert.Throws<ArgumentException>(() => problem.Trainer.Fit([(_inputs, _targets, ones(40) * -1)]));
        Assert.Throws<ArgumentException>(() => problem.Trainer.Evaluate([(_inputs, _targets, ones(40) / 0)]));
        Assert.Throws<ArgumentException>(() => new FitOptions { ClassWeights = new Dictionary<long, double>() });
        Assert.Throws<ArgumentException>(() => problem.Trainer.Fit(_inputs, _targets, weights: ones(39)));
        Assert.StartsWith(
            "The loss has the shape []; examples are weighted, so it must be one number for each of the 32 examples. Make the loss without a",
            Assert.Throws<InvalidOperationException>(() => problem.Trainer.Fit(_inputs, _targets, weights: ones(40))).Message);
        var each = new Trainer(problem.Model, nn.CrossEntropyLoss(reduction: nn.Reduction.None).forward, problem.Optimizer);
        Assert.StartsWith(
            "The weights have the shape [32, 2] and the losses [32]; weights are of shape (examples) or (examples, steps).",
            Assert.Throws<ArgumentException>(() => each.Fit(_inputs, _targets, weights: ones(40, 2))).Message);
        Assert.Equal(before.Length, problem.Weights().Length);
        Assert.Equal(0, problem.Optimizer.Optimizer.Iterations);

        using var model = new TwoByTwo();
        using TorchOptimizer optimizer = new Adamax().For(model);
        var two = new Trainer(model, inputs => model.Both(inputs[0], inputs[0]), (outputs, _) => outputs[0].sum(1), optimizer);
        Assert.StartsWith(
            "Class weights are for one target; the batch has 2.",
            Assert.Throws<ArgumentException>(() => two.Fit(
                [_inputs], [_targets, _targets], options: new() { ClassWeights = new Dictionary<long, double> { [0] = 1 } })).Message);
    }

    [Fact]
    public void ALossOfEachExampleIsAveraged()
    {
        using Problem mean = new(), each = new();
        mean.Trainer.Fit(_inputs, _targets, options: new() { Seed = 1 });
        new Trainer(each.Model, nn.CrossEntropyLoss(reduction: nn.Reduction.None).forward, each.Optimizer)
            .Fit(_inputs, _targets, options: new() { Seed = 1 });
        Assert.True(Close(mean.Weights(), each.Weights()));
    }

    [Fact]
    public void DataGoToTheDevice()
    {
        using var problem = new Problem();
        Assert.Equal("cpu", problem.Trainer.Device.ToString());
        var batch = new Batch([_inputs, _inputs], [_targets], ones(40));
        Assert.Same(batch, batch.To(CPU));
        Batch moved = batch.To(META);
        Assert.All(moved.Tensors, tensor => Assert.Equal(TorchSharp.DeviceType.META, tensor.device_type));
        Assert.Equal(batch.Tensors.Select(tensor => tensor.shape), moved.Tensors.Select(tensor => tensor.shape));

        Assert.StartsWith(
            "The model's in.weight is on cpu, the data are to go to meta. Move the model before its optimizer is made: model.to(device).",
            Assert.Throws<ArgumentException>(
                () => new Trainer(problem.Model, nn.CrossEntropyLoss().forward, problem.Optimizer) { Device = META }).Message);
    }

    [Fact]
    public void MakesTheOptimizer()
    {
        using Problem given = new(optimizer: () => new Adamax(0.01)), made = new();
        using var model = nn.Linear(4, 3);
        var trainer = new Trainer(given.Model, nn.CrossEntropyLoss().forward, given.Optimizer);
        var own = new Trainer(made.Model, nn.CrossEntropyLoss().forward, new Adamax(0.01), CPU);
        trainer.Fit(_inputs, _targets, options: new() { Seed = 3 });
        own.Fit(_inputs, _targets, options: new() { Seed = 3 });
        Assert.Equal(given.Weights(), made.Weights());
        own.Optimizer.Dispose();
        Assert.Equal(TorchSharp.DeviceType.CPU, new Trainer(model, nn.CrossEntropyLoss().forward, new Adamax()).Device.type);
    }

    public void Dispose()
    {
        _inputs.Dispose();
        _targets.Dispose();
    }

    static bool Close(byte[] one, byte[] other) => one.Length == other.Length && Enumerable.Range(0, one.Length / 4).All(
        i => Math.Abs(BitConverter.ToSingle(one, 4 * i) - BitConverter.ToSingle(other, 4 * i)) < 1e-5);

    sealed class TwoByTwo : nn.Module
    {
        readonly Linear _classes = nn.Linear(4, 3), _number = nn.Linear(8, 1);

        public TwoByTwo()
            : base("two") => RegisterComponents();

        public Tensor[] Both(Tensor first, Tensor second) => [_classes.forward(first), _number.forward(cat([first, second], 1))];
    }
}
