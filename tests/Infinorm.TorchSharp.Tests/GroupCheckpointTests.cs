using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch.optim;

namespace Infinorm.Torch.Tests;

/// <summary>A run with groups and one of TorchSharp's schedulers, saved at a random step, goes on with the same bits.</summary>
public sealed class GroupCheckpointTests : IDisposable
{
    const int Steps = 20;

    readonly string _folder = System.IO.Directory.CreateTempSubdirectory().FullName;

    static readonly Dictionary<string, Func<TorchOptimizer, int, lr_scheduler.LRScheduler>> Schedulers = new()
    {
        ["step"] = (optimizer, last) => lr_scheduler.StepLR(optimizer, 3, 0.5, last),
        ["exponential"] = (optimizer, last) => lr_scheduler.ExponentialLR(optimizer, 0.9, last),
        ["cosine"] = (optimizer, last) => lr_scheduler.CosineAnnealingLR(optimizer, 7, 0.01, last),
        ["lambda"] = (optimizer, last) => lr_scheduler.LambdaLR(optimizer, n => 1.0 / (n + 1), last),
    };

    public static TheoryData<string> Names => [.. Schedulers.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void GoesOnWithTheSameBits(string scheduler)
    {
        string path = System.IO.Path.Combine(_folder, "run.safetensors");
        using var whole = new Run(scheduler, stepped: 0);
        whole.Step(0, Steps);
        var random = new Random(scheduler.Length);
        for (int round = 0; round < 5; round++)
        {
            int stop = random.Next(1, Steps);
            using var first = new Run(scheduler, stepped: 0);
            first.Step(0, stop);
            first.Optimizer.Optimizer.Save(path);

            using var second = new Run(scheduler, stepped: stop);
            second.Optimizer.Optimizer.Restore(path);
            Assert.Equal(first.Rates, second.Rates);
            second.Step(stop, Steps);
            Assert.Equal(whole.Rates, second.Rates);
            Assert.Equal(whole.Weights, second.Weights);
        }

        Assert.NotEqual(whole.Rates[0], whole.Rates[1]);
    }

    [Fact]
    public void TheOnlyGroupsOwnRateIsSavedToo()
    {
        string path = System.IO.Path.Combine(_folder, "one.safetensors");
        using Parameter a = Parameter(1, 5), b = Parameter(1, 5);
        using TorchOptimizer saved = new Adamax(0.1).For(new ParameterGroup([("p", a)]) { LearningRate = 0.2 });
        using TorchOptimizer other = new Adamax(0.1).For(new ParameterGroup([("p", b)]) { LearningRate = 0.2 });
        saved.ParamGroups.Single().LearningRate = 0.3;
        saved.Optimizer.Save(path);
        other.Optimizer.Restore(path);
        Assert.Equal((double)0.3f, other.ParamGroups.Single().LearningRate);
    }

    public void Dispose() => System.IO.Directory.Delete(_folder, recursive: true);

    /// <summary>Two groups, one with the optimizer's rate, one with its own; a scheduler that was stepped so often before.</summary>
    sealed class Run : IDisposable
    {
        readonly Parameter _a = Parameter(1, 30), _b = Parameter(2, 4, 5);
        readonly lr_scheduler.LRScheduler _scheduler;

        public Run(string scheduler, int stepped)
        {
            Optimizer = new LossScaleOptimizer(new Adamax(0.1) { WeightDecay = 0.1, UseEma = true }).For(
                new ParameterGroup([("a", _a)]), new ParameterGroup([("b", _b)]) { LearningRate = 0.4, WeightDecay = 0 });
            _scheduler = Schedulers[scheduler](Optimizer, stepped - 1);
        }

        public TorchOptimizer Optimizer { get; }

        public double[] Rates => [.. Optimizer.ParamGroups.Select(group => group.LearningRate)];

        public float[] Weights => [.. Floats(_a), .. Floats(_b)];

        public void Step(int from, int to)
        {
            for (int i = from; i < to; i++)
            {
                _a.grad = Random(i, 30);
                _b.grad = Random(i + 100, 4, 5);
                Optimizer.step();
                _scheduler.step();
            }
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            _a.Dispose();
            _b.Dispose();
        }
    }
}
