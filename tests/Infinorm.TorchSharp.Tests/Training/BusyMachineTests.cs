using Infinorm.Torch.Training;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

/// <summary>
/// A training while garbage is collected all the time, the pool's threads are taken and other optimizers use the helpers: it ends, and with
/// the bits of a training that had the machine to itself. Nothing here gives TorchSharp a number, as batch normalisation and the sum of two tensors
/// do: that it frees them too early is told in docs/training.md.
/// </summary>
[Collection(nameof(Alone))]
public sealed class BusyMachineTests
{
    const int Batches = 12, Epochs = 4;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task HasTheBitsOfAQuietOne(bool isAsynchronous)
    {
        byte[] expected = await Train(isAsynchronous);
        using var stop = new CancellationTokenSource();
        Thread[] disturbers = [.. new Action[] { Collect, Step, Step }.Select(disturb => new Thread(() => Repeat(disturb)))];
        Task[] taken = [.. Enumerable.Range(0, 2 * Environment.ProcessorCount).Select(_ => Task.Run(() => Repeat(() => Thread.Sleep(20))))];
        Array.ForEach(disturbers, thread => thread.Start());
        try
        {
            for (int run = 0; run < 2; run++)
                Assert.Equal(expected, await Train(isAsynchronous));
        }
        finally
        {
            await stop.CancelAsync();
            Array.ForEach(disturbers, thread => thread.Join());
            await Task.WhenAll(taken);
        }

        void Repeat(Action disturb)
        {
            while (!stop.IsCancellationRequested)
                disturb();
        }
    }

    static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Thread.Sleep(1);
    }

    static void Step() => new Adamax { GlobalClipNorm = 1 }.Apply([new float[200_000]], [new Variables.Variable<float>("w", new float[200_000])]);

    static async Task<byte[]> Train(bool isAsynchronous)
    {
        using Generator seeded = random.manual_seed(3);
        using nn.Module<Tensor, Tensor> model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding: 1), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(4 * 16 * 16, 200), nn.Linear(200, 5));
        using TorchOptimizer optimizer = new Adamax(1e-3) { GlobalClipNorm = 1, UseEma = true }.For(model);
        var trainer = new Trainer(model, nn.CrossEntropyLoss().forward, optimizer) { Metrics = [Metric.Accuracy] };
        FitOptions options = new() { Seed = 5, ValidationData = Made() };
        if (isAsynchronous)
            await trainer.FitAsync(Awaited(), Epochs, options);
        else
            trainer.Fit(Made(), Epochs, options);
        return Problem.WeightsOf(model);

        static IEnumerable<Batch> Made()
        {
            for (int i = 0; i < Batches; i++)
                yield return (rand(16, 2, 16, 16).sum(1, keepdim: true), randint(0, 5, 16));
        }

        static async IAsyncEnumerable<Batch> Awaited()
        {
            foreach (var batch in Made())
            {
                await Task.Yield();
                yield return batch;
            }
        }
    }
}
