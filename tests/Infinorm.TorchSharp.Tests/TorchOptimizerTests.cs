using Infinorm.Tests.Properties;
using Infinorm.Variables;
using TorchSharp;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

public class TorchOptimizerTests
{
    [Fact]
    public void StepsAsTheOptimizerDoesOnArrays()
    {
        using Parameter weight = Parameter(1, 40, 30), bias = Parameter(2, 30);
        float[] w = Floats(weight), b = Floats(bias);
        var onArrays = new Adamax(0.01) { GlobalClipNorm = 1, WeightDecay = 0.1, UseEma = true };
        onArrays.Build(new Variable<float>("w", w, [40, 30]), new Variable<float>("b", b));
        using TorchOptimizer optimizer = new Adamax(0.01) { GlobalClipNorm = 1, WeightDecay = 0.1, UseEma = true }
            .For([("w", weight), ("b", bias)]);
        for (int i = 0; i < 5; i++)
        {
            weight.grad = Random(i, 40, 30); // gradients elsewhere in each step
            bias.grad = Random(i + 10, 30);
            onArrays.Apply(Floats(weight.grad), Floats(bias.grad));
            Assert.Null(optimizer.step());
        }

        Assert.Equal(w, Floats(weight));
        Assert.Equal(b, Floats(bias));
        Assert.Equal(StepResult.Updated, optimizer.LastStep?.Result);
        optimizer.FinalizeVariableValues();
        onArrays.FinalizeVariableValues();
        Assert.Equal(w, Floats(weight));
    }

    public static TheoryData<string> Variants => [.. Registered.Variants];

    [Theory]
    [MemberData(nameof(Variants))]
    public void EveryOptimizerStepsParametersAsArraysAndFollowsAScheduler(string variant)
    {
        using Parameter weight = Parameter(1, 40, 30), bias = Parameter(2, 30);
        float[] w = Floats(weight), b = Floats(bias);
        RuleOptimizer onArrays = Registered.Create(variant);
        onArrays.LearningRate = 0.01;
        onArrays.Build(new Variable<float>("w", w, [40, 30]), new Variable<float>("b", b));
        RuleOptimizer rule = Registered.Create(variant);
        rule.LearningRate = 0.01;
        using TorchOptimizer optimizer = rule.For([("w", weight), ("b", bias)]);
        var scheduler = optim.lr_scheduler.StepLR(optimizer, 2, 0.5);
        for (int i = 0; i < 5; i++)
        {
            weight.grad = Random(i, 40, 30);
            bias.grad = Random(i + 10, 30);
            onArrays.Apply(Floats(weight.grad), Floats(bias.grad));
            optimizer.step();
            scheduler.step();
            onArrays.LearningRate = 0.01 * Math.Pow(0.5, (i + 1) / 2);
        }

        Assert.Equal(0.0025, rule.CurrentLearningRate, 1e-9);
        Assert.Equal(w, Floats(weight));
        Assert.Equal(b, Floats(bias));
        Assert.NotEqual(Floats(bias), Floats(Random(2, 30)));
    }

    [Fact]
    public void ClosureComputesTheLossUnderGradAndStepReturnsIt()
    {
        using var model = nn.Linear(3, 1);
        using TorchOptimizer optimizer = new Adamax(0.5).For(model);
        using (no_grad())
        {
            using Tensor returned = optimizer.step(() =>
            {
                optimizer.zero_grad();
                Tensor loss = model.forward(ones(4, 3)).square().mean();
                loss.backward();
                return loss;
            });
            Assert.True(returned.requires_grad);
        }

        Assert.Equal(1, optimizer.Optimizer.Iterations);
    }

    [Fact]
    public void ZeroGradDropsAndAMissingGradientLeavesItsParameter()
    {
        using Parameter first = Parameter(1, 5), second = new(Random(2, 5));
        float[] before = Floats(second);
        using TorchOptimizer optimizer = new Adamax(0.5).For([("first", first), ("second", second)]);
        optimizer.step();
        Assert.Equal(1, optimizer.LastStep?.MissingGradients);
        Assert.Equal(before, Floats(second));
        optimizer.zero_grad();
        Assert.Null(first.grad);
        Assert.Null(second.grad);
    }

