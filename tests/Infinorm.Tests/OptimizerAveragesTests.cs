using Infinorm.Optimizers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests;

public class OptimizerAveragesTests
{
    readonly Variable<float> _weights = new("w", new float[] { 1, 2 });
    readonly Variable<Half> _half = new("h", new Half[] { (Half)1, (Half)2 });
    readonly Variable<float> _scale = new("s", new float[] { 5 }) { OverwriteWithGradient = true };
    readonly Adamax _adamax = new(0.5) { Name = "a", UseEma = true, EmaMomentum = 0.5 };

    float[] Weights => _weights.Span.ToArray();

    void Train()
    {
        for (int step = 0; step < 3; step++)
            _adamax.Apply([new float[] { 1, -1 }, new float[] { 1, -1 }, new float[] { 6 }], [_weights, _half, _scale]);
    }

    [Fact]
    public void SwapsTheAveragesInAndBack()
    {
        Train();
        float[] own = Weights;
        Half[] ownHalf = _half.Span.ToArray();
        float[] average = _adamax.Variables[2].ToNdArray().AsSpan<float>().ToArray();
        Assert.Equal("a/w_average", _adamax.Variables[2].Path);
        using (IDisposable averages = _adamax.UseAverages())
        {
            Assert.Equal(average, Weights);
            Assert.NotEqual(ownHalf, _half.Span.ToArray());
            Assert.Equal([6f], _scale.Span);
            averages.Dispose();
            Assert.Equal(own, Weights);
        }

        Assert.Equal(own, Weights);
        Assert.Equal(ownHalf, _half.Span.ToArray());
        Train();
    }

    [Fact]
    public void DoesNotStepWhileTheAveragesAreInTheVariables()
    {
        Train();
        using (_adamax.UseAverages())
        {
            const string message = "a is in use: by another thread, or because its averages are in the variables.";
            Refusal.Is<InvalidOperationException>(message, Train);
            Refusal.Is<InvalidOperationException>(message, () => _adamax.UseAverages());
            Refusal.Is<InvalidOperationException>(message, _adamax.FinalizeVariableValues);
        }
    }

    [Fact]
    public void FinalisesWithTheAverages()
    {
        Train();
        float[] average = _adamax.Variables[2].ToNdArray().AsSpan<float>().ToArray();
        _adamax.FinalizeVariableValues([_weights, _half, _scale]);
        Assert.Equal(average, Weights);
        Assert.Equal(_adamax.Variables[3].ToNdArray().Cast(DType.Float16).AsSpan<Half>(), _half.Span);
        Assert.Equal([6f], _scale.Span);
    }

    [Fact]
    public void RefusesAveragesThatAreNotThere()
    {
        const string unbuilt = "a has no averages yet: it is not built. Zeros would go into the variables.";
        Refusal.Is<InvalidOperationException>(unbuilt, _adamax.FinalizeVariableValues);
        Refusal.Is<InvalidOperationException>(unbuilt, () => _adamax.UseAverages());
        _adamax.Build(_weights);
        const string unstepped = "a has no averages yet: it made no step. Zeros would go into the variables.";
        Refusal.Is<InvalidOperationException>(unstepped, _adamax.FinalizeVariableValues);
        Refusal.Is<InvalidOperationException>(unstepped, () => _adamax.UseAverages());
        Assert.Equal([1f, 2], Weights);
    }

    [Fact]
    public void RefusesToFinaliseOtherVariables()
    {
        Train();
        const string message = "a: these are not the 3 variables it was built for, in that order.";
        Refusal.Is<ArgumentException>(message, () => _adamax.FinalizeVariableValues([_weights]));
        Refusal.Is<ArgumentException>(message, () => _adamax.FinalizeVariableValues([_half, _weights, _scale]));
    }

    [Fact]
    public void HasNothingToDoWithoutAverages()
    {
        var adamax = new Adamax { Name = "b" };
        adamax.FinalizeVariableValues();
        adamax.Build(_weights);
        adamax.FinalizeVariableValues([_weights]);
        Assert.Equal([1f, 2], Weights);
        Refusal.Is<InvalidOperationException>("b keeps no averages: UseEma is off.", () => adamax.UseAverages());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AVariableThatIsGoneLeavesTheOthersAsTheyWere(bool finalizes)
    {
        float[] a = [1], c = [3];
        var gone = new Mortal(1);
        var optimizer = Trained(a, gone, c);
        float[] before = [a[0], c[0]];
        gone.IsGone = true;
        Assert.Throws<ObjectDisposedException>(() =>
        {
            if (finalizes)
                optimizer.FinalizeVariableValues();
            else
                optimizer.UseAverages();
        });
        Assert.Equal(before, (float[])[a[0], c[0]]);
        gone.IsGone = false;
        optimizer.UseAverages().Dispose();
        Assert.Equal(before, (float[])[a[0], c[0]]);
    }

    [Fact]
    public void AVariableThatGoesWhileAveragesAreInUseKeepsTheOthersFromNothing()
    {
        float[] a = [1], c = [3];
        var gone = new Mortal(1);
        var optimizer = Trained(a, gone, c);
        float[] before = [a[0], c[0]];
        IDisposable averages = optimizer.UseAverages();
        gone.IsGone = true;
        Assert.IsType<ObjectDisposedException>(Assert.Throws<InvalidOperationException>(averages.Dispose).InnerException);
        Assert.Equal(before, (float[])[a[0], c[0]]);
        gone.IsGone = false;
        Assert.Equal(StepResult.Updated, optimizer.Apply(new float[1], new float[1], new float[1]).Result);
    }

    static Adamax Trained(float[] a, Mortal b, float[] c)
    {
        var optimizer = new Adamax(0.5) { UseEma = true };
        optimizer.Build(new Variable<float>("a", a), new Variable<float>("b", b.Memory), new Variable<float>("c", c));
        for (int step = 0; step < 3; step++)
            optimizer.Apply(new[] { 1f }, new[] { 1f }, new[] { 1f });
        return optimizer;
    }

    sealed class Mortal(int length) : System.Buffers.MemoryManager<float>
    {
        readonly float[] _values = new float[length];

        public bool IsGone { get; set; }

        public override Span<float> GetSpan() => IsGone ? throw new ObjectDisposedException(nameof(Mortal)) : _values;

        public override System.Buffers.MemoryHandle Pin(int elementIndex = 0) => _values.AsMemory(elementIndex).Pin();

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
