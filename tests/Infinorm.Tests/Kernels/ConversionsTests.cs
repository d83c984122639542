using Infinorm.Kernels;
using Infinorm.Types;

namespace Infinorm.Tests.Kernels;

/// <summary>The vector conversions against the scalar ones; a count that is no multiple of the vector's length makes both run.</summary>
public unsafe class ConversionsTests
{
    const int AllHalves = 1 << 16;

    [Fact]
    public void WidensEveryHalf()
    {
        var source = Enumerable.Range(0, AllHalves + 3).Select(bits => BitConverter.UInt16BitsToHalf((ushort)bits)).ToArray();
        AssertBits(source.Select(h => (float)h), Convert<Half, float>(source, DType.Float16, DType.Float32));
    }

    [Fact]
    public void WidensEveryBFloat16()
    {
        var source = Enumerable.Range(0, AllHalves + 3).Select(bits => BFloat16.FromBits((ushort)bits)).ToArray();
        AssertBits(source.Select(b => (float)b), Convert<BFloat16, float>(source, DType.BFloat16, DType.Float32));
    }

    [Fact]
    public void NarrowsToTheNearestHalf()
    {
        float[] source = Floats();
        Half[] found = Convert<float, Half>(source, DType.Float32, DType.Float16);
        for (int i = 0; i < source.Length; i++)
            Assert.True(((Half)source[i]).Equals(found[i]), $"{source[i]:R}: {(Half)source[i]:R}, found {found[i]:R}");
    }

    [Fact]
    public void NarrowsToTheNearestBFloat16()
    {
        float[] source = Floats();
        BFloat16[] found = Convert<float, BFloat16>(source, DType.Float32, DType.BFloat16);
        for (int i = 0; i < source.Length; i++)
            Assert.True(((float)(BFloat16)source[i]).Equals((float)found[i]), $"{source[i]:R}: {(BFloat16)source[i]}, found {found[i]}");
    }

    // Every 16-bit float, its neighbours among the floats, every tie between two of them and that tie's neighbours.
    static float[] Floats()
    {
        var floats = new List<float>();
        for (int bits = 0; bits < AllHalves; bits++)
        {
            AddAround((float)BitConverter.UInt16BitsToHalf((ushort)bits), (float)BitConverter.UInt16BitsToHalf((ushort)(bits + 1)));
            AddAround((float)BFloat16.FromBits((ushort)bits), (float)BFloat16.FromBits((ushort)(bits + 1)));
        }

        return [.. floats];

        void AddAround(float value, float next)
        {
            float tie = (float)(((double)value + next) / 2);
            foreach (float around in (ReadOnlySpan<float>)[value, tie])
                floats.AddRange([around, MathF.BitIncrement(around), MathF.BitDecrement(around)]);
        }
    }

    static TTo[] Convert<TFrom, TTo>(TFrom[] source, DType from, DType to)
        where TFrom : unmanaged
        where TTo : unmanaged
    {
        var target = new TTo[source.Length];
        fixed (TFrom* s = source)
        fixed (TTo* t = target)
            Conversions.Convert((byte*)s, from, (byte*)t, to, source.Length);
        return target;
    }

    static void AssertBits(IEnumerable<float> expected, float[] found)
    {
        foreach (var (e, f) in expected.Zip(found))
            Assert.True(e.Equals(f) && (float.IsNaN(e) || float.IsNegative(e) == float.IsNegative(f)), $"{e:R}, found {f:R}");
    }
}