    [Fact]
    public void AFrozenParameterStaysThoughItHasAGradient()
    {
        using Parameter free = Parameter(1, 5), frozen = Parameter(2, 5);
        using TorchOptimizer optimizer = new Adamax(0.5) { WeightDecay = 0.1 }.For([("free", free), ("frozen", frozen)]);
        optimizer.step();
        frozen.requires_grad = false;
        float[] before = Floats(frozen), beforeFree = Floats(free);
        optimizer.step();
        Assert.Equal(before, Floats(frozen));
        Assert.NotEqual(beforeFree, Floats(free));
    }

    [Fact]
    public void ATiedWeightIsOneVariable()
    {
        using var embedding = nn.Embedding(7, 4);
        using var projection = nn.Linear(4, 7, hasBias: false);
        projection.weight = embedding.weight!;
        using var model = nn.Sequential(("embedding", embedding), ("projection", projection));
        using TorchOptimizer optimizer = new Adamax(0.1).For(model);
        Assert.Equal(["embedding/weight"], optimizer.Optimizer.TrainableVariables.Select(variable => variable.Path));

        // The projection alone trains the embedding.
        float[] before = Floats(embedding.weight!);
        using Tensor loss = projection.forward(ones(1, 4)).sum();
        loss.backward();
        optimizer.step();
        Assert.All(Floats(embedding.weight!).Zip(before), pair => Assert.Equal(0.1, pair.Second - pair.First, 1e-3));
        Assert.Equal(Floats(embedding.weight!), Floats(projection.weight!));
    }

    [Fact]
    public void AMovedModelIsNamedByWhateverIsCalledFirst()
    {
        using var model = nn.Linear(2, 2);
        using TorchOptimizer optimizer = new Adamax().For(model);
        model.to(ScalarType.Float64);
        foreach (Action call in (Action[])[optimizer.zero_grad, () => optimizer.parameters(), () => optimizer.step()])
            Assert.StartsWith("weight: the parameter was disposed, or replaced", Assert.Throws<InvalidOperationException>(call).Message);
    }

