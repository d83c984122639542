using Infinorm.Optimizers;
using Infinorm.Variables;
using TorchSharp;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

public class MemoryParameterTests
{
    [Fact]
    public void ParametersAndGradientsThatAreNotContiguousStepAsContiguousOnes()
    {
        using Tensor values = Random(1, 6, 4), gradients = Random(2, 6, 4);
        using var plain = new Parameter(values.clone());
        using var transposed = new Parameter(values.t().contiguous().t());
        Assert.False(transposed.is_contiguous());
        using TorchOptimizer a = new Adamax(0.1) { UseEma = true }.For([("p", plain)]);
        using TorchOptimizer b = new Adamax(0.1) { UseEma = true }.For([("p", transposed)]);
        for (int i = 0; i < 3; i++)
        {
            plain.grad = gradients.clone();
            transposed.grad = gradients.t().contiguous().t();
            Assert.False(transposed.grad.is_contiguous());
            a.step();
            b.step();
            Assert.Equal(Floats(plain), Floats(transposed));
        }

        using (b.UseAverages())
            Assert.NotEqual(Floats(plain), Floats(transposed));
        Assert.Equal(Floats(plain), Floats(transposed));
        a.FinalizeVariableValues();
        b.FinalizeVariableValues();
        Assert.Equal(Floats(plain), Floats(transposed));
    }

    [Fact]
    public void AStridedGradientOfAContiguousParameterIsReadInOrder()
    {
        using Tensor gradient = Random(2, 4, 6);
        using Parameter plain = Parameter(1, 6, 4), other = Parameter(1, 6, 4);
        using TorchOptimizer a = new Adamax(0.1).For([("p", plain)]), b = new Adamax(0.1).For([("p", other)]);
        for (int i = 0; i < 2; i++)
        {
            plain.grad = gradient.t().contiguous();
            other.grad = gradient.t();
            a.step();
            b.step();
        }

        Assert.Equal(Floats(plain), Floats(other));
    }

    [Fact]
    public void SparseGradientsStepRowsWithDuplicatesSummed()
    {
        using var sparse = nn.Embedding(10, 4, sparse: true);
        using var dense = nn.Embedding(10, 4);
        dense.weight!.detach().copy_(sparse.weight!.detach());
        using TorchOptimizer a = new Adamax(0.1).For(sparse), b = new Adamax(0.1).For(dense);
        foreach (long[] tokens in (ReadOnlySpan<long[]>)[[3, 7, 3, 3], [7, 0]])
        {
            foreach (Embedding model in (ReadOnlySpan<Embedding>)[sparse, dense])
            {
                model.zero_grad();
                using Tensor loss = model.forward(tensor(tokens)).square().sum();
                loss.backward();
            }

            Assert.True(sparse.weight.grad!.is_sparse);
            a.step();
            b.step();
            Assert.InRange(UlpsApart(Floats(dense.weight), Floats(sparse.weight)), 0, 2);
        }
    }

    [Fact]
    public void ASparseGradientOfZerosHasNoRows()
    {
        using var table = nn.Embedding(10, 4, sparse: true);
        using TorchOptimizer optimizer = new Adamax(0.1) { WeightDecay = 0.5 }.For(table);
        using (Tensor loss = table.forward(tensor(new long[] { 1, 2 })).sum())
            loss.backward();
        optimizer.step();
        using (Tensor gradient = table.weight!.grad!)
            gradient.zero_().Dispose();
        float[] before = Floats(table.weight!);
        optimizer.step(); // momentum and decay go on, as with a dense gradient of zeros
        Assert.Equal(2, optimizer.Optimizer.Iterations);
        Assert.NotEqual(before, Floats(table.weight!));
    }

    [Fact]
    public void AMovedModelIsRefusedAndNothingChanges()
    {
        using var model = nn.Linear(2, 2);
        using TorchOptimizer optimizer = new Adamax().For(model);
        Parameter old = model.weight!;
        model.to(ScalarType.Float64);
        Assert.True(old.IsInvalid);
        Assert.StartsWith("weight: the parameter was disposed, or replaced", Assert.Throws<InvalidOperationException>(() => optimizer.step()).Message);
        Assert.Throws<InvalidOperationException>(() => ((Variable<float>)optimizer.Optimizer.TrainableVariables[0]).Span[0]);
        Assert.Equal(0, optimizer.Optimizer.Iterations);
    }

