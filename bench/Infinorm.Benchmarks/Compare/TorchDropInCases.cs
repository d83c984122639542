using Infinorm.Torch;
using TorchSharp;
using static Infinorm.Benchmarks.Workbench;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Infinorm.Benchmarks;

/// <summary>Infinorm as TorchSharp's optimizer against TorchSharp's own, each with its own way to the gradients.</summary>
static class TorchDropInCases
{
    // How long OpenMP's threads, which TorchSharp uses, keep spinning after their work.
    static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(10);

    public static IEnumerable<Case> All() =>
        [Step("torchsharp-step/mixed25M", MixedLengths(), onTensors: false), Loop(), Memory(), Step("device-path/25M", [25 * M], onTensors: true)];

    /// <summary>The tensors of a network with one large embedding: 100 weights, of which most have 16k to 512k elements, and 100 biases.</summary>
    public static int[] MixedLengths()
    {
        int[] lengths = [.. Enumerable.Range(0, 199).Select(i => i % 2 == 0 ? 256 << (i / 2 % 4) : 16 * K << (i / 2 % 6))];
        return [.. lengths, 25 * M - lengths.Sum()];
    }

    static Case Step(string name, int[] lengths, bool onTensors) => new(name, budget =>
    {
        using var parameters = new TorchParameters(lengths, AllThreads, Adamax);
        using TorchOptimizer optimizer = For(parameters, onTensors);
        return Measurement.Of(Rounds.Measure([new(() => optimizer.step()), new(parameters.Step)], budget, Settle), OtherOverOurs);
    });

    /// <summary>Whole training steps of a small network for images of 28 by 28.</summary>
    static Case Loop() => new("torchsharp-loop/cnn", budget =>
    {
        set_num_threads(AllThreads);
        using Tensor images = rand(32, 1, 28, 28), labels = randint(0, 10, [32]);
        using nn.Module<Tensor, Tensor> ours = Network(), theirs = Network();
        using TorchOptimizer optimizer = Bare(AllThreads).For(ours);
        using var torchOptimizer = optim.Adamax(theirs.parameters(), lr: 1e-3);
        return Measurement.Of(
            Rounds.Measure([new(() => Train(ours, optimizer)), new(() => Train(theirs, torchOptimizer))], budget, Settle), OtherOverOurs);

        void Train(nn.Module<Tensor, Tensor> network, optim.Optimizer optimizer)
        {
            using DisposeScope scope = NewDisposeScope();
            optimizer.zero_grad();
            nn.functional.cross_entropy(network.forward(images), labels).backward();
            optimizer.step();
        }

        static nn.Module<Tensor, Tensor> Network() => nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(16 * 5 * 5, 64), nn.ReLU(), nn.Linear(64, 10));
    });

    /// <summary>The memory that a step needs beyond what is there between steps; less than a megabyte counts as one.</summary>
    static Case Memory() => new("torchsharp-memory/mixed25M", _ =>
    {
        using var parameters = new TorchParameters(MixedLengths(), AllThreads, Adamax);
        using TorchOptimizer optimizer = For(parameters, onTensors: false);
        return new(PeakMemory.Of(parameters.Step) / Math.Max(M, PeakMemory.Of(() => optimizer.step())));
    });

    /// <summary>TorchSharp's own.</summary>
    public static optim.Optimizer Adamax(IEnumerable<Parameter> parameters) => optim.Adamax(parameters, lr: 1e-3);

    static TorchOptimizer For(TorchParameters parameters, bool onTensors) =>
        new(Bare(AllThreads), [new ParameterGroup(parameters.Parameters.Select((parameter, i) => ($"parameter{i}", parameter)))], onTensors);

    static double OtherOverOurs(double[] times) => times[1] / times[0];
}
