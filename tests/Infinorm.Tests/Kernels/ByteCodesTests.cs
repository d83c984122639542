using Infinorm.Kernels;

namespace Infinorm.Tests.Kernels;

/// <summary>Codes of one byte: what they mean, how values are rounded to them, and that nothing drifts.</summary>
public sealed unsafe class ByteCodesTests
{
    const int Length = ByteCodes.BlockLength;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ACodeIsWhatItsBitsSay(bool isSigned)
    {
        byte[] codes = [.. Enumerable.Range(0, Length).Select(i => (byte)i)];
        float[] values = Decode(codes, [0.75f], isSigned);
        for (int code = 0; code < Length; code++)
        {
            int bits = isSigned ? 3 : 4, magnitude = isSigned ? code & 0x7F : code;
            double value = 0.75 * Math.Pow(2, (magnitude >> bits) - 15) * (1 + ((magnitude & ((1 << bits) - 1)) / (double)(1 << bits)));
            Assert.Equal(magnitude == 0 ? 0 : code != magnitude ? -value : value, values[code]);
        }
    }

    [Theory]
    [InlineData(true, null, 1f)]
    [InlineData(false, null, 3f)]
    [InlineData(true, 17u, 1e-20f)]
    [InlineData(false, 17u, 0.7f)]
    public void AValueThatIsACodesOwnKeepsIt(bool isSigned, uint? seed, float scale)
    {
        byte[] codes = [.. Enumerable.Range(0, Length).Select(i => (byte)i)], again = new byte[Length];
        if (isSigned)
            codes[0x80] = 0; // −0 is no value of its own
        float[] scales = [scale];
        Encode(Decode(codes, scales, isSigned), again, scales, isSigned, decay: 1, seed);
        Assert.Equal(codes, again);
        Assert.Equal(scale, scales[0]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void BetweenTwoCodesAValueIsRoundedByItsDistanceFromBoth(bool isSigned)
    {
        const int blocks = 400;
        var values = new float[blocks * Length];
        for (int i = 0; i < values.Length; i++)
            values[i] = i % Length == 0 ? 1.5f : 1 + (i % Length / 4096f); // below the second code
        byte[] codes = new byte[values.Length];
        var scales = new float[blocks];
        Encode([.. values], codes, scales, isSigned, decay: 0, seed: 12345);
        float[] rounded = Decode(codes, scales, isSigned);
        foreach (int place in (int[])[1, 64, 128, 200, 255])
        {
            double mean = Enumerable.Range(0, blocks).Average(block => rounded[(block * Length) + place]);
            double distance = isSigned ? 0.125 : 0.0625, deviation = distance / 2 / Math.Sqrt(blocks);
            Assert.InRange(mean - values[place], -4 * deviation, 4 * deviation);
        }
    }

    [Fact]
    public void WhatOnlyDecaysKeepsItsCodesForALongTime()
    {
        byte[] codes = [.. Enumerable.Range(0, Length).Select(i => (byte)i)], first = [.. codes];
        float[] scales = [1];
        const float decay = 0.99999f;
        double exact = 1;
        for (uint i = 0; i < 100_000; i++)
        {
            float[] values = Decode(codes, scales, isSigned: false);
            for (int j = 0; j < values.Length; j++)
                values[j] *= decay;
            Encode(values, codes, scales, isSigned: false, decay, seed: i);
            exact *= decay;
        }

        Assert.Equal(first, codes);
        Assert.InRange(scales[0] / exact, 0.99, 1.01); // float's own rounding, of all those products
    }

    [Fact]
    public void ASumOfChangesSmallerThanACodesDistanceGrows()
    {
        byte[] codes = new byte[Length];
        var scales = new float[1];
        double sum = 0;
        for (uint i = 0; i < 5_000; i++)
        {
            float[] values = Decode(codes, scales, isSigned: false);
            for (int j = 0; j < values.Length; j++)
                values[j] += (1 - values[j]) * 0.001f;
            Encode(values, codes, scales, isSigned: false, decay: 0.999f, seed: i * 7919);
            sum += (1 - sum) * 0.001;
        }

        Assert.InRange(Decode(codes, scales, isSigned: false).Average(), sum * 0.98, sum * 1.02);
    }

    [Fact]
    public void WithoutASignWhatIsNotZeroNeverBecomesZero()
    {
        var values = new float[Length];
        (values[0], values[1], values[2]) = (1, 1e-30f, float.Epsilon);
        byte[] codes = new byte[Length];
        Encode([.. values], codes, new float[1], isSigned: false, decay: 0, seed: 1);
        Assert.Equal((1, 1, 0), (codes[1], codes[2], codes[3]));
        Encode([.. values], codes, new float[1], isSigned: true, decay: 0, seed: 1);
        Assert.Equal((0, 0, 0), (codes[1], codes[2], codes[3]));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void ABlockThatIsNotFiniteIsNaNAsAWhole(float value)
    {
        var values = new float[2 * Length];
        (values[3], values[Length]) = (value, 1);
        byte[] codes = new byte[values.Length];
        float[] scales = new float[2];
        Encode(values, codes, scales, isSigned: true, decay: 0, seed: 1);
        float[] decoded = Decode(codes, scales, isSigned: true);
        Assert.All(decoded[..Length], x => Assert.True(float.IsNaN(x)));
        Assert.Equal(1, decoded[Length]);
    }

    [Fact]
    public void TheLeastFloatsAreHeld()
    {
        var values = new float[Length];
        Array.Fill(values, float.Epsilon);
        byte[] codes = new byte[Length];
        float[] scales = new float[1];
        Encode(values, codes, scales, isSigned: false, decay: 0.999f, seed: 1);
        Assert.All(Decode(codes, scales, isSigned: false), x => Assert.InRange(x, float.Epsilon, 1e-38f));
    }

    static float[] Decode(byte[] codes, float[] scales, bool isSigned)
    {
        var values = new float[codes.Length];
        fixed (byte* from = codes)
        fixed (float* scale = scales, to = values)
            ByteCodes.Decode(from, scale, to, scales.Length, isSigned);
        return values;
    }

    static void Encode(float[] values, byte[] codes, float[] scales, bool isSigned, float decay, uint? seed)
    {
        fixed (byte* to = codes)
        fixed (float* scale = scales, from = values)
            ByteCodes.Encode(from, to, scale, scales.Length, isSigned, decay, seed, first: 0);
    }
}
