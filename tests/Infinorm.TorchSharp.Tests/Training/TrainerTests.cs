using System.Runtime.CompilerServices;
using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>What Fit does with model, loss, optimizer and data.</summary>
[Collection(nameof(Alone))]
public sealed class TrainerTests
{
    [Fact]
    public void LearnsAndTellsHow()
    {
        using var problem = new Problem();
        double before = problem.Trainer.Evaluate(problem.Data)["loss"];
        History history = problem.Trainer.Fit(problem.Data, epochs: 6, new() { Seed = 1, ValidationData = problem.Data });

        Assert.Equal(["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"], history.Epochs[0].Values.Keys);
        Assert.Equal(6, history.Epochs.Count);
        Assert.Equal((54, 0, 0, 1, null), (history.Steps, history.SkippedSteps, history.PendingBatches, history.Seed, history.StopReason));
        Assert.All(history.Epochs, log => Assert.Equal(9, log.Batches));
        Assert.True(history["loss"][^1] < 0.8 * history["loss"][0]);
        Assert.True(history["val_loss"][^1] < 0.8 * before);
        Assert.InRange(history["val_accuracy"][^1], 0.6, 1);
        Assert.True(history["learning_rate"][^1] < history["learning_rate"][0]);
        Assert.Equal(
            "The history has no 'val_mse'; it has loss, accuracy, val_loss, val_accuracy, learning_rate.",
            Assert.Throws<KeyNotFoundException>(() => history["val_mse"]).Message);
    }

    [Fact]
    public void StepsAsALoopWrittenByHand()
    {
        using Problem trained = new(), byHand = new();
        trained.Trainer.Fit(trained.Data, epochs: 2, new() { Seed = 9 });

        long step = byHand.TrainByHand(seed: 9, epochs: 2, () => byHand.Optimizer.step());
        byHand.Optimizer.FinalizeVariableValues();
        Assert.Equal(18, step);
        Assert.Equal(byHand.Weights(), trained.Weights());
    }

    [Fact]
    public void ScalesTheLossAndNothingElse()
    {
        // Powers of two are exact, so that the weights are the same to the last bit.
        double Train(double? scale, out byte[] weights)
        {
            using var problem = new Problem(optimizer: () => new Adamax(0.01) { LossScaleFactor = scale });
            History history = problem.Trainer.Fit(problem.Data, epochs: 2, new() { Seed = 1 });
            weights = problem.Weights();
            return history["loss"][^1];
        }

        Assert.Equal(Train(null, out byte[] plain), Train(1024, out byte[] scaled));
        Assert.Equal(plain, scaled);
    }

    [Fact]
    public void CountsStepsThatADynamicScaleSkips()
    {
        using var problem = new Problem(optimizer: () => new LossScaleOptimizer(new Adamax(0.01), initialScale: 1e38));
        var loss = nn.CrossEntropyLoss();
        var trainer = new Trainer(problem.Model, (prediction, target) => 1000 * loss.forward(prediction, target), problem.Optimizer);
        History history = trainer.Fit(problem.Data, epochs: 5);
        Assert.InRange(history.SkippedSteps, 1, 10);
        Assert.Equal(history.SkippedSteps, ((LossScaleOptimizer)problem.Optimizer.Optimizer).SkippedSteps);
        Assert.All(history["loss"], loss => Assert.True(double.IsFinite(loss)));
    }

    [Fact]
    public void CarriesAnIncompleteAccumulationOverAsKerasDoes()
    {
        using var problem = new Problem(optimizer: () => new Adamax(0.01) { GradientAccumulationSteps = 4 });
        History history = problem.Trainer.Fit(problem.Data, epochs: 1); // 9 batches
        Assert.Equal((1, 2L), (history.PendingBatches, problem.Optimizer.Optimizer.Iterations));
        history = problem.Trainer.Fit(problem.Data, epochs: 3);
        Assert.Equal((0, 9L), (history.PendingBatches, problem.Optimizer.Optimizer.Iterations));
    }

    [Fact]
    public void ValidatesWithTheAveragesAndLeavesThemInTheModel()
    {
        using var problem = new Problem();
        (_, TensorBatches validation) = problem.Data.Split(0.31);
        var raw = new List<double>();
        History history = problem.Trainer.Fit(problem.Data, epochs: 3, new()
        {
            ValidationData = validation,
            Callbacks = [new AtEpochEnd(run => raw.Add(run.Trainer.Evaluate(validation)["loss"]))],
        });
        Assert.NotEqual(history["val_loss"], raw);
        Assert.Equal(history["val_loss"][^1], problem.Trainer.Evaluate(validation)["loss"]);
        foreach (var (variable, average) in problem.Optimizer.Optimizer.TrainableVariables.Zip(problem.Optimizer.Optimizer.Variables.Skip(1)))
            Assert.Equal(average.ToNdArray().Bytes.ToArray(), variable.ToNdArray().Bytes.ToArray());
    }

