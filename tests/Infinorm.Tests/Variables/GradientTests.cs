using Infinorm.Optimizers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Variables;

public class GradientTests
{
    [Fact]
    public void IsNoneWithoutMemory()
    {
        Assert.True(default(Gradient).IsNone);
        Assert.False(((Gradient)Array.Empty<float>()).IsNone);
    }

    [Fact]
    public void EqualsTheSameMemory()
    {
        float[] memory = new float[4];
        Assert.Equal<Gradient>(memory, memory.AsMemory());
        Assert.True((Gradient)memory == Gradient.Of<float>(memory));
        Assert.True((Gradient)memory != memory.AsMemory(1));
        Assert.NotEqual<Gradient>(memory, new float[4]);
        Assert.Equal(((Gradient)memory).GetHashCode(), Gradient.Of<float>(memory).GetHashCode());
    }

    [Fact]
    public void ComesFromArraysAndMemoriesOfEveryFloat()
    {
        var variable = new Variable<double>("w", new double[2]);
        Gradient[] gradients =
        [
            new float[] { 1, 2 }, new double[] { 1, 2 }, new[] { (Half)1, (Half)2 }, new[] { (BFloat16)1, (BFloat16)2 },
            new float[] { 1, 2 }.AsMemory(), new double[] { 1, 2 }.AsMemory(), new[] { (Half)1, (Half)2 }.AsMemory(),
            new[] { (BFloat16)1, (BFloat16)2 }.AsMemory(), (ReadOnlyMemory<float>)new float[] { 1, 2 },
            (ReadOnlyMemory<double>)new double[] { 1, 2 }, (ReadOnlyMemory<Half>)new[] { (Half)1, (Half)2 },
            (ReadOnlyMemory<BFloat16>)new[] { (BFloat16)1, (BFloat16)2 },
        ];
        var adamax = new Adamax();
        adamax.Build(variable);
        foreach (Gradient gradient in gradients)
            adamax.Apply([gradient]);
        Assert.Equal([1.0, 2], adamax.Variables[^1].ToNdArray().AsSpan<double>());
    }

    [Fact]
    public void RefusesIntegers()
    {
        Refusal.Is<ArgumentException>("A gradient is of floating point, found int64.", () => Gradient.Of<long>(new long[1]));
        Refusal.Is<ArgumentException>("A gradient is of floating point, found int32.", () => Gradient.Rows<int>([0], [1]));
    }

    [Fact]
    public void OfRowsMeansTheDenseGradient()
    {
        float[] values = [1, 2, 3, 4, 5, 6, 7, 8];
        float[] dense = [0, 0, 1 + 5, 2 + 6, 0, 0, 3, 4, 7, 8];
        CompareWithDense(Gradient.Rows([1, 3, 1, 4], values), dense);
    }

    [Fact]
    public void OfNoRowsMeansZeros() => CompareWithDense(Gradient.Rows([], Array.Empty<float>()), new float[10]);

    [Fact]
    public void OfManyRowsIsTheSameInEveryBlock()
    {
        const int rows = 500, width = 7;
        var random = new Random(1);
        int[] indices = [.. Enumerable.Range(0, 900).Select(_ => random.Next(rows))];
        float[] values = [.. indices.SelectMany(_ => Enumerable.Range(0, width)).Select(_ => random.NextSingle())];
        float[] dense = new float[rows * width];
        for (int i = 0; i < values.Length; i++)
            dense[(indices[i / width] * width) + (i % width)] += values[i];
        CompareWithDense(Gradient.Rows(indices, values), dense, width);
    }

    [Fact]
    public void OfRowsIsReadAnewInEachCall()
    {
        int[] indices = [0];
        float[] values = [1, 1];
        var table = new Variable<float>("table", new float[4], [2, 2]);
        var adamax = new Adamax(0.5);
        adamax.Build(table);
        var rows = RowGradient.Of<float>(indices, values);
        adamax.Apply([rows]);
        indices[0] = 1;
        values[1] = 3;
        adamax.Apply([rows]);
        Assert.Equal([0.999f, 0.999f, 1, 3], adamax.Variables[^1].ToNdArray().AsSpan<float>());
    }

    static void CompareWithDense(Gradient rows, float[] dense, int width = 2)
    {
        foreach (double? clip in new double?[] { null, 0.5 })
        {
            var tables = new Variable<float>[] { Table(dense.Length, width), Table(dense.Length, width) };
            var optimizers = Array.ConvertAll(tables, table =>
            {
                var adamax = new Adamax(0.5) { GlobalClipNorm = clip, WeightDecay = clip };
                adamax.Build(table);
                return adamax;
            });
            for (int step = 0; step < 3; step++)
            {
                optimizers[0].Apply([rows]);
                optimizers[1].Apply([dense]);
            }

            Assert.Equal(tables[1].Span, tables[0].Span);
        }
    }

    static Variable<float> Table(int length, int width) =>
        new("table", Enumerable.Range(0, length).Select(i => (float)i).ToArray(), [length / width, width]);
}
