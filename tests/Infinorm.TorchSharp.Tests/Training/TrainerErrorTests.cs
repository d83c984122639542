using System.Runtime.InteropServices;
using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>What can go wrong at the first try, and what the message says to do.</summary>
[Collection(nameof(Alone))]
public sealed class TrainerErrorTests
{
    readonly Problem _problem = new();

    [Fact]
    public void ABatchThatIsDisposed()
    {
        using var problem = new Problem();
        Batch batch = (rand(8, 4), randint(0, 3, 8));
        batch.Target.Dispose();
        Assert.StartsWith(
            "The target of the batch is disposed. Tensors that are made when a batch is asked for are disposed after its step",
            Assert.Throws<ArgumentException>(() => problem.Trainer.Fit([batch])).Message);
        batch.Input.Dispose();
        Assert.StartsWith(
            "The input of the batch is disposed.", Assert.Throws<ArgumentException>(() => problem.Trainer.Evaluate([batch])).Message);
    }

    [Fact]
    public void MetricsThatHistoriesCannotTellApart()
    {
        foreach (string[] names in (string[][])[["loss"], ["learning_rate"], ["val_loss"], ["a", "a"], ["a", "val_a"]])
        {
            Assert.StartsWith($"The name of the metric '{names[^1]}' is taken", Assert.Throws<ArgumentException>(
                () => new Trainer(_problem.Model, nn.MSELoss().forward, _problem.Optimizer)
                {
                    Metrics = [.. names.Select(name => new Metric(name, (prediction, _) => prediction))],
                }).Message);
        }

        Assert.Equal("name", Assert.Throws<ArgumentException>(() => new Metric("", (prediction, _) => prediction)).ParamName);
        Assert.Equal("compute", Assert.Throws<ArgumentNullException>(() => new Metric("a", null!)).ParamName);
    }

    [Fact]
    public void ANumberThatTorchSharpFreedTooEarlyIsNoFaultOfTheModel()
    {
        Tensor Loss(Tensor prediction, Tensor target) =>
            throw new ExternalException("Unknown scalar type.\nException raised from type at /pytorch/c10/core/Scalar.h:339 (most recent call first):");
        var trainer = new Trainer(_problem.Model, Loss, _problem.Optimizer);
        Assert.StartsWith(
            "TorchSharp freed a number before libtorch had read it", Assert.Throws<InvalidOperationException>(() => trainer.Fit(_problem.Data)).Message);
    }

    [Fact]
    public void NothingToTrain()
    {
        using var model = nn.Linear(2, 2);
        foreach (var parameter in model.parameters())
            parameter.requires_grad = false;
        using TorchOptimizer optimizer = new Adamax().For(model);
        Assert.StartsWith(
            "None of the optimizer's 2 parameters is trainable: all are frozen (requires_grad = false). Set requires_grad to true",
            Assert.Throws<ArgumentException>(() => new Trainer(model, nn.MSELoss().forward, optimizer)).Message);
    }

    [Fact]
    public void ALossThatDoesNotDependOnTheParameters()
    {
        foreach (Func<Tensor, Tensor, Tensor> loss in (Func<Tensor, Tensor, Tensor>[])
            [(prediction, _) => prediction.detach().sum(), (_, _) => ones([], requires_grad: true) * 2])
        {
            var trainer = new Trainer(_problem.Model, loss, _problem.Optimizer);
            Assert.StartsWith(
                "The loss does not depend on any of the optimizer's 6 parameters, so there is nothing to learn. Look for detach()",
                Assert.Throws<InvalidOperationException>(() => trainer.Fit(_problem.Data)).Message);
        }
    }

    [Fact]
    public void ALossThatIsNoNumber()
    {
        var trainer = new Trainer(_problem.Model, (prediction, _) => prediction.mean([0]), _problem.Optimizer);
        Assert.Equal(
            "The loss has the shape [3]; it must be one number, or one for each of the 8 examples, whose mean is taken. Reduce it, for "
            + "instance by mean().",
            Assert.Throws<InvalidOperationException>(() => trainer.Fit(_problem.Data)).Message);
    }

