using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

/// <summary>What several tests need of tensors.</summary>
static class TensorTools
{
    /// <summary>A parameter with a gradient, both from fixed random numbers.</summary>
    public static Parameter Parameter(int seed, params long[] shape)
    {
        var parameter = new Parameter(Random(seed, shape));
        parameter.grad = Random(seed + 1000, shape);
        return parameter;
    }

    public static Tensor Random(int seed, params long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, generator: generator);
    }

    public static float[] Floats(Tensor tensor)
    {
        using Tensor floats = tensor.detach().to(ScalarType.Float32).contiguous();
        return floats.data<float>().ToArray();
    }

    /// <summary>How many representable floats lie between two, at most, over all elements.</summary>
    public static int UlpsApart(float[] left, float[] right)
    {
        Assert.Equal(left.Length, right.Length);
        return left.Zip(right, (a, b) => Math.Abs(Ordered(a) - Ordered(b))).DefaultIfEmpty().Max() is var most and < int.MaxValue
            ? (int)most
            : int.MaxValue;

        static long Ordered(float value)
        {
            int bits = BitConverter.SingleToInt32Bits(value);
            return bits < 0 ? int.MinValue - (long)bits : bits;
        }
    }
}