    [Fact]
    public void AParameterWhoseMemoryMovedIsFollowedAndAnotherShapeRefused()
    {
        using Parameter parameter = Parameter(1, 6), reference = Parameter(1, 6);
        using TorchOptimizer a = new Adamax(0.1).For([("p", parameter)]), b = new Adamax(0.1).For([("p", reference)]);
        using Tensor elsewhere = parameter.detach().clone();
        using (no_grad())
            parameter.set_(elsewhere);
        a.step();
        b.step();
        Assert.Equal(Floats(reference), Floats(parameter));
        Assert.Equal(Floats(elsewhere), Floats(parameter));

        using (no_grad())
            parameter.set_(zeros(7));
        parameter.grad = null;
        Assert.StartsWith("p: the parameter is Float32[7] on cpu, it was Float32[6]", Assert.Throws<InvalidOperationException>(() => a.step()).Message);
    }

    [Fact]
    public void AParameterWhoseMemoryMovedWhileItHadItsAverageGetsItsOwnValueWhereItIs()
    {
        using Parameter parameter = Parameter(1, 6);
        using TorchOptimizer optimizer = new Adamax(0.1) { UseEma = true }.For([("p", parameter)]);
        for (int step = 0; step < 3; step++)
            optimizer.step();
        float[] own = Floats(parameter), average;
        using Tensor before = parameter.detach(), elsewhere = parameter.detach().clone();
        using (optimizer.UseAverages())
        {
            average = Floats(parameter);
            using (no_grad())
                parameter.set_(elsewhere);
        }

        Assert.NotEqual(own, average);
        Assert.Equal(own, Floats(parameter));
        Assert.Equal(own, Floats(elsewhere));
        Assert.Equal(average, Floats(before));
    }

    [Fact]
    public void AModelThatIsDisposedWhileItHasItsAveragesDoesNotLockTheOptimizer()
    {
        var model = nn.Linear(2, 2);
        using TorchOptimizer optimizer = new Adamax { UseEma = true }.For(model);
        using (Tensor loss = model.forward(ones(1, 2)).sum())
            loss.backward();
        optimizer.step();
        IDisposable averages = optimizer.UseAverages();
        model.Dispose();
        Assert.Contains("the parameter was disposed", Assert.Throws<InvalidOperationException>(averages.Dispose).InnerException?.Message);
        averages.Dispose();
        Assert.StartsWith("weight: the parameter was disposed", Assert.Throws<InvalidOperationException>(() => optimizer.step()).Message);
    }

    [Fact]
    public void FindsTheSameWithAndWithoutNativeCalls()
    {
        Assert.True(NativeTensor.IsAvailable);
        using Parameter parameter = Parameter(1, 3, 4);
        using MemoryParameter native = new("p", parameter, usesNativeCalls: true), managed = new("p", parameter, usesNativeCalls: false);
        for (int i = 0; i < 3; i++)
        {
            foreach (MemoryParameter view in (ReadOnlySpan<MemoryParameter>)[native, managed])
            {
                view.Locate();
                Assert.Equal(Floats(parameter), ((Variable<float>)view.Variable).Span.ToArray());
                Gradient gradient = view.FetchGradient();
                var copy = new float[12];
                var onArray = new TorchAdamax(1, beta1: 0, epsilon: 0); // the first step moves by the gradient's sign
                onArray.Build(new Variable<float>("p", copy));
                onArray.Apply(gradient);
                Assert.Equal(Floats(parameter.grad!).Select(g => -Math.Sign(g)), copy.Select(Math.Sign));
                view.ReleaseGradient();
            }

            parameter.grad = Random(i + 7, 3, 4);
        }

        parameter.grad = null;
        Assert.True(native.FetchGradient().IsNone);
        Assert.True(managed.FetchGradient().IsNone);
    }
}