    [Fact]
    public void DrawsTheSameFromTheSameSeedAndLeavesTheGeneratorAlone()
    {
        byte[] Train(long? seed, long global)
        {
            using var problem = new Problem();
            using Generator _ = random.manual_seed(global);
            using Tensor before = random.get_rng_state();
            History history = problem.Trainer.Fit(problem.Data, epochs: 2, new() { Seed = seed });
            using Tensor after = random.get_rng_state();
            Assert.Equal(seed is not null, before.bytes.SequenceEqual(after.bytes));
            Assert.Equal(seed ?? history.Seed, history.Seed);
            return problem.Weights();
        }

        Assert.Equal(Train(1, 100), Train(1, 200));
        Assert.NotEqual(Train(1, 100), Train(2, 100));
        Assert.Equal(Train(null, 100), Train(null, 100));
        Assert.NotEqual(Train(null, 100), Train(null, 200));
    }

    [Fact]
    public async Task TrainsFromAStreamThatMustBeWaitedFor()
    {
        using Problem synchronous = new(), asynchronous = new();
        Batch[] batches = [.. new TensorBatches(rand(40, 4), randint(0, 3, 40), batchSize: 8, shuffle: false)
            .Select(batch => (batch.Input.clone(), batch.Target.clone()))];
        History expected = synchronous.Trainer.Fit(batches, epochs: 3, new() { Seed = 4 });
        History actual = await asynchronous.Trainer.FitAsync(
            Later(), epochs: 3, new() { Seed = 4 }, TestContext.Current.CancellationToken);
        Assert.Equal(expected["loss"], actual["loss"]);
        Assert.Equal(synchronous.Weights(), asynchronous.Weights());

        IReadOnlyDictionary<string, double> scores = await asynchronous.Trainer.EvaluateAsync(Later(), TestContext.Current.CancellationToken);
        Assert.Equal(synchronous.Trainer.Evaluate(batches), scores);

        async IAsyncEnumerable<Batch> Later()
        {
            foreach (var batch in batches)
            {
                await Task.Delay(1);
                yield return batch;
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task CancelsPredictions(bool withCancellation)
    {
        using var problem = new Problem();
        using var cancellation = new CancellationTokenSource();
        using Tensor input = rand(2, 4);
        CancellationToken seen = default;
        IAsyncEnumerable<Tensor> predictions = problem.Trainer.PredictAsync(Endless(), withCancellation ? default : cancellation.Token);
        await using IAsyncEnumerator<Tensor> stream = predictions.GetAsyncEnumerator(withCancellation ? cancellation.Token : default);
        for (int i = 0; i < 3; i++)
        {
            Assert.True(await stream.MoveNextAsync());
            stream.Current.Dispose();
        }

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.MoveNextAsync());
        Assert.True(seen.IsCancellationRequested);

        async IAsyncEnumerable<Tensor> Endless([EnumeratorCancellation] CancellationToken token = default)
        {
            seen = token;
            while (true)
            {
                await Task.Yield();
                yield return input;
            }
        }
    }

    [Fact]
    public void GivesValuesThatCannotBeChangedInTheirOrder()
    {
        using var problem = new Problem();
        Batch[] batches = [(rand(8, 4), randint(0, 3, 8))];
        History history = problem.Trainer.Fit(batches, epochs: 1, new() { ValidationData = batches });
        EpochLog log = Assert.Single(history.Epochs);
        Assert.Equal(["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"], log.Values.Keys);
        Assert.Equal(["loss", "accuracy"], problem.Trainer.Evaluate(batches).Keys);
        Assert.True(Assert.IsAssignableFrom<IDictionary<string, double>>(log.Values).IsReadOnly);
        Assert.True(Assert.IsAssignableFrom<IDictionary<string, double>>(problem.Trainer.Evaluate(batches)).IsReadOnly);
        Assert.True(Assert.IsAssignableFrom<IList<EpochLog>>(history.Epochs).IsReadOnly);
    }

    // Batch normalisation sums in as many parts as there are threads, and their number is each calling thread's own.
    [Fact]
    public async Task ComputesTheSameOnAThreadWithAnotherNumberOfThreads()
    {
        using Problem synchronous = new(), asynchronous = new();
        Batch[] batches = [(rand(64, 4), randint(0, 3, 64)), (rand(64, 4), randint(0, 3, 64))];
        History expected = synchronous.Trainer.Fit(batches, epochs: 3, new() { Seed = 4 });
        try
        {
            History actual = await asynchronous.Trainer.FitAsync(Elsewhere(), epochs: 3, new() { Seed = 4 });
            Assert.Equal(expected["loss"], actual["loss"]);
            Assert.Equal(synchronous.Weights(), asynchronous.Weights());
        }
        finally
        {
            OneThread.Set();
        }

        async IAsyncEnumerable<Batch> Elsewhere()
        {
            await Task.CompletedTask;
            foreach (var batch in batches)
            {
                set_num_threads(3); // as what is waited for may go on on any thread
                yield return batch;
            }
        }
    }

    [Fact]
    public void PredictsInEvaluationModeAndLeavesTheModeAsItWas()
    {
        using var problem = new Problem();
        using Tensor inputs = rand(21, 4);
        problem.Model.eval();
        using Tensor expected = problem.Model.forward(inputs).detach();
        problem.Model.train();

        using Tensor predicted = problem.Trainer.Predict(inputs, batchSize: 8);
        Assert.Equal([21, 3], predicted.shape);
        Assert.True(predicted.allclose(expected));
        Assert.False(predicted.requires_grad);
        Assert.True(problem.Model.training);
        Assert.Equal([8, 8, 5], problem.Trainer.Predict(inputs.split(8)).Select(batch => batch.shape[0]));
        problem.Trainer.Evaluate(problem.Data);
        Assert.True(problem.Model.training);
    }

    [Fact]
    public void LeavesPartsInTheModeTheirOwnerGaveThem()
    {
        using var problem = new Problem();
        nn.Module norm = problem.Model.named_modules().Single(named => named.name == "norm").module;
        norm.eval(); // frozen
        byte[] statistics = norm.get_buffer("running_mean")!.bytes.ToArray();
        problem.Trainer.Fit(problem.Data, 2, new() { ValidationData = problem.Data });
        Assert.True(problem.Model.training);
        Assert.False(norm.training);
        Assert.Equal(statistics, norm.get_buffer("running_mean")!.bytes.ToArray());

        problem.Model.eval();
        problem.Trainer.Fit(problem.Data);
        Assert.NotEqual(statistics, norm.get_buffer("running_mean")!.bytes.ToArray());
        Assert.False(problem.Model.training || norm.training);
    }

    [Fact]
    public void CanBeCalledWhereGradientsAreOff()
    {
        using var problem = new Problem();
        using var noGrad = no_grad();
        byte[] before = problem.Weights();
        problem.Trainer.Fit(problem.Data);
        Assert.NotEqual(before, problem.Weights());
        Assert.False(is_grad_enabled());
    }

    [Fact]
    public void StopsAfterTheStepInWhichItIsCancelled()
    {
        using var problem = new Problem();
        using var stop = new CancellationTokenSource();
        var told = new List<FitOutcome>();
        var callback = new Recorder(run =>
        {
            if (run.Step == 5)
                stop.Cancel();
        }, run => told.Add(run.Outcome));
        Assert.Throws<OperationCanceledException>(() => problem.Trainer.Fit(problem.Data, 9, new() { Callbacks = [callback] }, stop.Token));
        Assert.Equal([FitOutcome.Cancelled], told);
        Assert.Equal(5, problem.Optimizer.Optimizer.Iterations);
        Assert.Throws<OperationCanceledException>(() => problem.Trainer.Fit(problem.Data, 1, null, stop.Token));
        Assert.Equal(5, problem.Optimizer.Optimizer.Iterations);
    }

    [Fact]
    public void TakesTheLastExamplesForValidation()
    {
        using var problem = new Problem();
        (TensorBatches training, TensorBatches validation) = problem.Data.Split(0.31);
        Assert.Equal((6, 3), (training.Count, validation.Count)); // 48 and 22 examples in batches of 8
        History split = problem.Trainer.Fit(problem.Data, 1, new() { Seed = 2, ValidationSplit = 0.31 });
        using var again = new Problem();
        History given = again.Trainer.Fit(training, 1, new() { Seed = 2, ValidationData = validation });
        Assert.Equal(given.Epochs[0].Values, split.Epochs[0].Values);
    }

    internal sealed class AtEpochEnd(Action<TrainingRun> what) : Callback
    {
        public override void OnEpochEnd(TrainingRun run, EpochLog log) => what(run);
    }

    internal sealed class Recorder(Action<TrainingRun> atBatchEnd, Action<TrainingRun>? atFitEnd = null) : Callback
    {
        public override void OnBatchEnd(TrainingRun run) => atBatchEnd(run);

        public override void OnFitEnd(TrainingRun run) => atFitEnd?.Invoke(run);
    }
}
