using Infinorm.Optimizers;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>A run that was stopped and went on ends with the same bits as one that was not.</summary>
[Collection(nameof(Alone))]
public sealed class ResumeTests : IDisposable
{
    const int Epochs = 4;

    readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    static readonly Dictionary<string, Func<Optimizer>> Optimizers = new()
    {
        ["averages, clipping, decay, a schedule"] = Problem.Default,
        ["accumulation"] = () => new Adamax(0.02) { GradientAccumulationSteps = 4, UseEma = true },
        ["dynamic loss scale"] = () => new LossScaleOptimizer(new Adamax(0.02) { UseEma = true }, dynamicGrowthSteps: 3),
        ["another rule"] = () => new TorchAdamax(),
        ["16-bit, rounded at random"] = () => new Adamax(0.02) { UseStochasticRounding = true, UseEma = true },
        ["weights that are not contiguous"] = Problem.Default,
        ["16-bit, master weights"] = () => new Adamax(0.02) { UseMasterWeights = true },
    };

    public static TheoryData<string> Names => [.. Optimizers.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void EndsWithTheSameBitsWhereverItIsCancelled(string name)
    {
        (byte[] weights, History history) = WholeRun(name);
        foreach (int step in (int[])[1, 8, 9, 10, 17, 27, 35])
        {
            string path = Path.Combine(_folder, $"{name[^4..]}{step}.safetensors");
            Interrupted(name, path, [step], out History resumed, out byte[] end);
            Assert.Equal(weights, end);
            SameHistory(history, resumed);
        }
    }

    [Fact]
    public void EndsWithTheSameBitsAfterManyInterruptions()
    {
        const string name = "averages, clipping, decay, a schedule";
        (byte[] weights, History history) = WholeRun(name);
        var random = new Random(3);
        for (int round = 0; round < 5; round++)
        {
            int[] steps = [.. Enumerable.Range(1, 35).Where(_ => random.Next(4) == 0)];
            string path = Path.Combine(_folder, $"many{round}.safetensors");
            Interrupted(name, path, steps, out History resumed, out byte[] end);
            Assert.Equal(weights, end);
            SameHistory(history, resumed);
        }
    }

    [Fact]
    public async Task DataMayDrawFromTorchsGenerator()
    {
        byte[] whole, resumed;
        using (var problem = new Problem())
        {
            problem.Trainer.Fit(Augmented(), Epochs, new() { Seed = 2 });
            whole = problem.Weights();
        }

        // The same batches at once and later, in the first part and in the second.
        string path = Path.Combine(_folder, "augmented.safetensors");
        using (var problem = new Problem())
        using (var stop = new CancellationTokenSource())
        {
            FitOptions options = new() { Seed = 2, Callbacks = [new Checkpoint(path), new CancelAt(8, stop)] };
            await Assert.ThrowsAsync<OperationCanceledException>(
                () => problem.Trainer.FitAsync(Augmented().ToAsyncEnumerable(), Epochs, options, stop.Token));
        }

        using (var problem = new Problem())
        {
            problem.Trainer.Fit(Augmented(), Epochs, new() { ResumeFrom = path });
            resumed = problem.Weights();
        }

        Assert.Equal(whole, resumed);

        static IEnumerable<Batch> Augmented()
        {
            using Tensor order = randperm(40);
            foreach (long[] rows in order.data<long>().ToArray().Chunk(8))
            {
                using Tensor labels = tensor(rows) % 3, clean = labels.unsqueeze(1).expand(-1, 4).to_type(ScalarType.Float32);
                yield return (clean + 0.1f * randn(8, 4), labels.clone());
            }
        }
    }

    static (byte[] Weights, History History) WholeRun(string name)
    {
        using Problem problem = Make(name);
        History history = problem.Trainer.Fit(problem.Data, Epochs, Options(problem, null, null));
        return (problem.Weights(), history);
    }

    // Each part of the run in a new process would be the same: nothing but the file goes from one to the next.
    static void Interrupted(string name, string path, int[] steps, out History history, out byte[] weights)
    {
        foreach (int step in steps)
        {
            using Problem problem = Make(name);
            random.manual_seed(step); // what the program drew elsewhere does not matter
            using var stop = new CancellationTokenSource();
            Assert.Throws<OperationCanceledException>(() => problem.Trainer.Fit(
                problem.Data, Epochs, Options(problem, path, new CancelAt(step, stop)), stop.Token));
        }

        using Problem last = Make(name);
        history = last.Trainer.Fit(last.Data, Epochs, Options(last, path, null));
        weights = last.Weights();
    }

    static Problem Make(string name)
    {
        bool transposed = name.EndsWith("not contiguous", StringComparison.Ordinal);
        var problem = new Problem(
            optimizer: Optimizers[name],
            type: name.StartsWith("16-bit", StringComparison.Ordinal) ? ScalarType.BFloat16 : ScalarType.Float32,
            transposed: transposed);
        Assert.Equal(!transposed, problem.Model.get_parameter("in.weight")!.is_contiguous());
        return problem;
    }

    static FitOptions Options(Problem problem, string? path, Callback? more) => new()
    {
        Seed = 7,
        ValidationData = problem.Data,
        Callbacks =
        [
            new EarlyStopping(patience: 50),
            .. path is null ? [] : (Callback[])[new Checkpoint(path)],
            .. more is null ? [] : (Callback[])[more],
        ],
        ResumeFrom = path,
    };

    static void SameHistory(History expected, History actual)
    {
        Assert.Equal(expected.Epochs.Count, actual.Epochs.Count);
        foreach (var (a, b) in expected.Epochs.Zip(actual.Epochs))
        {
            Assert.Equal((a.Epoch, a.Batches), (b.Epoch, b.Batches));
            Assert.Equal(a.Values, b.Values);
        }

        Assert.Equal(
            (expected.Steps, expected.SkippedSteps, expected.PendingBatches),
            (actual.Steps, actual.SkippedSteps, actual.PendingBatches));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    sealed class CancelAt(int step, CancellationTokenSource stop) : Callback
    {
        public override void OnBatchEnd(TrainingRun run)
        {
            if (run.Step == step)
                stop.Cancel();
        }
    }
}
