using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using TorchSharp;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>No epoch leaves a tensor behind.</summary>
[Collection(nameof(Alone))]
public sealed class TrainerMemoryTests
{
    [Fact]
    public void StaysLevelFromEpochToEpoch()
    {
        using var problem = new Problem();
        Assert.Single(Live(problem, problem.Data, problem.Data).Skip(1).Distinct());
    }

    [Fact]
    public void StaysLevelWithAnIteratorThatDisposesNothing()
    {
        using var problem = new Problem();
        IEnumerable<Batch> batches = Enumerable.Range(0, 6).Select(_ => new Batch(rand(8, 4), randint(0, 3, 8)));
        Assert.Single(Live(problem, batches, batches).Skip(1).Distinct());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void StaysLevelWithWhatAnIteratorsExpressionsMake(bool hasScope)
    {
        using nn.Module<Tensor, Tensor> model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 1));
        using TorchOptimizer optimizer = new Adamax().For(model);
        var trainer = new Trainer(model, nn.MSELoss().forward, optimizer);
        var megabytes = new List<long>();
        trainer.Fit(Batches(), epochs: 40, new()
        {
            ValidationData = Batches(),
            Callbacks = [new TrainerTests.AtEpochEnd(_ => megabytes.Add(Environment.WorkingSet >> 20))],
        });
        Assert.InRange(megabytes.Max() - megabytes[5], 0, 300); // 3,000 are made

        IEnumerable<Batch> Batches()
        {
            Tensor first = ones(1); // kept by nothing but the iterator
            for (int i = 0; i < 10; i++)
            {
                using DisposeScope? scope = hasScope ? NewDisposeScope() : null;
                yield return ((rand(32, 3, 64, 64) * 1.1f).clamp(0, 1) * first, rand(32, 1));
            }
        }
    }

    // A source that disposes nothing, not even its batches; the caller has a scope that lasts.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task StaysLevelWithWhatAnAsynchronousSourceMakes(bool waits)
    {
        using nn.Module<Tensor, Tensor> model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 1));
        using TorchOptimizer optimizer = new Adamax().For(model);
        var trainer = new Trainer(model, nn.MSELoss().forward, optimizer);
        var megabytes = new List<long>();
        using DisposeScope? scope = waits ? null : NewDisposeScope();
        await trainer.FitAsync(Batches(), epochs: 40, new()
        {
            Callbacks = [new TrainerTests.AtEpochEnd(_ => megabytes.Add(Environment.WorkingSet >> 20))],
        }, TestContext.Current.CancellationToken);
        await trainer.EvaluateAsync(Batches(), TestContext.Current.CancellationToken);
        for (int i = 0; i < 10; i++)
        {
            await foreach (Tensor prediction in trainer.PredictAsync(Inputs()))
                prediction.Dispose();
        }

        megabytes.Add(Environment.WorkingSet >> 20);
        Assert.InRange(megabytes.Max() - megabytes[5], 0, 300); // 2,000 are made

        async IAsyncEnumerable<Batch> Batches()
        {
            await foreach (Tensor input in Inputs())
                yield return (input, rand(32, 1));
        }

        async IAsyncEnumerable<Tensor> Inputs()
        {
            Tensor first = ones(1); // kept by nothing but the source
            for (int i = 0; i < 10; i++)
            {
                if (waits)
                    await Task.Delay(1);
                yield return (rand(32, 3, 64, 64) * 1.1f).clamp(0, 1) * first;
            }
        }
    }

    [Fact]
    public void StaysLevelWithADataLoader()
    {
        using var problem = new Problem();
        using var dataset = utils.data.TensorDataset(rand(20, 4), randint(0, 3, 20));
        using var loader = utils.data.DataLoader(dataset, 8, shuffle: true, seed: 1);
        Assert.Equal(3, loader.Pairs().Count);
        Assert.Single(Live(problem, loader.Pairs(), loader.Pairs()).Skip(1).Distinct());
    }

    [Fact]
    public void LeavesAloneWhatABatchDidNotMake()
    {
        using var problem = new Problem();
        Batch[] list = [(rand(8, 4), randint(0, 3, 8))];
        problem.Trainer.Fit(list, epochs: 2, new() { ValidationData = list });
        problem.Trainer.Fit(Slices(), epochs: 2);
        Assert.False(list[0].Input.IsInvalid || list[0].Target.IsInvalid);

        // What an iterator makes before its first batch is its own for as long as it wants it.
        static IEnumerable<Batch> Slices()
        {
            using Tensor inputs = rand(16, 4), targets = randint(0, 3, 16);
            for (int i = 0; i < 16; i += 8)
                yield return (inputs.narrow(0, i, 8), targets.narrow(0, i, 8));
        }
    }

    [Fact]
    public void AnIteratorMayHaveAScopeOfItsOwn()
    {
        using var problem = new Problem();
        using var outer = NewDisposeScope();
        problem.Trainer.Fit(Batches(), epochs: 2);
        Tensor after = ones(1);
        Assert.True(outer.Contains(after)); // the caller's scope is in force again

        static IEnumerable<Batch> Batches()
        {
            using var scope = NewDisposeScope();
            Tensor inputs = rand(16, 4), targets = randint(0, 3, 16);
            for (int i = 0; i < 16; i += 8)
                yield return (inputs.narrow(0, i, 8), targets.narrow(0, i, 8));
        }
    }

    // Tensors alive on this thread at the end of each epoch.
    static List<long> Live(Problem problem, IEnumerable<Batch> data, IEnumerable<Batch> validation)
    {
        var live = new List<long>();
        problem.Trainer.Fit(data, epochs: 6, new()
        {
            ValidationData = validation,
            Callbacks =
            [
                new StopOnNaN(), new EarlyStopping(patience: 99),
                new TrainerTests.AtEpochEnd(_ => live.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount)),
            ],
        });
        return live;
    }
}
