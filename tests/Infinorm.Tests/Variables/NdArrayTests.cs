using System.Numerics;
using CsCheck;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Variables;

public class NdArrayTests
{
    [Fact]
    public void CopiesWhatItIsMadeFrom()
    {
        float[] values = [1, 2, 3, 4, 5, 6];
        nint[] shape = [2, 3];
        var array = NdArray.Create(values, shape);
        values[0] = 9;
        shape[0] = 6;
        Assert.Equal(DType.Float32, array.DType);
        Assert.Equal([2, 3], array.Shape);
        Assert.Equal(6, array.Length);
        Assert.Equal([1f, 2, 3, 4, 5, 6], array.AsSpan<float>());
    }

    [Fact]
    public void TakesShapesInEveryForm()
    {
        double[] values = [1, 2, 3, 4];
        Assert.Equal([4], NdArray.Create(values).Shape);
        Assert.Equal([2, 2], NdArray.Create(values, 2, 2).Shape);
        Assert.Equal([2, 2], NdArray.Create(values, [2, 2]).Shape);
        Assert.Equal([2, 2], NdArray.Create(values, (nint)2, 2).Shape);
        Assert.Equal([2, 2], NdArray.Create(values.AsSpan()[..4], [2, 2]).Shape);
        Assert.Equal([0, 2], NdArray.Create(Array.Empty<int>(), 0, 2).Shape);
        Assert.True(NdArray.Create([5L], []).Shape.IsEmpty);
    }

    [Fact]
    public void RefusesAShapeThatDoesNotFit()
    {
        var error = Assert.Throws<ArgumentException>(() => NdArray.Create([1f, 2f, 3f], 2, 2));
        Assert.Equal("The shape [2, 2] has 4 elements, but 3 were given. (Parameter 'shape')", error.Message);
        Assert.Throws<ArgumentException>(() => NdArray.Create([1f, 2f], []));
        Assert.Throws<ArgumentException>(() => NdArray.Create([1f, 2f], -1, -2));
        Assert.Throws<NotSupportedException>(() => NdArray.Create([(short)1]));
        Assert.Throws<ArgumentNullException>(() => NdArray.Create<float>(null!));
        Assert.Throws<ArgumentNullException>(() => NdArray.Create<float>(null!, 0));
    }

    [Fact]
    public void GivesAndTakesLittleEndianBytes()
    {
        var array = NdArray.Create([1, 258], 2, 1);
        Assert.Equal<byte>([1, 0, 0, 0, 2, 1, 0, 0], array.Bytes);
        byte[] bytes = array.Bytes.ToArray();
        var copy = NdArray.FromBytes(DType.Int32, bytes, array.Shape);
        bytes[0] = 9;
        Assert.Equal([1, 258], copy.AsSpan<int>());
        Assert.Equal([2, 1], copy.Shape);
    }

    [Fact]
    public void RefusesBytesThatDoNotFit()
    {
        var error = Assert.Throws<ArgumentException>(() => NdArray.FromBytes(DType.Float16, new byte[5], [3]));
        Assert.Equal("The shape [3] of float16 takes 6 bytes, but 5 were given. (Parameter 'bytes')", error.Message);
    }

    [Fact]
    public void RefusesToBeReadAsAnotherType()
    {
        var error = Assert.Throws<InvalidOperationException>(() => NdArray.Create([1f]).AsSpan<double>().Length);
        Assert.Equal("The array holds float32, not float64; Cast converts it.", error.Message);
    }

    [Fact]
    public void CastsToItselfWithoutACopy()
    {
        foreach (var type in Enum.GetValues<DType>())
        {
            var array = NdArray.FromBytes(type, new byte[type.Size()], []);
            Assert.Same(array, array.Cast(type));
        }
    }

    [Fact]
    public void CastsSmallIntegersBetweenAllTypes()
    {
        foreach (var from in Enum.GetValues<DType>())
        {
            foreach (var to in Enum.GetValues<DType>())
            {
                var integers = NdArray.Create([0, 1, DType.UInt8 == from || DType.UInt8 == to ? 2 : -2, 100], 2, 2);
                var cast = integers.Cast(from).Cast(to);
                Assert.Equal(to, cast.DType);
                Assert.Equal([2, 2], cast.Shape);
                Assert.Equal(integers.Bytes, cast.Cast(DType.Int32).Bytes);
            }
        }
    }

