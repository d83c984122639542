using Infinorm.Execution;
using Infinorm.Tests.Execution.Sharded;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>Fit where several ranks, threads here, train together: the run is the same for any number of them.</summary>
public sealed class RanksTests
{
    const int V = 4;

    [Theory]
    [InlineData(8)]
    [InlineData(10)] // the last update of an epoch ends in the next one
    public void AnyNumberOfRanksMakesTheSameRun(int batches)
    {
        Outcome one = Assert.Single(Ranks.Run(1, Fit));
        Assert.Equal(3, one.History.Epochs.Count);
        Assert.Equal(3 * batches, one.Steps.Length);
        Assert.Equal(3 * batches % V, one.History.PendingBatches);
        foreach (int ranks in (int[])[2, 4])
            Assert.All(Ranks.Run(ranks, Fit), one.AssertEqual);

        Outcome Fit(World world)
        {
            using var job = new Job(world, seed: 5);
            var steps = new List<string>();
            var options = new FitOptions
            {
                ValidationData = Data(3, from: 100),
                Callbacks = [new LambdaCallback { BatchEnd = run => steps.Add($"{run.Epoch} {run.Batch} {run.Step} {run.Loss:R} {run.LearningRate:R} {run.EpochValues["mae"]:R}") }],
            };
            return job.Outcome(job.Trainer.Fit(Data(batches), epochs: 3, options), steps);
        }
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 1)]
    public void ARunThatIsCancelledGoesOnWithAnyOtherNumberOfRanks(int first, int second)
    {
        string folder = Directory.CreateTempSubdirectory().FullName, path = Path.Combine(folder, "run.safetensors");
        try
        {
            Outcome whole = Ranks.Run(1, world => Fit(world, file: null, cancelAt: -1))[0];
            Assert.All(Ranks.Run(first, world => Record.Exception(() => Fit(world, path, cancelAt: 10))), e => Assert.IsAssignableFrom<OperationCanceledException>(e));
            Assert.All(Ranks.Run(second, world => Fit(world, path, cancelAt: -1)), outcome =>
            {
                Assert.Equal(whole.Parameters, outcome.Parameters);
                Assert.Equal(whole.History.Epochs.Select(log => log.Values["loss"]), outcome.History.Epochs.Select(log => log.Values["loss"]));
            });
            Assert.Equal(["run.safetensors"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        // One rank alone is told to end: all do, after the same update.
        static Outcome Fit(World world, string? file, int cancelAt)
        {
            using var job = new Job(world, seed: 6);
            using var cancel = new CancellationTokenSource();
            var options = new FitOptions
            {
                Seed = 3,
                ResumeFrom = file,
                Callbacks = [.. file is null ? Array.Empty<Callback>() : [new Checkpoint(file)],
                    new LambdaCallback { Gradients = run => { if (world.Rank == world.Size - 1 && run.Step + V > cancelAt && cancelAt > 0) cancel.Cancel(); } }],
            };
            return job.Outcome(job.Trainer.Fit(Data(8), epochs: 4, options, cancel.Token), []);
        }
    }

    [Fact]
    public void WhatOneRankDecidesOrThrowsIsThatOfAll()
    {
        Assert.All(
            Ranks.Run(2, world => Fit(world, new LambdaCallback { BatchEnd = run => { if (world.Rank == 1 && run.Step == 4) run.Stop("enough"); } })),
            outcome => Assert.Equal(("enough", 4L), (outcome.History.StopReason, outcome.History.Steps)));
        Assert.All(
            Ranks.Run(2, world => Record.Exception(() => Fit(world, new LambdaCallback { Gradients = run => { if (world.Rank == 1) throw new InvalidDataException("no"); } }))),
            e => Assert.Equal("rank 1 of 2: InvalidDataException: no", Assert.IsType<WorldException>(e).Message));
        Assert.All(
            Ranks.Run(2, world => Record.Exception(() => Fit(world, new LambdaCallback { EpochEnd = (_, _) => { if (world.Rank == 0) throw new InvalidDataException("full"); } }))),
            e => Assert.Equal("rank 0 of 2: InvalidDataException: full", Assert.IsType<WorldException>(e).Message));
        Assert.All(
            Ranks.Run(2, world => Record.Exception(() => Fit(world, new LambdaCallback(), Data(8 + world.Rank)))),
            e => Assert.Matches("not at the same place: rank [01] is at .*, rank [01] at .*same data", Assert.IsType<WorldException>(e).Message));
        Assert.All(
            Ranks.Run(2, world => Record.Exception(() => Fit(world, new Checkpoint("never"), Data(10)))),
            e => Assert.Contains("10 batches, and 4 make an update", Assert.IsType<InvalidOperationException>(e).Message, StringComparison.Ordinal));
        Assert.False(File.Exists("never"));

        static Outcome Fit(World world, Callback callback, List<Batch>? data = null)
        {
            using var job = new Job(world, seed: 7);
            return job.Outcome(job.Trainer.Fit(data ?? Data(8), epochs: 2, new FitOptions { Callbacks = [callback] }), []);
        }
    }

    [Fact]
    public void OnlyRank0ShowsAndWritesLogs()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        string[] shown = Ranks.Run(2, world =>
        {
            using var job = new Job(world, seed: 8);
            var output = new StringWriter();
            job.Trainer.Fit(Data(4), options: new FitOptions { Callbacks = [new ProgressBar(output), new CsvLog(Path.Combine(folder, $"{world.Rank}.csv"))] });
            return output.ToString();
        });
        Assert.Contains("loss", shown[0], StringComparison.Ordinal);
        Assert.Equal("", shown[1]);
        Assert.Equal(["0.csv"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName));
        Directory.Delete(folder, recursive: true);
    }

    static List<Batch> Data(int batches, int from = 0) =>
    [
        .. Enumerable.Range(from, batches).Select(batch =>
        {
            Tensor x = arange(40, float32).mul(0.1 * (batch + 1)).sin().reshape(8, 5);
            return new Batch(x.DetachFromDisposeScope(), x.sum(1, keepdim: true).DetachFromDisposeScope());
        }),
    ];

    sealed class Job : IDisposable
    {
        readonly nn.Module<Tensor, Tensor> _model = nn.Sequential(nn.Linear(5, 30), nn.BatchNorm1d(30), nn.ReLU(), nn.Linear(30, 1));
        readonly TorchOptimizer _optimizer;

        public Job(World world, int seed)
        {
            using (no_grad())
            {
                foreach (Tensor parameter in _model.parameters())
                    parameter.copy_(arange(parameter.NumberOfElements, float32).add(seed + world.Rank).sin().mul(0.1).reshape(parameter.shape));
            }

            _optimizer = new Adamax(new Schedules.ExponentialDecay(0.02, 10, 0.5)) { GradientAccumulationSteps = V, GlobalClipNorm = 1, UseEma = true, Name = "adamax" }
                .For(_model, world);
            Trainer = new Trainer(_model, nn.MSELoss().forward, _optimizer)
            {
                Metrics = [new Metric("mae", (prediction, target) => prediction.sub(target).abs().mean())],
            };
        }

        public Trainer Trainer { get; }

        public Outcome Outcome(History history, List<string> steps) => new(
            [.. _model.parameters().Concat(_model.buffers()).SelectMany(tensor => tensor.to(float32).data<float>().ToArray())], history, [.. steps]);

        public void Dispose()
        {
            _optimizer.Dispose();
            _model.Dispose();
        }
    }

    sealed record Outcome(float[] Parameters, History History, string[] Steps)
    {
        public void AssertEqual(Outcome other)
        {
            Assert.Equal(Parameters, other.Parameters);
            Assert.Equal(Steps, other.Steps);
            Assert.Equal(History.PendingBatches, other.History.PendingBatches);
            Assert.Equal(History.Epochs.Select(log => string.Join(' ', log.Values)), other.History.Epochs.Select(log => string.Join(' ', log.Values)));
        }
    }
}
