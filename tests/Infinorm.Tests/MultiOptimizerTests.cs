using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Tests;

public sealed class MultiOptimizerTests
{
    [Fact]
    public void GoesOnFromACheckpointAndStepsCopiesAlike()
    {
        Variable[] variables = Make(), copies = Make();
        Optimizer optimizer = MakeOptimizer();
        optimizer.Apply(Gradients(1), variables);
        using var file = new MemoryStream();
        optimizer.Save(file);

        NdArray[] state = [.. optimizer.Variables.Select(variable => variable.ToNdArray())];
        var (stepped, _) = optimizer.StatelessApply(state, Gradients(2), [.. variables.Select(variable => variable.ToNdArray())]);
        optimizer.Apply(Gradients(2));
        file.Position = 0;
        Optimizer loaded = Optimizer.Load(file, copies);
        loaded.Apply(Gradients(2));

        string[] expected = [.. variables.Select(variable => Text(variable.ToNdArray()))];
        Assert.Equal(expected, stepped.Select(Text));
        Assert.Equal(expected, copies.Select(variable => Text(variable.ToNdArray())));
        Assert.Equal(
            optimizer.Variables.Select(variable => Text(variable.ToNdArray())), loaded.Variables.Select(variable => Text(variable.ToNdArray())));
    }

    [Fact]
    public void AnOptimizerWithoutGradientsKeepsTheOthersFromStepping()
    {
        Variable[] variables = Make();
        Optimizer optimizer = MakeOptimizer();
        optimizer.Apply(Gradients(1), variables);
        var before = Snapshot.Of(optimizer, variables);
        Gradient[] gradients = Gradients(2);
        gradients[2] = default;
        Assert.Throws<ArgumentException>(() => optimizer.Apply(gradients));
        before.AssertUnchanged(optimizer, variables);
    }

    [Fact]
    public void AnOptimizerCannotOccurTwice()
    {
        var adam = new Adam();
        Assert.Throws<ArgumentException>(() => new MultiOptimizer(adam, [KeyValuePair.Create<string, RuleOptimizer>("a", adam)]));
    }

    static MultiOptimizer MakeOptimizer() => new(
        new Lamb(0.1),
        new Dictionary<string, RuleOptimizer> { ["a/.*"] = new Adafactor(0.1), ["m"] = new Muon(0.1), ["unused"] = new Adamax() });

    static Variable[] Make() =>
    [
        new Variable<float>("a/w", new float[] { 1, 2, 3, 4, 5, 6 }, [2, 3]), new Variable<float>("a/b", new float[] { 1, -2 }),
        new Variable<float>("m", new float[] { 1, 2, 3, 4, 5, 7 }, [3, 2]), new Variable<double>("z", new double[] { 1, 2 }),
    ];

    static Gradient[] Gradients(int step) =>
        [new float[] { 1, -1, step, 2, 3, 4 }, new float[] { step, 1 }, new float[] { 3, 1, step, 2, 2, 1 }, new double[] { step, -1 }];

    static string Text(NdArray array) => Convert.ToHexString(array.Bytes);
}
