using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch.optim;

namespace Infinorm.Torch.Tests.Training;

/// <summary>A run with one of TorchSharp's schedulers and groups, stopped and resumed, ends with the same bits.</summary>
[Collection(nameof(Alone))]
public sealed class LearningRateSchedulerTests : IDisposable
{
    const int Epochs = 6;

    readonly string _path = Directory.CreateTempSubdirectory().FullName;

    static readonly Dictionary<string, Func<LearningRateScheduler>> Makers = new()
    {
        ["step"] = () => new(optimizer => lr_scheduler.StepLR(optimizer, 2, 0.5)),
        ["lambda"] = () => new(optimizer => lr_scheduler.LambdaLR(optimizer, epoch => 1.0 / (epoch + 1))),
        ["plateau"] = () => new(optimizer => lr_scheduler.ReduceLROnPlateau(optimizer, factor: 0.5, patience: 0, threshold: 0.3)) { Monitor = "val_loss" },
        ["cycle"] = () => new(optimizer => lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps: 9 * Epochs + 1, cycle_momentum: false)) { EachStep = true },
    };

    public static TheoryData<string> Names => [.. Makers.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void EndsWithTheSameBitsAndRates(string name)
    {
        using var whole = new Problem(groups: true, optimizer: () => new Adamax(0.02));
        History history = Fit(whole, name, path: null, stopAt: null);
        Assert.True(history["learning_rate"].Distinct().Count() > 1);
        var random = new Random(name.Length);
        for (int round = 0; round < 2; round++)
        {
            string path = Path.Combine(_path, $"{name}{round}");
            for (int stop = random.Next(1, 20); stop < 9 * Epochs; stop += random.Next(1, 25))
            {
                using var part = new Problem(groups: true, optimizer: () => new Adamax(0.02));
                Assert.Throws<OperationCanceledException>(() => Fit(part, name, path, stop));
            }

            using var last = new Problem(groups: true, optimizer: () => new Adamax(0.02));
            History resumed = Fit(last, name, path, stopAt: null);
            Assert.Equal(history["learning_rate"], resumed["learning_rate"]);
            Assert.Equal(Rates(whole), Rates(last));
            Assert.Equal(whole.Weights(), last.Weights());
        }
    }

    [Fact]
    public void ANewRunBeginsAnew()
    {
        using var problem = new Problem(optimizer: () => new Adamax(0.02));
        LearningRateScheduler scheduler = Makers["step"]();
        problem.Trainer.Fit(problem.Data, 3, new() { Callbacks = [scheduler] });
        Assert.Equal([(double)0.01f], Rates(problem));
        Assert.Equal([(double)0.01f, 0.01f, 0.005f], problem.Trainer.Fit(problem.Data, 3, new() { Callbacks = [scheduler] })["learning_rate"]);
    }

    [Fact]
    public void SaysWhatCannotBe()
    {
        using var problem = new Problem();
        Assert.Contains("a schedule or function gives the learning rate", Assert.Throws<InvalidOperationException>(
            () => problem.Trainer.Fit(problem.Data, 1, new() { Callbacks = [Makers["step"]()] })).Message);
        Assert.Contains("There is no 'val_loss' to watch", Assert.Throws<InvalidOperationException>(
            () => problem.Trainer.Fit(problem.Data, 1, new() { Callbacks = [Makers["plateau"]()] })).Message);
        Assert.Equal(0, problem.Optimizer.Optimizer.Iterations);
    }

    static History Fit(Problem problem, string name, string? path, long? stopAt)
    {
        using var stop = new CancellationTokenSource();
        var cancel = new TrainerTests.Recorder(run =>
        {
            if (run.Step == stopAt)
                stop.Cancel();
        });
        return problem.Trainer.Fit(problem.Data, Epochs, new()
        {
            Seed = 3,
            ValidationData = problem.Data,
            Callbacks = [Makers[name](), cancel, .. path is null ? (Callback[])[] : [new Checkpoint(path)]],
            ResumeFrom = path,
        }, stop.Token);
    }

    static double[] Rates(Problem problem) => [.. problem.Optimizer.ParamGroups.Select(group => group.LearningRate)];

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
