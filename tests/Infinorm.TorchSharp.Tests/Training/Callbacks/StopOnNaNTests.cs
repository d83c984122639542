using Infinorm.Torch.Training;
using Infinorm.Torch.Training.Callbacks;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests.Training;

[Collection(nameof(Alone))]
public sealed class StopOnNaNTests : IDisposable
{
    readonly Problem _problem = new(optimizer: () => new Adamax(0.01));

    [Fact]
    public void NamesTheFirstParameterAndLeavesTheModelAsItWas()
    {
        // The loss is finite, its gradient is not: the root's slope at 0 is infinite, and 0 · ∞ is NaN.
        var trainer = new Trainer(_problem.Model, (prediction, target) =>
            target.sum().item<long>() == 0 ? (prediction * 0).sqrt().mean() : prediction.square().mean(), _problem.Optimizer);
        byte[] before = [];
        var remember = new TrainerTests.Recorder(_ => before = _problem.Weights());
        Tensor inputs = rand(8, 4);
        var error = Assert.Throws<NotFiniteNumberException>(() => trainer.Fit(
            [(inputs, ones(8, int64)), (inputs, zeros(8, int64))], 1, new() { Callbacks = [new StopOnNaN(), remember] }));
        Assert.StartsWith("The loss is 0 at step 1; 'in.weight', the first of 6 such parameters, has a gradient that is not finite.", error.Message);
        Assert.Equal(1, _problem.Optimizer.Optimizer.Iterations);
        for (int i = 0; i < 3; i++) // batch normalisation has seen the batch, the parameters have not
        {
            string name = ((string[])["in.weight", "in.bias", "out.weight"])[i];
            Assert.True(_problem.Model.get_parameter(name)!.isfinite().all().item<bool>());
        }

        Assert.Equal(before[..(12 * 4 * 4)], _problem.Weights()[..(12 * 4 * 4)]);
    }

    [Fact]
    public void LetsADynamicScaleSkip()
    {
        using var problem = new Problem(optimizer: () => new LossScaleOptimizer(new Adamax(0.01), initialScale: 1e38));
        var loss = nn.CrossEntropyLoss();
        var trainer = new Trainer(problem.Model, (prediction, target) => 1000 * loss.forward(prediction, target), problem.Optimizer);
        Assert.InRange(trainer.Fit(problem.Data, 2, new() { Callbacks = [new StopOnNaN()] }).SkippedSteps, 1, 15);
    }

    public void Dispose() => _problem.Dispose();
}
