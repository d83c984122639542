using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Variables;

/// <summary>Bytes in pieces: arrays of more than one piece go the way of those beyond 2 GiB.</summary>
public class ByteRangeTests
{
    // A piece has 2^20 bytes, that of a variable as many elements: below, at and above both.
    public static TheoryData<int> Lengths => [0, 1, (1 << 18) - 1, 1 << 18, (1 << 20) + 1, (1 << 21) + 3];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void AllElementsComeBackFromAVariable(int length)
    {
        float[] values = Values(length);
        var variable = new Variable<float>("w", values);
        NdArray array = variable.ToNdArray();
        Assert.Equal(values, array.AsSpan<float>());
        var other = new Variable<float>("w", new float[length]);
        other.Assign(array);
        Assert.Equal(values, other.Span);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void AllElementsAreCastAndWritten(int length)
    {
        NdArray array = NdArray.Create(Values(length));
        Assert.Equal(array.AsSpan<float>(), array.Cast(DType.Float64).Cast(DType.Float32).AsSpan<float>());
        using var stream = new MemoryStream();
        array.Data.WriteTo(stream);
        Assert.Equal(array.Bytes, stream.ToArray());
        Assert.Equal(array.AsSpan<float>(), array.Data.ToArray<float>());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1 << 20)]
    [InlineData((3 << 20) - 1)]
    public void OneOtherByteIsFound(int at)
    {
        byte[] bytes = new byte[3 << 20], other = new byte[3 << 20];
        Assert.True(ByteRange.Of(bytes).HasSame(ByteRange.Of(other)));
        other[at] = 1;
        Assert.False(ByteRange.Of(bytes).HasSame(ByteRange.Of(other)));
        Assert.False(ByteRange.Of(bytes).HasSame(ByteRange.Of(bytes).Slice(0, at)));
    }

    [Fact]
    public void ASliceIsPartOfIt()
    {
        var range = ByteRange.Of(new uint[] { 0x03020100, 0x07060504, 0x0B0A0908 });
        Assert.Equal([3, 4, 5, 6], range.Slice(2, 8).Span(1, 4).ToArray());
        range.Slice(8, 4).Span(0, 4).Fill(1);
        Assert.Equal([0x03020100u, 0x07060504u, 0x01010101u], range.AsArray<uint>());
        Assert.Same(range.AsArray<uint>(), range.AsArray<uint>());
        Assert.Equal([0x07060504u], range.Slice(4, 4).AsArray<uint>());
        Assert.Equal(0, range.Slice(12, 0).Span(0, 0).Length);
    }

    [Theory]
    [InlineData(-1, 2)]
    [InlineData(0, 13)]
    [InlineData(12, 1)]
    [InlineData(1, -1)]
    [InlineData(long.MaxValue, long.MaxValue)]
    [InlineData(3, long.MaxValue)]
    public void NothingBeyondItIsReached(long start, long length)
    {
        var range = ByteRange.Of(new uint[3]);
        Assert.Throws<ArgumentOutOfRangeException>(() => range.Slice(start, length));
        Assert.Throws<ArgumentOutOfRangeException>(() => range.Span(start, length).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => ByteRange.Of(new uint[9]).Slice(8, 12).Span(start, length).Length);
    }

    [Fact]
    public void ATargetThatIsTooShortIsRefused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => ByteRange.Of(new byte[9]).CopyTo(ByteRange.Of(new byte[8])));

    static float[] Values(int length) => [.. Enumerable.Range(0, length).Select(i => i * 0.37f)];
}
