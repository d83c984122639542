using Infinorm.Constraints;
using Infinorm.Optimizers;
using Infinorm.Tests.Checkpoints;
using Infinorm.Variables;

namespace Infinorm.Tests.Properties;

/// <summary>Rows, groups, constraints, exclusions and overwriting with each optimizer.</summary>
public sealed class Features
{
    const int Steps = 4;

    public static TheoryData<string> Variants => [.. Registered.Variants];

    [Theory]
    [MemberData(nameof(Variants))]
    public void RowsStepAsTheirSum(string variant)
    {
        var settings = new Settings(UseEma: true, WeightDecay: 0.1, LossScaleFactor: 8, Variant: variant);
        (Optimizer sparse, Variable[] table) = Built(settings);
        (Optimizer dense, _) = Built(settings);
        for (int step = 0; step < Steps; step++)
        {
            float[] rows = Values(12, step + 10), sum = new float[40];
            for (int i = 0; i < 12; i++)
                sum[((i / 4 == 1 ? 1 : 3) * 4) + (i % 4)] += rows[i];
            Gradient[] others = [Values(5, step), Values(6, step), Values(3, step)];
            sparse.Apply([Gradient.Rows([3, 1, 3], rows), .. others]);
            dense.Apply([sum, .. others]);
        }

        Assert.Equal(StateOf.All(dense), StateOf.All(sparse));
        Assert.NotEqual(Bytes(Model()[0]), Bytes(table[0]));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void AGroupStepsAsAnOptimizerOfItsRateAndDecay(string variant)
    {
        // Muon's own decay of some variables is another than its groups'.
        double? decay = Registered.Create(variant) is Muon ? null : 0.5;
        var settings = new Settings(Variant: variant);
        Variable[] together = Model(), apart = Model();
        Optimizer grouped = settings.Create(), one = settings.Create();
        Optimizer other = (settings with { WeightDecay = decay }).Create();
        other.LearningRate = 0.25;
        grouped.Build(
            new VariableGroup(together[..2]) { LearningRate = 0.25, WeightDecay = decay }, new VariableGroup(together[2..]));
        other.Build(apart[..2]);
        one.Build(apart[2..]);
        for (int step = 0; step < Steps; step++)
        {
            Gradient[] gradients = [Values(40, step), Values(5, step), Values(6, step), Values(3, step)];
            grouped.Apply(gradients);
            other.Apply(gradients[..2]);
            one.Apply(gradients[2..]);
        }

        Assert.Equal(apart.Select(Bytes), together.Select(Bytes));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void ConstraintsExclusionsAndOverwritingHoldStatelessAndAfterLoading(string variant)
    {
        Settings settings = Settings.AllElementwise with { HasDynamicScale = true, Variant = variant };
        (Optimizer optimizer, Variable[] variables) = Built(settings);
        (Optimizer interrupted, _) = Built(settings);
        using var folder = new TemporaryFolder();
        for (int step = 0; step < 2 * Steps; step++)
        {
            float[] given = Values(3, step);
            Gradient[] gradients = [Values(40, step), Values(5, step), Values(6, step), given];
            (NdArray[] trainable, NdArray[] own) = optimizer.StatelessApply(
                [.. optimizer.Variables.Select(variable => variable.ToNdArray())], gradients,
                [.. variables.Select(variable => variable.ToNdArray())]);
            optimizer.Apply(gradients);
            Assert.Equal(
                variables.Concat(optimizer.Variables).Select(Bytes),
                trainable.Concat(own).Select(array => Convert.ToHexString(array.Bytes)));
            Assert.True(step == 0 || variables[2].ToNdArray().AsSpan<float>().ToArray().All(value => value >= 0));
            if (step % 2 == 1)
            {
                // The largest of what was accumulated, from 0 on.
                float[] largest = [.. given.Zip(Values(3, step - 1), (last, first) => Math.Max(0, Math.Max(last, first)))];
                Assert.Equal(largest, variables[3].ToNdArray().AsSpan<float>().ToArray());
            }

            if (step == Steps)
            {
                string path = folder / "state";
                interrupted.Save(path);
                (interrupted, _) = Built(settings);
                interrupted.Restore(path);
            }

            interrupted.Apply(gradients);
        }

        Assert.Equal(StateOf.All(optimizer), StateOf.All(interrupted));
    }

    static (Optimizer Optimizer, Variable[] Variables) Built(Settings settings)
    {
        Variable[] variables = Model();
        Optimizer optimizer = settings.Create();
        optimizer.ExcludeFromWeightDecay(names: ["bias"]);
        optimizer.Build(variables);
        return (optimizer, variables);
    }

    static Variable[] Model() =>
    [
        new Variable<float>("table", Values(40, 1), [10, 4]),
        new Variable<float>("bias", Values(5, 2)),
        new Variable<float>("kernel", Values(6, 3), [3, 2]) { Constraint = new NonNeg() },
        new Variable<float>("scale", Values(3, 4)) { OverwriteWithGradient = true },
    ];

    static string Bytes(Variable variable) => Convert.ToHexString(variable.ToNdArray().Bytes);

    static float[] Values(int length, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.NextSingle() - 0.5f)];
    }
}
