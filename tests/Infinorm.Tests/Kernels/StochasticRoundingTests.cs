using System.Runtime.Intrinsics;
using Infinorm.Kernels;
using Infinorm.Types;

namespace Infinorm.Tests.Kernels;

public unsafe class StochasticRoundingTests
{
    const int Seed = 7, Stream = 3;
    const long Call = 0x1_0000_0005;

    public static TheoryData<DType> Types => [DType.Float16, DType.BFloat16];

    static float Widen(DType type, ushort bits) =>
        type == DType.Float16 ? (float)BitConverter.UInt16BitsToHalf(bits) : (float)BFloat16.FromBits(bits);

    static ushort[] Round(float[] values, DType type, int start = 0, int seed = Seed, long call = Call, int stream = Stream)
    {
        var rounded = new ushort[values.Length];
        fixed (float* source = values)
        fixed (ushort* target = rounded)
            new StochasticRounding(seed, call).Round(source, target, type, stream, start, values.Length);
        return rounded;
    }

    static ushort Cut(DType type, float value, uint random)
    {
        Vector256<float> values = Vector256.Create(value);
        return (type == DType.Float16
            ? HalfVectors.ToHalfAtRandom(values, Vector256.Create(random))
            : HalfVectors.ToBFloat16AtRandom(values, Vector256.Create(random)))[0];
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void KeepsWhatSixteenBitsCanHold(DType type)
    {
        ushort[] all = [.. Enumerable.Range(0, 1 << 16).Select(bits => (ushort)bits).Where(bits => !float.IsNaN(Widen(type, bits)))];
        Assert.Equal(all, Round(Array.ConvertAll(all, bits => Widen(type, bits)), type));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void KeepsNaNs(DType type)
    {
        float[] values =
        [
            float.NaN, -float.NaN, BitConverter.UInt32BitsToSingle(0x7F800001), BitConverter.UInt32BitsToSingle(0x7FFFFFFF),
            BitConverter.UInt32BitsToSingle(0xFFFFFFFF),
        ];
        ushort[] rounded = Round([.. Enumerable.Repeat(values, 100).SelectMany(v => v)], type);
        Assert.All(rounded, bits => Assert.True(float.IsNaN(Widen(type, bits))));
    }

    /// <summary>Between two neighbours, so many of the 65,536 random numbers give the upper one as it is parts of the way there.</summary>
    [Theory]
    [InlineData(DType.BFloat16, 1f, 0.25f)]
    [InlineData(DType.BFloat16, 1f, 0.99609375f)]
    [InlineData(DType.BFloat16, -1e30f, 0.5f)]
    [InlineData(DType.BFloat16, 1e-39f, 0.125f)] // subnormal
    [InlineData(DType.BFloat16, 3.38953139e38f, 0.75f)] // up to infinity
    [InlineData(DType.Float16, 1f, 0.25f)]
    [InlineData(DType.Float16, -1000f, 0.9990234375f)]
    [InlineData(DType.Float16, 6.103515625e-05f, 0.5f)] // the smallest normal one
    [InlineData(DType.Float16, 6.097555160522461e-05f, 0.75f)] // the largest subnormal one
    [InlineData(DType.Float16, 0f, 0.0009765625f)]
    [InlineData(DType.Float16, -5.9604645e-08f, 0.0625f)]
    [InlineData(DType.Float16, 65504f, 0.25f)] // up to infinity
    public void RoundsUpAsOftenAsTheMeanNeeds(DType type, float value, float fraction)
    {
        ushort lower = type == DType.Float16 ? BitConverter.HalfToUInt16Bits((Half)value) : BFloat16.ToBits((BFloat16)value);
        double from = Widen(type, lower), next = Widen(type, (ushort)(lower + 1));
        if (double.IsInfinity(next))
            next = type == DType.Float16 ? 65536 : Math.ScaleB(1, 128);
        var between = (float)(from + ((next - from) * fraction));
        Assert.Equal(from + ((next - from) * fraction), between);

        int[] counts = new int[2];
        for (uint random = 0; random < 1 << 16; random++)
            counts[Cut(type, between, random) - lower]++;
        Assert.Equal((int)(fraction * (1 << 16)), counts[1]);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void BeyondTheRangeItIsInfinity(DType type)
    {
        float beyond = type == DType.Float16 ? 65536 : float.PositiveInfinity;
        Assert.All(Round([.. Enumerable.Repeat(-beyond, 40)], type), bits => Assert.Equal(float.NegativeInfinity, Widen(type, bits)));
    }

    [Theory]
    [InlineData(DType.BFloat16, 0.7123f)]
    [InlineData(DType.BFloat16, -3.3e-5f)]
    [InlineData(DType.Float16, 0.7123f)]
    [InlineData(DType.Float16, -1234.567f)]
    [InlineData(DType.Float16, 3.3e-5f)]
    [InlineData(DType.Float16, 1.3e-8f)]
    public void TheMeanIsTheValue(DType type, float value)
    {
        const int count = 1 << 20;
        float[] rounded = [.. Round([.. Enumerable.Repeat(value, count)], type).Select(bits => Widen(type, bits))];
        float[] kinds = [.. rounded.Distinct().Order()];
        Assert.Equal(2, kinds.Length);
        double spacing = (double)kinds[1] - kinds[0];
        Assert.InRange(value, kinds[0], kinds[1]);
        double deviation = spacing / 2 / Math.Sqrt(count); // of the mean, at most
        Assert.InRange(rounded.Average(x => (double)x) - value, -4 * deviation, 4 * deviation);

        // Neighbours do not go the same way more often than others.
        int same = rounded.Zip(rounded.Skip(1)).Count(pair => pair.First == pair.Second);
        double up = (value - kinds[0]) / spacing, expected = ((up * up) + ((1 - up) * (1 - up))) * count;
        Assert.InRange(same - expected, -5 * Math.Sqrt(count), 5 * Math.Sqrt(count));
    }

    /// <summary>Seed, call, stream and element choose the bits: this is what "the same on every machine" means.</summary>
    [Theory]
    [MemberData(nameof(Types))]
    public void AnElementTakesItsBitsFromItsPlace(DType type)
    {
        const int first = 1024, count = 77;
        float[] values = [.. Enumerable.Range(0, count).Select(i => MathF.Sin(i) * 3)];
        ushort[] expected = [.. values.Select((value, i) => Cut(type, value, RandomOf(first + i)))];
        Assert.Equal(expected, Round(values, type, first));
        Assert.Equal(expected[32..50], Round(values[32..50], type, first + 32));

        Assert.NotEqual(expected, Round(values, type, first, seed: Seed + 1));
        Assert.NotEqual(expected, Round(values, type, first, call: Call + 1));
        Assert.NotEqual(expected, Round(values, type, first, call: Call & uint.MaxValue));
        Assert.NotEqual(expected, Round(values, type, first, stream: Stream + 1));
        Assert.NotEqual(expected, Round(values, type, first + 32));
    }

    // 32 elements share four counters: first the lower halves of words 0 and 1 of each, then the upper ones; then of words 2 and 3.
    static uint RandomOf(int element)
    {
        int inTile = element % 32, inVector = inTile % 8;
        uint counter = (uint)((element / 32 * 4) + (inVector / 2));
        uint[] words = PhiloxTests.Scalar([counter, Stream, unchecked((uint)Call), (uint)(Call >> 32)], [Seed, 0]);
        uint word = words[(inTile / 16 * 2) + (inVector % 2)];
        return inTile / 8 % 2 == 0 ? word & 0xFFFF : word >> 16;
    }

    /// <summary>No random bits of one place are those of another: counters that were cut short would repeat.</summary>
    [Fact]
    public void NoTwoStreamsAreTheSame()
    {
        float[] values = [.. Enumerable.Repeat(1.001f, 512)];
        string[] streams =
        [
            .. from seed in (int[])[0, 1, -1, int.MinValue]
               from call in (long[])[0, 1, 1L << 32, long.MaxValue]
               from stream in (int[])[0, 1, 65536]
               from start in (int[])[0, 512, 1 << 30]
               select string.Join(',', Round(values, DType.BFloat16, start, seed, call, stream)),
        ];
        Assert.Equal(streams.Length, streams.Distinct().Count());
    }
}
