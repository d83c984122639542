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

    /// <summary>
    /// Runs what creates numbers of TorchSharp's, which TorchSharp may free before libtorch has read them: not while garbage is collected.
    /// For a test that runs <see cref="Alone"/>, and allocates less than 200 MB here.
    /// </summary>
    public static void WithoutCollection(Action action)
    {
        Assert.True(GC.TryStartNoGCRegion(200_000_000));
        try
        {
            action();
        }
        finally
        {
            GC.EndNoGCRegion(); // throws if garbage was collected after all
        }
    }
}
