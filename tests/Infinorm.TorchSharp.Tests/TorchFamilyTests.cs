using Infinorm.Optimizers;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

[Collection(nameof(Alone))]
public class TorchFamilyTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(0.01)]
    public void AdamaxAgreesWithTorchSharps(double weightDecay) => Agree(
        new TorchAdamax(coupledWeightDecay: weightDecay), theirs => optim.Adamax([theirs], weight_decay: weightDecay), tolerance: 2e-6f);

    [Theory]
    [InlineData(0, false, false)]
    [InlineData(0.01, true, false)]
    [InlineData(0.01, false, true)]
    public void AdamAgreesWithTorchSharps(double weightDecay, bool amsGrad, bool maximize) => Agree(
        new TorchAdam(coupledWeightDecay: weightDecay, amsGrad: amsGrad, maximize: maximize),
        theirs => optim.Adam([theirs], weight_decay: weightDecay, amsgrad: amsGrad, maximize: maximize));

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void AdamWAgreesWithTorchSharps(bool amsGrad, bool maximize) => Agree(
        new TorchAdamW(amsGrad: amsGrad, maximize: maximize),
        theirs => optim.AdamW([theirs], weight_decay: 0.01, amsgrad: amsGrad, maximize: maximize));

    [Theory]
    [InlineData(0, 0, 0, false, false)]
    [InlineData(0.9, 0.1, 0.01, false, false)]
    [InlineData(0.9, 0, 0.01, true, false)]
    [InlineData(0.9, 0, 0, false, true)]
    public void SgdAgreesWithTorchSharps(double momentum, double dampening, double weightDecay, bool nesterov, bool maximize) => Agree(
        new TorchSgd(0.01, momentum, dampening, weightDecay, nesterov, maximize),
        theirs => optim.SGD([theirs], 0.01, momentum, dampening, weightDecay, nesterov, maximize));

    [Fact]
    public void DampeningBeginsAtEachVariablesSecondGradient()
    {
        using Parameter early = Parameter(1, 3), late = Parameter(2, 3), theirEarly = Parameter(1, 3), theirLate = Parameter(2, 3);
        using TorchOptimizer optimizer = new TorchSgd(0.5, momentum: 0.5, dampening: 0.75).For([("early", early), ("late", late)]);
        using optim.Optimizer reference = optim.SGD([theirEarly, theirLate], 0.5, 0.5, 0.75);
        for (int step = 0; step < 4; step++)
        {
            foreach (Parameter parameter in step < 2 ? new[] { early, theirEarly } : [early, theirEarly, late, theirLate])
                parameter.grad = tensor([1f, -0.25f, 0f]) * (step + 1);
            optimizer.step();
            reference.step();
        }

        Assert.Equal(Floats(theirEarly), Floats(early));
        Assert.Equal(Floats(theirLate), Floats(late));
    }

    static void Agree(RuleOptimizer rule, Func<Parameter, optim.Optimizer> make, float tolerance = 5e-6f)
    {
        using Parameter ours = Parameter(1, 400), theirs = Parameter(1, 400);
        using TorchOptimizer optimizer = rule.For([("p", ours)]);
        using optim.Optimizer reference = make(theirs);
        float[] start = Floats(ours);
        using var generator = new Generator(5);
        WithoutCollection(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                using Tensor gradient = randn(400, generator: generator);
                ours.grad = gradient.clone();
                theirs.grad = gradient.clone();
                optimizer.step();
                reference.step();
            }
        });

        float[] a = Floats(ours), b = Floats(theirs);
        Assert.InRange(a.Zip(start, (x, y) => Math.Abs(x - y)).Average(), 0.005, 5); // it went somewhere
        Assert.All(a.Zip(b), pair => Assert.Equal(pair.First, pair.Second, tolerance + tolerance * Math.Abs(pair.First)));
    }
}