    [Fact]
    public void ShapesThatDoNotFit()
    {
        string input = Assert.Throws<ArgumentException>(() => _problem.Trainer.Fit([(ones(8, 7), zeros(8, int64))])).Message;
        Assert.StartsWith("The model cannot take an input of shape [8, 7] and type Float32: mat1 and mat2 shapes cannot be multiplied", input);
        Assert.EndsWith("Compare the input's shape and type with those that the model's first layers expect.", input);
        Assert.DoesNotContain("frame #", input, StringComparison.Ordinal);

        string target = Assert.Throws<ArgumentException>(() => _problem.Trainer.Fit([(ones(8, 4), zeros(5, int64))])).Message;
        Assert.StartsWith("The loss cannot compare a prediction of shape [8, 3] and type Float32 with a target of shape [5] and type Int64:", target);

        Assert.StartsWith(
            "The model cannot take an input of shape [8, 4] and type Int64",
            Assert.Throws<ArgumentException>(() => _problem.Trainer.Predict(zeros(8, 4, int64))).Message);
        Assert.StartsWith(
            "Inputs and targets need the same number of examples, at least one, along their first axis: found the shapes [3, 4] and [2].",
            Assert.Throws<ArgumentException>(() => new TensorBatches(ones(3, 4), ones(2))).Message);
    }

    [Fact]
    public void DataWithoutABatch()
    {
        Assert.Equal(
            "The data have no batch to train with.",
            Assert.Throws<InvalidOperationException>(() => _problem.Trainer.Fit([])).Message);
        Assert.Equal(
            "The data to evaluate with have no batch.",
            Assert.Throws<InvalidOperationException>(() => _problem.Trainer.Evaluate([])).Message);
    }

    [Fact]
    public void DataThatCanBeEnumeratedOnlyOnce()
    {
        using var batches = _problem.Data.GetEnumerator();
        Assert.StartsWith(
            "The data gave 0 batches in epoch 2, after 9 before. They must be the same in each epoch",
            Assert.Throws<InvalidOperationException>(() => _problem.Trainer.Fit(Rest(), epochs: 2)).Message);

        IEnumerable<Batch> Rest()
        {
            while (batches.MoveNext())
                yield return batches.Current;
        }
    }

    [Fact]
    public void ALossThatIsNotFiniteAtTheFirstStep()
    {
        byte[] before = _problem.Weights();
        Tensor target = zeros(4, int64), input = ones(4, 4);
        Expect("the input has numbers that are not finite. Clean the data.", _problem.Trainer, input.log() - input.log() / 0, target);

        var regression = new Trainer(_problem.Model, nn.MSELoss().forward, _problem.Optimizer);
        Expect("the target has numbers that are not finite. Clean the data.", regression, input, full(4, 3, float.PositiveInfinity));
        Expect(
            "the prediction is finite. Look in the loss for logarithms of 0 and divisions.",
            new Trainer(_problem.Model, (prediction, _) => prediction.sum() / 0, _problem.Optimizer), input, target);
        Assert.Equal(before.Length, _problem.Weights().Length);
        Assert.Equal(0, _problem.Optimizer.Optimizer.Iterations);

        using (no_grad())
            _problem.Model.get_parameter("out.bias")!.fill_(float.NaN);
        Expect(
            "'out.bias' has values that are not finite. Look at its initialisation, or lower the learning rate.",
            _problem.Trainer, input, target);

        static void Expect(string end, Trainer trainer, Tensor input, Tensor target)
        {
            string message = Assert.Throws<InvalidOperationException>(() => trainer.Fit([(input, target)])).Message;
            Assert.Matches(@"^The loss is (NaN|-?Infinity|-?∞) at step 0: ", message);
            Assert.EndsWith(end, message);
        }
    }

    [Fact]
    public void OptionsThatDoNotGoTogether()
    {
        Assert.StartsWith(
            "A validation split needs TensorBatches as data",
            Assert.Throws<ArgumentException>(() => _problem.Trainer.Fit([(ones(8, 4), zeros(8, int64))], 1, new() { ValidationSplit = 0.5 })).Message);
        Assert.StartsWith(
            "Give a validation split or validation data, not both.",
            Assert.Throws<ArgumentException>(() => _problem.Trainer.Fit(
                _problem.Data, 1, new() { ValidationSplit = 0.5, ValidationData = _problem.Data })).Message);
        Assert.StartsWith(
            "The validation split must be between 0 and 1 and leave at least one of 70 examples on each side.",
            Assert.Throws<ArgumentOutOfRangeException>(() => _problem.Data.Split(0.999)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => _problem.Data.Split(double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => _problem.Trainer.Fit(_problem.Data, epochs: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new TensorBatches(ones(3, 4), ones(3), batchSize: 0));
    }
}
