using System.Numerics;
using CsCheck;
using Infinorm.Kernels;

namespace Infinorm.Tests.Kernels;

/// <summary>Powers are the exact ones, rounded once.</summary>
public sealed class IntegerPowerTests
{
    [Fact]
    public void APowerInDoubleIsTheExactOneRoundedOnce() =>
        Gen.Select(Gen.Double[0.01, 1.99], Gen.Int[1, 130]).Sample((value, exponent) =>
            Assert.Equal(ExactPower(value, exponent), IntegerPower.Of<double>(value, exponent)));

    [Fact]
    public void APowerInFloatIsTheDoubleOneOfTheFloatRoundedOnce() =>
        Gen.Select(Gen.Double[0.01, 1], Gen.Int[1, 130]).Sample((value, exponent) =>
            Assert.Equal((float)ExactPower((float)value, exponent), IntegerPower.Of<float>(value, exponent)));

    [Theory]
    [InlineData(0.9, 0, 1)]
    [InlineData(0, 5, 0)]
    [InlineData(0, 0, 1)]
    [InlineData(1, 1_000_000_000_000, 1)]
    [InlineData(0.9, 1_000_000, 0)]
    [InlineData(0.5, 1074, double.Epsilon)]
    [InlineData(2, -3, 0.125)]
    public void AtItsEndsAPowerIsWhatItMustBe(double value, long exponent, double expected) =>
        Assert.Equal(expected, IntegerPower.Of<double>(value, exponent));

    [Fact]
    public void ACounterBeyondTheFloatsIsRoundedFirst() =>
        Assert.Equal(IntegerPower.Of<float>(0.99999994, 1 << 24), IntegerPower.Of<float>(0.99999994, (1 << 24) + 1));

    static double ExactPower(double value, int exponent)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        var mantissa = (bits & 0xFFFFFFFFFFFFF) | 0x10000000000000;
        int scale = (int)(bits >> 52) - 1075;
        var power = BigInteger.Pow(mantissa, exponent);

        // 55 bits and a sticky one below them round in the conversion as the whole number would.
        int cut = (int)power.GetBitLength() - 55;
        if (cut <= 0)
            return Math.ScaleB((double)power, scale * exponent);
        BigInteger head = power >> cut;
        bool isExact = (head << cut) == power;
        return Math.ScaleB((double)(long)((head << 1) | (isExact ? 0 : 1)), (scale * exponent) + cut - 1);
    }
}
