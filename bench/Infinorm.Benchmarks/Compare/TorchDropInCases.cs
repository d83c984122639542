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
    [
        Step("torchsharp-step/mixed25M", MixedLengths(), onTensors: false), SmallLoop(), DeepLoop(), Threads(), Memory(),
        Step("device-path/25M", [25 * M], onTensors: true),
    ];

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
    static Case SmallLoop() => AgainstTorch("torchsharp-loop/cnn", () => nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 5 * 5, 64), nn.ReLU(), nn.Linear(64, 10)));

    /// <summary>Whole training steps of a network of 42 layers, 2.8M parameters.</summary>
    static Case DeepLoop() => AgainstTorch("torchsharp-loop/mlp", DeepNetwork);

    static Case AgainstTorch(string name, Func<nn.Module<Tensor, Tensor>> network) =>
        Loops(name, network, model => Bare(AllThreads).For(model), model => Adamax(model.parameters()));

    /// <summary>The same network: its training steps with our step on our own threads against those with our step on libtorch's.</summary>
    static Case Threads() => Loops(
        "torchsharp-threads/mlp", DeepNetwork, model => Bare(AllThreads).For(model),
        model =>
        {
            TorchOptimizer optimizer = Bare(AllThreads).For(model);
            optimizer.UsesLibtorchThreads = false;
            return optimizer;
        });

    static nn.Module<Tensor, Tensor> DeepNetwork() => nn.Sequential(
    [
        nn.Flatten(), nn.Linear(28 * 28, 256), nn.ReLU(),
        .. Enumerable.Range(0, 40).SelectMany(_ => (nn.Module<Tensor, Tensor>[])[nn.Linear(256, 256), nn.ReLU()]),
        nn.Linear(256, 10),
    ]);

    static Case Loops(
        string name, Func<nn.Module<Tensor, Tensor>> network,
        Func<nn.Module<Tensor, Tensor>, optim.Optimizer> ours, Func<nn.Module<Tensor, Tensor>, optim.Optimizer> theirs) => new(name, budget =>
    {
        set_num_threads(AllThreads);
        using Tensor images = rand(32, 1, 28, 28), labels = randint(0, 10, [32]);
        using nn.Module<Tensor, Tensor> first = network(), second = network();
        using optim.Optimizer firstOptimizer = ours(first), secondOptimizer = theirs(second);
        return Measurement.Of(
            Rounds.Measure([new(() => Train(first, firstOptimizer)), new(() => Train(second, secondOptimizer))], budget, Settle), OtherOverOurs);

        void Train(nn.Module<Tensor, Tensor> model, optim.Optimizer optimizer)
        {
            using DisposeScope scope = NewDisposeScope();
            optimizer.zero_grad();
            nn.functional.cross_entropy(model.forward(images), labels).backward();
            optimizer.step();
        }
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