    [Fact]
    public void RefusesToCastToNoType()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => NdArray.Create([1f]).Cast((DType)9));
        Assert.Throws<ArgumentOutOfRangeException>(() => NdArray.Create([1L]).Cast((DType)9));
    }

    [Fact]
    public void RoundsADoubleToHalfOnce() => Gen.Double[-70000, 70000].Sample(x =>
    {
        var half = NdArray.Create([x]).Cast(DType.Float16).AsSpan<Half>()[0];
        double error = Math.Abs((double)half - x);
        if (Half.IsInfinity(half))
            Assert.True(Math.Abs(x) >= 65520);
        else
            Assert.True(error <= Math.Abs((double)Half.BitIncrement(half) - x) && error <= Math.Abs((double)Half.BitDecrement(half) - x));
    });

    /// <summary>
    /// 1 + 2^-11 lies midway between two Halfs, 1 + 2^-8 between two BFloat16s; rounded to float first, what is beside them would tie.
    /// </summary>
    [Theory]
    [InlineData(11)]
    [InlineData(8)]
    public void RoundsADoubleBesideATieToTheRightSide(int tieBit)
    {
        var type = tieBit == 11 ? DType.Float16 : DType.BFloat16;
        double tie = 1 + Math.ScaleB(1, -tieBit);
        double next = 1 + 2 * Math.ScaleB(1, -tieBit);
        Assert.Equal([1, 1, next], Cast([Math.BitDecrement(tie), tie, Math.BitIncrement(tie)], type));
    }

    [Fact]
    public void RoundsALongToBFloat16Once()
    {
        const long tie = 1L << 62 | 1L << 54;
        Assert.Equal([Math.ScaleB(1, 62), Math.ScaleB(1, 62), Math.ScaleB(129, 55)], Cast([tie - 1, tie, tie + 1], DType.BFloat16));
        Assert.Equal([-Math.ScaleB(1, 62), -Math.ScaleB(1, 62), -Math.ScaleB(129, 55)], Cast([1 - tie, -tie, -1 - tie], DType.BFloat16));
        Assert.Equal([Math.ScaleB(1, 63), -Math.ScaleB(1, 63)], Cast([long.MaxValue, long.MinValue], DType.BFloat16));
    }

    [Fact]
    public void RoundsEveryLongToTheNearestBFloat16() => Gen.Long.Sample(x =>
    {
        var rounded = NdArray.Create([x]).Cast(DType.BFloat16).AsSpan<BFloat16>()[0];
        ushort bits = BFloat16.ToBits(rounded);
        var error = Distance(rounded, x);
        Assert.True(error <= Distance(BFloat16.FromBits((ushort)(bits + 1)), x));
        Assert.True(bits is 0 or 0x8000 || error <= Distance(BFloat16.FromBits((ushort)(bits - 1)), x));
    });

    [Fact]
    public void RoundsALongToFloatOnce()
    {
        const long tie = 1L << 60 | 1L << 36; // through a double, tie + 1 would become the tie
        var rounded = NdArray.Create([tie - 1, tie, tie + 1]).Cast(DType.Float32);
        Assert.Equal([1L << 60, 1L << 60, 1L << 60 | 1L << 37], rounded.Cast(DType.Int64).AsSpan<long>());
    }

    [Fact]
    public void KeepsLongsExact()
    {
        Assert.Equal([int.MaxValue, int.MinValue, -7], NdArray.Create([long.MaxValue, long.MinValue, -7]).Cast(DType.Int32).AsSpan<int>());
        Assert.Equal([-7L], NdArray.Create([-7]).Cast(DType.Int64).AsSpan<long>());
        Assert.Equal([(Half)(-7), Half.PositiveInfinity], NdArray.Create([-7L, 1L << 60]).Cast(DType.Float16).AsSpan<Half>());
    }

    [Fact]
    public void CutsOffFractionsAndStopsAtTheEnds()
    {
        double[] values = [1.9, -1.9, double.NaN, double.PositiveInfinity, double.NegativeInfinity];
        Assert.Equal([1, -1, 0, int.MaxValue, int.MinValue], NdArray.Create(values).Cast(DType.Int32).AsSpan<int>());
        Assert.Equal([1, -1, 0, long.MaxValue, long.MinValue], NdArray.Create(values).Cast(DType.Int64).AsSpan<long>());
    }

    static double[] Cast<T>(T[] values, DType type)
        where T : unmanaged => NdArray.Create(values).Cast(type).Cast(DType.Float64).AsSpan<double>().ToArray();

    static BigInteger Distance(BFloat16 rounded, long value) => BigInteger.Abs(new BigInteger((float)rounded) - value);
}
