using System.Globalization;
using System.Numerics;
using System.Reflection;
using CsCheck;
using Infinorm.Types;

namespace Infinorm.Tests.Types;

public class BFloat16Tests
{
    /// <summary>Every finite number of the type in ascending order, and the power of two that would follow the largest.</summary>
    static readonly double[] Numbers =
        [.. Enumerable.Range(0, 0x7F80).Select(bits => (double)BFloat16.FromBits((ushort)bits)), Math.ScaleB(1, 128)];

    [Fact]
    public void EveryPatternSurvivesWidening()
    {
        for (int pattern = 0; pattern <= ushort.MaxValue; pattern++)
        {
            var value = BFloat16.FromBits((ushort)pattern);
            Assert.Equal(pattern << 16, BitConverter.SingleToInt32Bits((float)value));
            int expected = BFloat16.IsNaN(value) ? pattern | 0x40 : pattern; // a NaN becomes quiet
            Assert.Equal(expected, BFloat16.ToBits((BFloat16)(float)value));
            Assert.Equal(expected, BFloat16.ToBits((BFloat16)(double)value));
        }
    }

    [Fact]
    public void RoundsAFloatToTheNearestOrTheEven() =>
        Gen.UInt.Sample(bits => AssertRounded(BitConverter.UInt32BitsToSingle(bits)), iter: 20_000);

    [Fact]
    public void RoundsADoubleToTheNearestOrTheEven()
    {
        Gen.ULong.Sample(bits => AssertRounded(BitConverter.UInt64BitsToDouble(bits)), iter: 20_000);
        Gen.Double[-4e38, 4e38].Sample(AssertRounded, iter: 20_000);
        Gen.Double[-1e-38, 1e-38].Sample(AssertRounded, iter: 20_000);
    }

    [Fact]
    public void RoundsEveryTieToTheEvenAndItsNeighboursAway()
    {
        for (int bits = 0; bits < Numbers.Length - 1; bits++)
        {
            double tie = (Numbers[bits] + Numbers[bits + 1]) / 2;
            int even = (bits + 1) & ~1;
            foreach (int sign in new[] { 0, 0x8000 })
            {
                double signed = sign == 0 ? tie : -tie;
                Assert.Equal(sign | even, BFloat16.ToBits((BFloat16)signed));
                Assert.Equal(sign | even, BFloat16.ToBits((BFloat16)(float)signed));
                // Through a float, both neighbours of the tie would become the tie first.
                Assert.Equal(sign | bits, BFloat16.ToBits((BFloat16)(sign == 0 ? Math.BitDecrement(tie) : Math.BitIncrement(-tie))));
                Assert.Equal(sign | (bits + 1), BFloat16.ToBits((BFloat16)(sign == 0 ? Math.BitIncrement(tie) : Math.BitDecrement(-tie))));
            }
        }
    }

    [Fact]
    public void OverflowsAndUnderflowsGradually()
    {
        Assert.Equal(BFloat16.PositiveInfinity, (BFloat16)float.MaxValue);
        Assert.Equal(BFloat16.NegativeInfinity, (BFloat16)double.MinValue);
        Assert.Equal(BFloat16.PositiveInfinity, (BFloat16)double.PositiveInfinity);
        Assert.Equal(BFloat16.MaxValue, (BFloat16)3.39e38);
        Assert.Equal(BFloat16.Epsilon, (BFloat16)Math.ScaleB(1, -133));
        Assert.Equal(BFloat16.Zero, (BFloat16)Math.ScaleB(1, -134));
        Assert.Equal(0x8000, BFloat16.ToBits((BFloat16)(-double.Epsilon)));
    }

    [Fact]
    public void KeepsNaNQuietWithItsSign()
    {
        Assert.Equal(0x7FC0, BFloat16.ToBits((BFloat16)BitConverter.UInt32BitsToSingle(0x7F800001)));
        Assert.Equal(0xFFC0, BFloat16.ToBits((BFloat16)BitConverter.UInt32BitsToSingle(0xFF800001)));
        Assert.Equal(0xFFC0, BFloat16.ToBits((BFloat16)double.NaN));
        Assert.Equal(BitConverter.SingleToUInt32Bits(float.NaN), BitConverter.SingleToUInt32Bits((float)BFloat16.NaN));
    }

    [Fact]
    public void HasTheConstantsItSays()
    {
        Assert.Equal(0f, (float)BFloat16.Zero);
        Assert.Equal(1f, (float)BFloat16.One);
        Assert.Equal(Math.ScaleB(1, -133), (double)BFloat16.Epsilon);
        Assert.Equal(Math.ScaleB(2 - 1.0 / 128, 127), (double)BFloat16.MaxValue);
        Assert.Equal(-Math.ScaleB(2 - 1.0 / 128, 127), (double)BFloat16.MinValue);
        Assert.Equal(float.PositiveInfinity, (float)BFloat16.PositiveInfinity);
        Assert.Equal(float.NegativeInfinity, (float)BFloat16.NegativeInfinity);
        Assert.True(BFloat16.IsNaN(BFloat16.NaN));
        Assert.False(BFloat16.IsNaN(BFloat16.NegativeInfinity));
        Assert.True(BFloat16.IsFinite(BFloat16.MinValue));
        Assert.False(BFloat16.IsFinite(BFloat16.NegativeInfinity));
        Assert.False(BFloat16.IsFinite(BFloat16.NaN));
    }

