using Infinorm.Types;

namespace Infinorm.Tests.Types;

public class DTypeTests
{
    [Theory]
    [InlineData(DType.Float16, 2, "float16")]
    [InlineData(DType.BFloat16, 2, "bfloat16")]
    [InlineData(DType.Float32, 4, "float32")]
    [InlineData(DType.Float64, 8, "float64")]
    [InlineData(DType.Int32, 4, "int32")]
    [InlineData(DType.Int64, 8, "int64")]
    public void HasASizeAndAName(DType type, int size, string name)
    {
        Assert.Equal(size, type.Size());
        Assert.Equal(name, type.KerasName());
    }

    [Fact]
    public void BelongsToAType()
    {
        Assert.Equal(DType.Float16, DTypes.Of<Half>());
        Assert.Equal(DType.BFloat16, DTypes.Of<BFloat16>());
        Assert.Equal(DType.Float32, DTypes.Of<float>());
        Assert.Equal(DType.Float64, DTypes.Of<double>());
        Assert.Equal(DType.Int32, DTypes.Of<int>());
        Assert.Equal(DType.Int64, DTypes.Of<long>());
    }

    [Fact]
    public void RefusesOtherTypes()
    {
        var error = Assert.Throws<NotSupportedException>(() => DTypes.Of<short>());
        Assert.Equal("Elements of type System.Int16 are not supported; use float, double, Half, BFloat16, int, long or byte.", error.Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => ((DType)9).Size());
        Assert.Throws<ArgumentOutOfRangeException>(() => ((DType)9).KerasName());
    }
}
