using Infinorm.Checkpoints;
using Infinorm.Constraints;
using Infinorm.Optimizers;
using Infinorm.Rules;
using Infinorm.Types;
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

    [Fact]
    public void AFunctionDividesAndTheConfigSaysHow()
    {
        Variable[] variables = Make(), byPaths = Make();
        var (kernels, rest) = (new Adam(0.1), new Sgd(0.1));
        var optimizer = new MultiOptimizer(variable => variable.Path is "a/w" or "m" ? kernels : rest) { LossScaleFactor = 2 };
        Assert.Empty(optimizer.Optimizers);
        Assert.Throws<InvalidOperationException>(() => optimizer.GetConfig());
        optimizer.Apply(Gradients(1), variables);
        Assert.Equal([kernels, rest], optimizer.Optimizers);
        Assert.Equal(2, kernels.LossScaleFactor);
        Assert.Equal([variables[0], variables[2]], kernels.TrainableVariables);

        var same = (MultiOptimizer)Optimizer.FromConfig(optimizer.GetConfig());
        Assert.Equal(optimizer.ToJson(), same.ToJson());
        same.Apply(Gradients(1), byPaths);
        AssertSame(variables, byPaths);
    }

    [Fact]
    public void AFunctionIsAskedAgainWhereBuildingFailed()
    {
        Variable[] variables = Make();
        var optimizer = new MultiOptimizer(variable => variable.Path == "z" ? null! : new Adam());
        Refusal.Is<ArgumentException>($"z: the function of {optimizer.Name} gave no optimizer.", () => optimizer.Build(variables));
        Assert.False(optimizer.IsBuilt);
        optimizer.Build(variables[..3]);
        Assert.Equal(3, optimizer.Optimizers.Count); // one for each variable, as in Keras
        Assert.Equal(["a/w", "a/b", "m"], optimizer.Optimizers.SelectMany(inner => inner.TrainableVariables).Select(v => v.Path));
    }

    [Fact]
    public void WhatIsSetBeforeAFunctionIsAskedHoldsForWhatItGives()
    {
        var inner = new Sgd(0.1) { WeightDecay = 0.5 };
        var multi = new MultiOptimizer(_ => inner) { FloatX = DType.Float64 };
        multi.ExcludeFromWeightDecay(names: ["w"]);
        var optimizer = new LossScaleOptimizer(multi);
        Variable[] variables = Make();
        optimizer.Build(variables);
        Assert.Equal(0.1, inner.CurrentLearningRate);
        Assert.Equal([variables[0]], multi.WeightDecayExclusions);
    }

    [Fact]
    public void InALossScaleOptimizerAllStepOrNone()
    {
        Variable[] variables = Make(), plain = Make();
        var optimizer = new LossScaleOptimizer(MakeOptimizer(), initialScale: 4, dynamicGrowthSteps: 100);
        Optimizer without = MakeOptimizer();
        optimizer.Apply(Scaled(Gradients(1), 4), variables);
        without.Apply(Gradients(1), plain);
        AssertSame(plain, variables);

        foreach (int bad in new[] { 0, 2, 3 })
        {
            Gradient[] gradients = Scaled(Gradients(2), 4);
            gradients[bad] = bad == 3 ? new double[] { 1, double.NaN } : Enumerable.Repeat(float.PositiveInfinity, variables[bad].Length).ToArray();
            double scale = optimizer.DynamicScale;
            Assert.Equal(StepResult.Skipped, optimizer.Apply(gradients).Result);
            Assert.Equal(scale / 2, optimizer.DynamicScale);
            AssertSame(plain, variables);
            Assert.Equal(1, optimizer.Iterations);
            Assert.All(((MultiOptimizer)optimizer.InnerOptimizer).Optimizers, inner => Assert.Equal(inner.IsBuilt ? 1 : 0, inner.Iterations));
        }

        optimizer.Apply(Scaled(Gradients(2), optimizer.DynamicScale));
        without.Apply(Gradients(2));
        AssertSame(plain, variables);
        Assert.Contains("MultiOptimizer", optimizer.ToString());
        Assert.Equal(optimizer.ToJson(), Optimizer.FromConfig(optimizer.GetConfig()).ToJson());
        using var file = new MemoryStream();
        optimizer.Save(file);
        file.Position = 0;
        Variable[] loaded = Make();
        Assert.Equal(optimizer.Variables.Select(v => Text(v.ToNdArray())), Optimizer.Load(file, loaded).Variables.Select(v => Text(v.ToNdArray())));
    }

    [Fact]
    public void ALossScaleOfItsOwnExcludesADynamicOne()
    {
        var multi = new MultiOptimizer(new Adam()) { Name = "m", LossScaleFactor = 2 };
        Refusal.Is<ArgumentException>(
            "m scales losses itself; leave out its LossScaleFactor to scale them dynamically.", () => new LossScaleOptimizer(multi));
        Assert.Throws<ArgumentException>(() => new LossScaleOptimizer(new LossScaleOptimizer(new MultiOptimizer(new Adam()))));
    }

    [Fact]
    public void ARuleThatIsRefusedKeepsTheOthersFromStepping()
    {
        Variable[] variables = Make();
        var optimizer = new MultiOptimizer(new Stubborn(), [KeyValuePair.Create<string, RuleOptimizer>("a/.*", new Adam())]);
        optimizer.Build(variables);
        var before = Snapshot.Of(optimizer, variables);
        Assert.Throws<NotSupportedException>(() => optimizer.Apply(Gradients(1)));
        before.AssertUnchanged(optimizer, variables);
    }

    [Fact]
    public void AHalfMadeStepIsNotSilent()
    {
        var optimizer = new MultiOptimizer(new Adam(), [KeyValuePair.Create<string, RuleOptimizer>("a/.*", new Sgd())]);
        Variable[] variables = Make();
        variables[2].Constraint = new Throwing();
        optimizer.Build(variables);
        using var state = new MemoryStream();
        optimizer.Save(state);
        Assert.Contains("failed in the middle", Assert.ThrowsAny<InvalidOperationException>(() => optimizer.Apply(Gradients(1))).Message);
        Throwing.IsOn = false;
        Assert.Throws<InvalidOperationException>(() => optimizer.Apply(Gradients(1)));
        state.Position = 0;
        optimizer.Restore(state);
        optimizer.Apply(Gradients(1));
        Assert.Equal(1, optimizer.Iterations);
    }

    [Fact]
    public void MemoryMayNotBeSharedAcrossOptimizers()
    {
        float[] memory = new float[8];
        Variable[] overlapping = [new Variable<float>("a/w", memory.AsMemory(0, 4)), new Variable<float>("b", memory.AsMemory(3, 4))];
        MultiOptimizer Make() => new(new Adam(), [KeyValuePair.Create<string, RuleOptimizer>("a/.*", new Sgd())]);
        MultiOptimizer optimizer = Make();
        Assert.Contains("overlap in memory", Assert.Throws<ArgumentException>(() => optimizer.Build(overlapping)).Message);
        Assert.False(optimizer.IsBuilt);

        optimizer = Make();
        optimizer.Build(new Variable<float>("a/w", memory.AsMemory(0, 4)), new Variable<float>("b", memory.AsMemory(4, 4)));
        Refusal.Is<ArgumentException>(
            "b: the gradient overlaps the variable a/w in memory.", () => optimizer.Apply(new float[4], memory.AsMemory(0, 4)));
    }

    [Fact]
    public void ARestoredOneGoesOn()
    {
        Variable[] variables = Make(), others = Make();
        Optimizer optimizer = MakeOptimizer(), other = MakeOptimizer();
        optimizer.Apply(Gradients(1), variables);
        other.Apply(Gradients(3), others);
        using var file = new MemoryStream();
        optimizer.Save(file);
        file.Position = 0;
        other.Restore(file);
        optimizer.Apply(Gradients(2));
        other.Apply(Gradients(2));
        AssertSame(variables, others);

        file.Position = 0;
        var another = new MultiOptimizer(
            new Adam(), new Dictionary<string, RuleOptimizer> { ["a/.*"] = new Adafactor(0.1), ["m"] = new Muon(0.1), ["unused"] = new Adamax() });
        another.Build(Make());
        string message = Assert.Throws<CheckpointMismatchException>(() => another.Restore(file)).Message;
        Assert.Contains("default_optimizer/class_name: \"Lamb\" in the file, \"Adam\" here", message);
    }

    [Fact]
    public void EachAccumulatesAndAveragesByItself()
    {
        var accumulating = new Sgd(1) { GradientAccumulationSteps = 2, UseEma = true };
        var plain = new Sgd(1);
        var optimizer = new MultiOptimizer(plain, [KeyValuePair.Create<string, RuleOptimizer>("a", accumulating)]);
        float[] a = [0], b = [0];
        optimizer.Build(new Variable<float>("a", a), new Variable<float>("b", b));
        Assert.Throws<InvalidOperationException>(optimizer.FinalizeVariableValues);
        Assert.Equal(StepResult.Updated, optimizer.Apply(new[] { 1f }, new[] { 1f }).Result);
        Assert.Equal((0, -1, 1), (a[0], b[0], optimizer.PendingCalls));
        optimizer.Apply(new[] { 3f }, new[] { 1f });
        Assert.Equal((-2, -2), (a[0], b[0]));
        a[0] = 7;
        using (optimizer.UseAverages())
            Assert.Equal(-2, b[0]);
        Assert.Equal(7, a[0]);
    }

    [Fact]
    public void AStepAllocatesNothing()
    {
        Variable[] variables = [new Variable<float>("a", new float[100]), new Variable<float>("b", new float[50])];
        Optimizer[] optimizers = [Two(), new LossScaleOptimizer(Two(), initialScale: 1)];
        Gradient[] gradients = [new float[100], new float[50]], swapped = [gradients[1], gradients[0]];
        Variable[] reversed = [variables[1], variables[0]];
        foreach (Optimizer optimizer in optimizers)
        {
            optimizer.Build(variables);
            long bytes = 0;
            for (int i = 0; i < 50; i++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                optimizer.Apply(gradients);
                optimizer.Apply(swapped, reversed);
                bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            }

            Assert.Equal(0, bytes);
        }

        static MultiOptimizer Two() => new(new Sgd { GlobalClipNorm = 1 }, [KeyValuePair.Create<string, RuleOptimizer>("a", new Sgd(momentum: 0.5))]);
    }

    [Theory]
    [InlineData("(", "Invalid pattern '('")]
    [InlineData("a)|(b", "Invalid pattern 'a)|(b'")]
    public void WhatIsNoExpressionIsRefused(string pattern, string message) =>
        Assert.StartsWith(message, Assert.ThrowsAny<ArgumentException>(() => new MultiOptimizer(new Adam(), [Item(pattern)])).Message);

    [Fact]
    public void AnExpressionThatTakesForEverIsRefused()
    {
        var optimizer = new MultiOptimizer(new Adam(), [Item("(a+)+b")]) { Name = "m" };
        string path = new('a', 60);
        Refusal.Is<ArgumentException>(
            $"{path}: the pattern (a+)+b of m takes too long to match it.", () => optimizer.Build(new Variable<float>(path, new float[1])));
    }

    [Fact]
    public void AKeyCannotOccurTwice() => Refusal.Is<ArgumentException>(
        "\"a\" is the key of 2 optimizers; each key has one.", () => new MultiOptimizer(new Adam(), [Item("a"), Item("a")]));

    static KeyValuePair<string, RuleOptimizer> Item(string pattern) => KeyValuePair.Create<string, RuleOptimizer>(pattern, new Sgd());

    static Gradient[] Scaled(Gradient[] gradients, double scale) =>
    [
        .. Raw(gradients).Select(values => values is float[] single
            ? (Gradient)Array.ConvertAll(single, value => value * (float)scale)
            : Array.ConvertAll((double[])values, value => value * scale)),
    ];

    static IEnumerable<Array> Raw(Gradient[] gradients) => gradients.Select(gradient => (Array)gradient.Elements.Owner!);

    static void AssertSame(Variable[] expected, Variable[] actual) =>
        Assert.Equal(expected.Select(variable => Text(variable.ToNdArray())), actual.Select(variable => Text(variable.ToNdArray())));

    sealed class Throwing : Constraint
    {
        public static bool IsOn { get; set; } = true;

        protected internal override void Apply<T>(Span<T> values, ReadOnlySpan<nint> shape)
        {
            if (IsOn)
                throw new NotSupportedException();
        }
    }

    sealed class Stubborn() : RuleOptimizer(0.1)
    {
        protected override void DefineSlots(Slots slots)
        {
        }

        protected override void UpdateStep<L>(RuleContext<L> context) => throw new NotSupportedException();
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