    [Fact]
    public void ADisposedOptimizerRefuses()
    {
        using Parameter parameter = Parameter(1, 5);
        TorchOptimizer optimizer = new Adamax().For([("p", parameter)]);
        optimizer.Dispose();
        optimizer.Dispose();
        foreach (Action call in (Action[])[optimizer.zero_grad, () => optimizer.step(), optimizer.FinalizeVariableValues, () => optimizer.Save("never")])
            Assert.Throws<ObjectDisposedException>(call);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void SavesAndRestoresWithoutADetour(bool asStream)
    {
        string folder = Directory.CreateTempSubdirectory().FullName, path = Path.Combine(folder, "a.safetensors");
        using Parameter first = new(Random(1, 3, 4).t()), second = new(zeros(4, 3));
        first.grad = ones(4, 3);
        using TorchOptimizer saved = new Adamax(0.1).For([("p", first)]), restored = new Adamax(0.1).For([("p", second)]);
        saved.step();
        saved.LearningRate = 0.25;
        if (asStream)
        {
            using var stream = new MemoryStream();
            saved.Save(stream);
            stream.Position = 0;
            restored.Restore(stream);
        }
        else
        {
            saved.Save(path);
            restored.Restore(path);
        }

        Assert.Equal(Floats(first), Floats(second));
        Assert.Equal((0.25, 1), (restored.CurrentLearningRate, restored.Optimizer.Iterations));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void NamesOfVariablesAreThoseOfParameters()
    {
        using var model = nn.Sequential(("first", nn.Linear(2, 3)), ("second", nn.Linear(3, 1)));
        using TorchOptimizer optimizer = new Adamax { Name = "a" }.For(model);
        Assert.Equal(
            ["first/weight", "first/bias", "second/weight", "second/bias"], optimizer.Optimizer.TrainableVariables.Select(v => v.Path));
        Assert.Contains("a/second_weight_momentum", optimizer.Optimizer.Variables.Select(v => v.Path));
        Assert.Equal(4, optimizer.parameters().Count());
    }

    [Fact]
    public void LossScaleOptimizerSkipsAndUnscales()
    {
        using Parameter scaled = Parameter(1, 100), plain = Parameter(1, 100);
        using TorchOptimizer optimizer = new LossScaleOptimizer(new Adamax(0.01), initialScale: 1024).For([("p", scaled)]);
        using TorchOptimizer reference = new Adamax(0.01).For([("p", plain)]);
        using Tensor loss = optimizer.ScaleLoss(tensor(2f));
        Assert.Equal(2048, loss.item<float>());

        scaled.grad = full(100, float.PositiveInfinity);
        optimizer.step();
        Assert.Equal(StepResult.Skipped, optimizer.LastStep?.Result);
        Assert.Equal(Floats(plain), Floats(scaled));

        scaled.grad = plain.grad! * 512;
        optimizer.step();
        reference.step();
        Assert.Equal(Floats(plain), Floats(scaled));
    }

    [Fact]
    public void AveragesComeAndGo()
    {
        using Parameter parameter = Parameter(1, 20);
        using TorchOptimizer optimizer = new Adamax(0.1) { UseEma = true, EmaMomentum = 0.5 }.For([("p", parameter)]);
        optimizer.step();
        optimizer.step();
        float[] own = Floats(parameter);
        float[] average = optimizer.Optimizer.Variables.Single(v => v.Path.EndsWith("average")).ToNdArray().AsSpan<float>().ToArray();
        using (optimizer.UseAverages())
            Assert.Equal(average, Floats(parameter));
        Assert.Equal(own, Floats(parameter));
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float64)]
    public void OtherTypesAreSteppedInPlace(ScalarType type)
    {
        using Parameter single = Parameter(3, 700);
        using var other = new Parameter(single.detach().to(type));
        using Tensor rounded = other.detach().to(ScalarType.Float32);
        single.detach().copy_(rounded);
        other.grad = single.grad!.to(type);
        single.grad = other.grad.to(ScalarType.Float32);
        using TorchOptimizer a = new Adamax(0.25).For([("p", single)]), b = new Adamax(0.25).For([("p", other)]);
        a.step();
        b.step();
        using Tensor expected = single.detach().to(type);
        if (type == ScalarType.Float64)
            Assert.True(allclose(other, expected, rtol: 1e-6, atol: 1e-6));
        else
            Assert.Equal(Floats(expected), Floats(other));
    }

    [Fact]
    public void StepsAllocateNothing()
    {
        Parameter[] parameters = [.. Enumerable.Range(0, 20).Select(i => Parameter(i, 50 + i))];
        using TorchOptimizer optimizer = new Adamax { GlobalClipNorm = 1 }.For(parameters.Select((p, i) => ($"p{i}", p)));
        long least = long.MaxValue;
        for (int round = 0; round < 5; round++) // the runtime allocates now and then for tables of its own
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
                optimizer.step();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
        foreach (Parameter parameter in parameters)
            parameter.Dispose();
    }

    [Fact]
    public void RefusesWhatItCannotDo()
    {
        using Parameter parameter = Parameter(1, 5), same = Parameter(2, 5);
        Assert.Contains("p: two parameters", Assert.Throws<ArgumentException>(() => new Adamax().For([("p", parameter), ("p", same)])).Message);
        Assert.Contains("p2 and p1 are the same", Assert.Throws<ArgumentException>(
            () => new Adamax().For([("p1", parameter), ("p2", parameter)])).Message);
        using var view = new Parameter(parameter.detach());
        Assert.Contains("overlap in memory", Assert.Throws<ArgumentException>(
            () => new Adamax().For([("p1", parameter), ("p2", view)])).Message);
        Assert.Throws<ArgumentException>(() => new Adamax().For(Array.Empty<(string, Parameter)>()));

        var built = new Adamax();
        using TorchOptimizer optimizer = built.For([("p", parameter)]);
        Assert.Throws<InvalidOperationException>(() => built.For([("q", same)]));
        Assert.Throws<NotSupportedException>(() => optimizer.add_param_group(new ParamGroup()));

        parameter.grad = null;
        Assert.Contains("no variable has a gradient", Assert.Throws<ArgumentException>(() => optimizer.step()).Message);
        using var integers = new Parameter(ones(3, ScalarType.Int32), requires_grad: false);
        Assert.Contains("Int32", Assert.Throws<NotSupportedException>(() => new Adamax().For([("i", integers)])).Message);
    }
}