    [Fact]
    public void ComparesAsFloatsDo() => Gen.Select(Gen.UShort, Gen.UShort).Sample((left, right) =>
    {
        var (a, b) = (BFloat16.FromBits(left), BFloat16.FromBits(right));
        var (x, y) = ((float)a, (float)b);
        bool[] expected = [x == y, x != y, (x < y), (x > y), x <= y, x >= y, x.Equals(y), x.Equals(y)];
        bool[] actual = [a == b, a != b, (a < b), (a > b), a <= b, a >= b, a.Equals(b), a.Equals((object)b)];
        Assert.Equal(expected, actual);
        Assert.Equal(x.CompareTo(y), a.CompareTo(b));
    });

    [Fact]
    public void TreatsNaNAndZerosAsFloatDoes()
    {
        var negativeZero = BFloat16.FromBits(0x8000);
        Assert.True(negativeZero == BFloat16.Zero);
        Assert.Equal(BFloat16.Zero.GetHashCode(), negativeZero.GetHashCode());
        var nan = BFloat16.NaN;
        Assert.False(nan == BFloat16.NaN);
        Assert.True(nan.Equals(BFloat16.NaN));
        Assert.False(nan.Equals((object)1f));
    }

    [Fact]
    public void WritesItselfAsAFloat()
    {
        Assert.Equal("0.100097656", ((BFloat16)0.1f).ToString());
        Assert.Equal("0,100", ((BFloat16)0.1f).ToString("F3", new NumberFormatInfo { NumberDecimalSeparator = "," }));
    }

    /// <summary>The reference: the neighbours of |value| found by search, the distances compared exactly.</summary>
    static void AssertRounded(double value)
    {
        ushort rounded = BFloat16.ToBits((BFloat16)value);
        if ((double)(float)value == value)
            Assert.Equal(rounded, BFloat16.ToBits((BFloat16)(float)value));
        if (double.IsNaN(value))
        {
            Assert.True(BFloat16.IsNaN(BFloat16.FromBits(rounded)));
            return;
        }
        Assert.Equal(double.IsNegative(value), rounded >= 0x8000);
        Assert.Equal(Nearest(Math.Abs(value)), rounded & 0x7FFF);
    }

    static int Nearest(double magnitude)
    {
        if (magnitude >= Numbers[^1])
            return Numbers.Length - 1;
        int below = Array.BinarySearch(Numbers, magnitude);
        if (below >= 0)
            return below;
        below = ~below - 1;
        int comparison = (Exact(magnitude) - Exact(Numbers[below])).CompareTo(Exact(Numbers[below + 1]) - Exact(magnitude));
        return comparison < 0 || (comparison == 0 && below % 2 == 0) ? below : below + 1;
    }

    /// <summary>A positive double below 2^129 in units of 2^-1074.</summary>
    static BigInteger Exact(double value)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)(bits >> 52);
        long fraction = bits & 0xFFFFFFFFFFFFF;
        return exponent == 0 ? fraction : new BigInteger(fraction | 1L << 52) << (exponent - 1);
    }

    /// <summary>.NET 11 has such a type; whoever uses ours is to change nothing but a using directive for it.</summary>
    [Fact]
    public void EveryPublicMemberIsOneOfSystemNumericsBFloat16()
    {
        string[] known =
        [
            "CompareTo(BFloat16)", "Equals(BFloat16)", "Equals(Object)", "GetHashCode()", "ToString()", "ToString(String, IFormatProvider)",
            "get_Epsilon()", "get_MaxValue()", "get_MinValue()", "get_NaN()", "get_NegativeInfinity()", "get_One()", "get_PositiveInfinity()",
            "get_Zero()", "IsFinite(BFloat16)", "IsNaN(BFloat16)",
            "op_Equality(BFloat16, BFloat16)", "op_Inequality(BFloat16, BFloat16)", "op_LessThan(BFloat16, BFloat16)",
            "op_GreaterThan(BFloat16, BFloat16)", "op_LessThanOrEqual(BFloat16, BFloat16)", "op_GreaterThanOrEqual(BFloat16, BFloat16)",
            "op_Explicit(Single)", "op_Explicit(Double)", "op_Explicit(BFloat16)",
        ];
        var ours = typeof(BFloat16)
            .GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
            .Select(method => $"{method.Name}({string.Join(", ", method.GetParameters().Select(parameter => parameter.ParameterType.Name))})");
        Assert.Empty(ours.Except(known));
        Assert.Empty(typeof(BFloat16).GetConstructors());
        Assert.Empty(typeof(BFloat16).GetFields(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static));
    }
}
