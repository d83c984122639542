using Infinorm.Optimizers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Variables;

public class VariableTests
{
    [Fact]
    public void ViewsTheMemoryOfItsOwner()
    {
        float[] memory = [1, 2, 3, 4, 5, 6, 7];
        var variable = new Variable<float>("dense/kernel", memory.AsMemory(1, 6), [2, 3]);
        Assert.Equal(("kernel", "dense/kernel", 6, DType.Float32), (variable.Name, variable.Path, variable.Length, variable.DType));
        Assert.Equal([2, 3], variable.Shape);
        Assert.Equal("dense/kernel float32[2, 3]", $"{variable}");
        variable.Span[0] = 9;
        Assert.Equal(9, memory[1]);
    }

    [Fact]
    public void TakesShapesOfEveryInteger()
    {
        float[] memory = new float[6];
        long[] longs = [3, 2];
        nint[] natives = [3, 2];
        Assert.Equal([6], new Variable<float>("w", memory).Shape);
        Assert.Equal([3, 2], new Variable<float>("w", memory, [3, 2]).Shape);
        Assert.Equal([3, 2], new Variable<float>("w", memory, longs).Shape);
        Assert.Equal([3, 2], new Variable<float>("w", memory, natives).Shape);
        Assert.Equal(0, new Variable<float>("w", new float[1], []).Shape.Length);
        Assert.Equal([0, 4], new Variable<float>("w", Array.Empty<float>(), [0, 4]).Shape);
    }

    [Fact]
    public void RefusesAShapeThatDoesNotFit()
    {
        Refusal.Is<ArgumentException>(
            "w: the memory has 6 elements, the shape [2, 2] has 4.", () => new Variable<float>("w", new float[6], [2, 2]));
        Refusal.Is<ArgumentException>(
            "w: the memory has 0 elements, the shape [] has 1.", () => new Variable<float>("w", Array.Empty<float>(), []));
        Assert.Throws<ArgumentException>(() => new Variable<float>("w", new float[6], [-2, -3]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/w")]
    [InlineData("w/")]
    [InlineData("a//w")]
    public void RefusesAPathWithoutANameInEveryPlace(string path) => Refusal.Is<ArgumentException>(
        $"A variable's path is names joined by '/': found \"{path}\".", () => new Variable<float>(path, new float[1]));

    [Fact]
    public void RefusesElementsOfOtherTypes()
    {
        Assert.Throws<NotSupportedException>(() => new Variable<char>("w", new char[1]));
        Assert.Throws<ArgumentNullException>(() => new Variable<float>(null!, new float[1]));
    }

    [Fact]
    public void AssignsValuesOfAnyType()
    {
        var variable = new Variable<Half>("w", new Half[2]);
        variable.Assign(1.0, 2049);
        Assert.Equal([(Half)1, (Half)2048], variable.Span);
        variable.Assign(NdArray.Create([3L, 4]));
        Assert.Equal([(Half)3, (Half)4], variable.Span);
        Refusal.Is<ArgumentException>("w: 3 values, the variable has 2 elements.", () => variable.Assign<float>(1, 2, 3));
        Refusal.Is<ArgumentException>(
            "w: the value has shape [2, 1], the variable has [2].", () => variable.Assign(NdArray.Create([1f, 2], 2, 1)));
    }

    [Fact]
    public void CopiesIntoAnArray()
    {
        float[] memory = [1, 2];
        NdArray copy = new Variable<float>("w", memory).ToNdArray();
        memory[0] = 9;
        Assert.Equal([1f, 2], copy.AsSpan<float>());
    }

    [Fact]
    public void IsTrainedInNativeMemory()
    {
        using var native = new UnmanagedMemory<float>(40);
        float[] managed = new float[33];
        float[] gradient = [.. Enumerable.Range(1, 33).Select(i => (float)i)];
        Adamax inNative = new(0.1) { ClipNorm = 1 }, inManaged = new(0.1) { ClipNorm = 1 };
        inNative.Build(new Variable<float>("w", native.Memory.Slice(3, 33)));
        inManaged.Build(new Variable<float>("w", managed));
        for (int step = 0; step < 3; step++)
        {
            inNative.Apply([gradient]);
            inManaged.Apply([gradient]);
        }

        Assert.Equal(managed, native.GetSpan().Slice(3, 33).ToArray());
        Assert.Equal([0f, 0, 0], native.GetSpan()[..3]);
        Assert.Equal([0f, 0, 0, 0], native.GetSpan()[36..]);
    }

    [Fact]
    public void OverlapsOtherViewsOfTheSameMemory()
    {
        using var native = new UnmanagedMemory<float>(20);
        var first = new Variable<float>("first", native.View(0, 10));
        var error = Assert.Throws<ArgumentException>(() => new Adamax().Build(first, new Variable<float>("second", native.View(9, 5))));
        Assert.EndsWith("overlap in memory; each variable needs its own.", error.Message);

        var adamax = new Adamax();
        adamax.Build(first);
        Refusal.Is<ArgumentException>(
            "first: the gradient overlaps the variable first in memory.", () => adamax.Apply([native.View(9, 10)]));
        adamax.Apply([native.View(10, 10)]);
    }
}
