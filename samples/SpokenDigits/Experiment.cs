using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Infinorm.Execution;
using Infinorm.Optimizers;
using Infinorm.Samples.Speech;
using Infinorm.Schedules;
using Infinorm.Torch;
using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Samples.SpokenDigits;

/// <summary>A training and its test.</summary>
/// <param name="Name">The optimizer.</param>
/// <param name="History">What was seen in each epoch; empty where no trainer noted it.</param>
/// <param name="Predicted">The digit that was heard in each clean recording of the test part.</param>
/// <param name="Noisy">Mean accuracy under noise, in per cent.</param>
/// <param name="Elapsed">Time of the training.</param>
/// <param name="InOptimizer">How much of it was spent in the optimizer.</param>
sealed record Result(string Name, IReadOnlyList<EpochLog> History, long[] Predicted, double Noisy, TimeSpan Elapsed, TimeSpan InOptimizer)
{
    /// <summary>Of the trained weights; null where nobody asks.</summary>
    public string? Hash { get; init; }
}

/// <summary>The trainings: the same network from the same weights, with one optimizer or the other.</summary>
sealed class Experiment(Corpus corpus, int epochs, int seed)
{
    const double Rate = 4e-3;

    readonly Func<Tensor, Tensor, Tensor> _loss = nn.CrossEntropyLoss().forward;

    // Up in the first twentieth of the steps, then down along a cosine.
    CosineDecay Schedule
    {
        get
        {
            int steps = epochs * corpus.Training.Count, warmup = Math.Max(1, steps / 20);
            return new CosineDecay(0, Math.Max(1, steps - warmup), alpha: 0.01, warmupTarget: Rate, warmupSteps: warmup);
        }
    }

    /// <summary>With Infinorm's Adamax and Trainer.</summary>
    /// <param name="file">Where to save the run and to go on from; null for nowhere.</param>
    /// <param name="world">The processes that train together; null for this one by itself.</param>
    /// <param name="batches">How many batches make an update; null for one.</param>
    public Result TrainWithInfinorm(string? file, World? world, int? batches)
    {
        using nn.Module<Tensor, Tensor> model = NewModel();
        if (world is not null)
            set_num_threads(world.Size == 1 ? 1 : world.ThreadsPerRank); // the bits of libtorch's sums depend on it
        var adamax = new Adamax(Schedule) { GlobalClipNorm = 1, UseEma = true, EmaMomentum = 0.99, GradientAccumulationSteps = batches };
        using TorchOptimizer optimizer = world is null ? adamax.For(model) : adamax.For(model, world);
        var trainer = new Trainer(model, _loss, optimizer) { Metrics = [Metric.Accuracy] };

        using var stop = new CancellationTokenSource();
        ConsoleCancelEventHandler onCancel = (_, e) => { e.Cancel = true; stop.Cancel(); };
        Console.CancelKeyPress += onCancel;
        var watch = Stopwatch.StartNew();
        try
        {
            History history = trainer.Fit(corpus.Training, epochs, new()
            {
                Seed = seed,
                ValidationData = corpus.TestUnder(new(NoiseKind.Clean)),
                Callbacks = file is null ? [new ProgressBar()] : [new ProgressBar(), new Checkpoint(file)],
                ResumeFrom = file,
            }, stop.Token);
            if (world is { IsFirst: false })
                return new Result("", [], [], 0, default, default);
            Result result = TestResult("Infinorm Adamax", trainer, history.Epochs, watch.Elapsed, history.OptimizerTime);
            return world is null ? result : result with { Hash = HashOf(model) };
        }
        catch (OperationCanceledException)
        {
            throw new InvalidDataException(file is null ? "stopped" : $"stopped; the same command goes on from {file}");
        }
        finally
        {
            Console.CancelKeyPress -= onCancel;
        }
    }

    /// <summary>With torch.optim.Adamax, in a loop written out.</summary>
    public Result TrainWithTorch()
    {
        using nn.Module<Tensor, Tensor> model = NewModel();
        using var optimizer = optim.Adamax(model.parameters(), Rate);
        CosineDecay schedule = Schedule;
        var inOptimizer = new Stopwatch();
        var watch = Stopwatch.StartNew();
        long step = 0;
        model.train();
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            foreach (var (input, target) in corpus.Training)
            {
                using var scope = NewDisposeScope();
                scope.Attach(input, target);
                optimizer.zero_grad();
                _loss(model.forward(input), target).backward();
                inOptimizer.Start();
                foreach (var group in optimizer.ParamGroups)
                    group.LearningRate = schedule.At(step);
                optimizer.step();
                inOptimizer.Stop();
                step++;
            }
        }

        // Trainer tests; its optimizer does nothing.
        using TorchOptimizer unused = new Adamax().For(model);
        var tester = new Trainer(model, _loss, unused) { Metrics = [Metric.Accuracy] };
        return TestResult("torch.optim.Adamax", tester, [], watch.Elapsed, inOptimizer.Elapsed);
    }

    nn.Module<Tensor, Tensor> NewModel()
    {
        using Generator _ = random.manual_seed(seed);
        return Recogniser.Create();
    }

    Result TestResult(string name, Trainer trainer, IReadOnlyList<EpochLog> history, TimeSpan elapsed, TimeSpan inOptimizer)
    {
        long[] predicted = [.. trainer.Predict(corpus.TestUnder(new(NoiseKind.Clean)).Select(batch => batch.Input)).SelectMany(Digits)];
        double noisy = NoiseCondition.Noisy(5, 10).Average(noise => trainer.Evaluate(corpus.TestUnder(noise))["accuracy"]);
        return new Result(name, history, predicted, 100 * noisy, elapsed, inOptimizer);
    }

    static string HashOf(nn.Module model)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (Tensor tensor in model.state_dict().Values)
        {
            using Tensor doubles = tensor.to(ScalarType.Float64);
            hash.AppendData(MemoryMarshal.AsBytes(doubles.data<double>().ToArray().AsSpan()));
        }

        return Convert.ToHexString(hash.GetHashAndReset())[..16];
    }

    static long[] Digits(Tensor prediction)
    {
        using (prediction)
        using (Tensor digits = prediction.argmax(1))
            return digits.data<long>().ToArray();
    }
}
