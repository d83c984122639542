using System.Buffers;
using Infinorm.Optimizers;
using Infinorm.Tests.Variables;
using Infinorm.Variables;

namespace Infinorm.Tests.Execution;

/// <summary>What memory gradients may lie in, and what happens where memory is gone.</summary>
public sealed class GradientMemoryTests
{
    [Fact]
    public void SlicesOfOneArrayAreVariablesAndGradients()
    {
        const int count = 30_000;
        float[] weights = new float[2 * count], gradients = new float[2 * count];
        var optimizer = new Adamax();
        optimizer.Build([.. Enumerable.Range(0, count).Select(i => new Variable<float>($"w{i}", weights.AsMemory(2 * i, 2)))]);
        Gradient[] good = [.. Enumerable.Range(0, count).Select(i => (Gradient)gradients.AsMemory(2 * i, 2))];
        optimizer.Apply(good);
        for (int i = 0; i < count; i += 4999)
        {
            Gradient[] bad = [.. good];
            bad[i] = weights.AsMemory((2 * count) - 2, 2);
            Refusal.Is<ArgumentException>(
                $"w{i}: the gradient overlaps the variable w{count - 1} in memory.", () => optimizer.Apply(bad));
            bad[i] = weights.AsMemory(3, 2); // parts of two
            Assert.Contains("overlaps the variable w2", Assert.Throws<ArgumentException>(() => optimizer.Apply(bad)).Message);
        }

        Assert.Equal(1, optimizer.Iterations);
    }

    [Fact]
    public void NativeGradientsAreComparedWithAllVariables()
    {
        using var block = new UnmanagedMemory<float>(64);
        var optimizer = new Adamax();
        optimizer.Build(
            new Variable<float>("a", block.View(0, 8)), new Variable<float>("b", block.View(16, 8)), new Variable<float>("c", new float[8]));
        optimizer.Apply(block.View(8, 8), block.View(24, 8), block.View(8, 8));
        Refusal.Is<ArgumentException>(
            "c: the gradient overlaps the variable b in memory.",
            () => optimizer.Apply(block.View(8, 8), default, block.View(23, 8)));
        Refusal.Is<ArgumentException>(
            "a: the gradient overlaps the variable a in memory.", () => optimizer.Apply(block.View(7, 8), default, default));
    }

    [Fact]
    public void MemoryThatIsGoneIsAnExceptionBeforeAnythingHasChanged()
    {
        var weights = new Mortal(new float[] { 1, 2 });
        var gradient = new Mortal(new float[] { 1, 1 });
        float[] other = [5];
        var optimizer = new Adamax();
        optimizer.Build(new Variable<float>("other", other), new Variable<float>("w", weights.Memory));
        optimizer.Apply(new float[1], gradient.Memory);
        ((IDisposable)gradient).Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.Apply(new[] { 1f }, gradient.Memory));
        ((IDisposable)weights).Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.Apply(new[] { 1f }, new float[2]));
        Assert.Equal(5, other[0]);
        Assert.Equal(1, optimizer.Iterations);
    }

    [Fact]
    public void AManagerThatShrinksIsRefused()
    {
        var gradient = new Mortal(new float[] { 1, 1 });
        var optimizer = new Adamax();
        optimizer.Build(new Variable<float>("w", new float[2]));
        Memory<float> memory = gradient.Memory;
        optimizer.Apply(memory);
        gradient.Values = new float[1];
        Refusal.Is<ArgumentException>(
            "w: its memory manager has 1 elements now; 2 are needed.", () => optimizer.Apply(memory));
    }

    [Fact]
    public void AManagerThatLaterViewsTheVariableIsRefused()
    {
        float[] weights = [1, 2];
        var gradient = new Mortal(new float[] { 1, 1 });
        var optimizer = new Adamax();
        optimizer.Build(new Variable<float>("w", weights));
        optimizer.Apply(gradient.Memory);
        gradient.Values = weights;
        Refusal.Is<ArgumentException>("w: the gradient overlaps the variable w in memory.", () => optimizer.Apply(gradient.Memory));
    }

    [Fact]
    public void ANullArrayIsNoGradient()
    {
        float[] missing = null!;
        var optimizer = new Adamax();
        optimizer.Build(new Variable<float>("w", new float[2]));
        Assert.StartsWith(
            "The array of a gradient is null; a variable without a gradient has default.",
            Assert.Throws<ArgumentNullException>(() => optimizer.Apply(missing)).Message);
    }

    [Fact]
    public void ManagersAreAskedWithoutGarbage()
    {
        var one = new Mortal(new float[100]);
        var two = new Mortal(new float[100]);
        var optimizer = new Adamax();
        optimizer.Build(new Variable<float>("w", new Mortal(new float[100]).Memory));
        Gradient[] gradients = [one.Memory, two.Memory];
        for (int i = 0; i < 4; i++)
            optimizer.Apply(gradients[i % 2]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
            optimizer.Apply(gradients[i % 2]);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    // A manager over an array that can be another one later, or none.
    sealed class Mortal(float[] values) : MemoryManager<float>
    {
        float[]? _values = GC.AllocateArray<float>(values.Length, pinned: true);

        public float[] Values
        {
            set => _values = value;
        }

        public override unsafe MemoryHandle Pin(int elementIndex = 0)
        {
            ref float first = ref System.Runtime.InteropServices.MemoryMarshal.GetArrayDataReference(Alive());
            return new((float*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref first) + elementIndex);
        }

        public override Span<float> GetSpan() => Alive();

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing) => _values = null;

        float[] Alive() => _values ?? throw new ObjectDisposedException(nameof(Mortal));
    }
}
