using Infinorm.Samples.Speech;
using Infinorm.Samples.SpokenDigits;
using Infinorm.Torch;
using static TorchSharp.torch;

namespace Infinorm.Benchmarks.Losses;

/// <summary>A module of TorchSharp, trained on examples that are drawn at random.</summary>
abstract class TorchTraining : ITraining
{
    const int BatchSize = 32;

    public abstract string Name { get; }

    protected abstract nn.Module<Tensor, Tensor> NewModel();

    protected abstract (Tensor Inputs, Tensor Targets) NewData(int seed);

    protected abstract Tensor Loss(Tensor output, Tensor target);

    public double FinalLoss(RuleOptimizer optimizer, int steps, int seed, bool nudged)
    {
        using var all = NewDisposeScope();
        random.manual_seed(seed);
        (Tensor inputs, Tensor targets) = NewData(seed);
        nn.Module<Tensor, Tensor> model = NewModel();
        all.Attach(model.parameters());
        if (nudged)
        {
            using (no_grad())
                model.parameters().First().mul_(1.001f);
        }

        using TorchOptimizer stepper = optimizer.For(model);
        model.train();
        for (int step = 0; step < steps; step++)
        {
            using var scope = NewDisposeScope();
            Tensor rows = randint(0, inputs.shape[0], [BatchSize], dtype: ScalarType.Int64);
            stepper.zero_grad();
            Loss(model.forward(inputs[rows]), targets[rows]).backward();
            stepper.step();
        }

        model.eval();
        using (optimizer.UseAverages())
        using (no_grad())
            return Loss(model.forward(inputs[..HeardDigits.Tested]), targets[..HeardDigits.Tested]).item<float>();
    }
}

/// <summary>The network of the sample SpokenDigits.</summary>
sealed class SpokenDigitsTraining(string? data) : TorchTraining
{
    public override string Name => "SpokenDigits";

    protected override nn.Module<Tensor, Tensor> NewModel() => Recogniser.Create();

    protected override (Tensor Inputs, Tensor Targets) NewData(int seed)
    {
        var heard = HeardDigits.Of(data, seed);
        return (
            tensor(heard.Features, [heard.Digits.Length, 1, LogMel.Frames, LogMel.Bands]),
            tensor(Array.ConvertAll(heard.Digits, digit => (long)digit)));
    }

    protected override Tensor Loss(Tensor output, Tensor target) => nn.functional.cross_entropy(output, target);
}

/// <summary>A function of 32 numbers that a random network makes, with noise.</summary>
sealed class RegressionTraining : TorchTraining
{
    const int Inputs = 32, Width = 128, Examples = 8192;

    public override string Name => "Regression";

    protected override nn.Module<Tensor, Tensor> NewModel() => nn.Sequential(
        ("in", nn.Linear(Inputs, Width)), ("relu1", nn.ReLU()), ("middle", nn.Linear(Width, Width)), ("relu2", nn.ReLU()), ("out", nn.Linear(Width, 1)));

    protected override (Tensor Inputs, Tensor Targets) NewData(int seed)
    {
        Tensor inputs = randn(Examples, Inputs);
        Tensor hidden = (inputs.matmul(randn(Inputs, Width)) / Math.Sqrt(Inputs)).tanh();
        Tensor noise = 0.3 * randn(Examples, 1);
        return (inputs, (hidden.matmul(randn(Width, 1)) / Math.Sqrt(Width)) + noise);
    }

    protected override Tensor Loss(Tensor output, Tensor target) => nn.functional.mse_loss(output, target);
}
