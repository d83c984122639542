using Infinorm.Types;

namespace Infinorm.Tests.Types;

public class ShapesTests
{
    [Theory]
    [InlineData(new long[0], 1)]
    [InlineData(new long[] { 3 }, 3)]
    [InlineData(new long[] { 784, 10 }, 7840)]
    [InlineData(new long[] { 3, 0, 2 }, 0)]
    [InlineData(new[] { long.MaxValue, long.MaxValue, 0 }, 0)]
    public void CountsElements(long[] shape, int length) => Assert.Equal(length, Shapes.Length(Native(shape)));

    [Theory]
    [InlineData(new long[] { 3, -1 }, "The shape [3, -1] has a negative size. (Parameter 'shape')")]
    [InlineData(new[] { 65536L, 65536 }, "The shape [65536, 65536] has more than 2147483591 elements. (Parameter 'shape')")]
    [InlineData(
        new[] { long.MaxValue, long.MaxValue, long.MaxValue },
        "The shape [9223372036854775807, 9223372036854775807, 9223372036854775807] has more than 2147483591 elements. (Parameter 'shape')")]
    public void RefusesWhatNoArrayCanHave(long[] shape, string message) =>
        Assert.Equal(message, Assert.Throws<ArgumentException>(() => Shapes.Length(Native(shape))).Message);

    static nint[] Native(long[] shape) => [.. shape.Select(size => (nint)size)];
}
