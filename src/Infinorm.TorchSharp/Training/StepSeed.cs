using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>
/// Randomness by counter: what a step draws follows only from the run's seed and the step's number, so that a run can continue at any
/// step as if it had not been stopped.
/// </summary>
static class StepSeed
{
    /// <summary>Seeds torch's generator for a step.</summary>
    public static void Set(long seed, long step)
    {
        using Generator _ = random.manual_seed((long)(Mix((ulong)seed ^ Mix((ulong)step)) >> 1));
    }

    /// <summary>A seed for a run, from torch's generator.</summary>
    public static long Draw()
    {
        using Tensor drawn = randint(0, 1L << 31, [1], dtype: ScalarType.Int64);
        return drawn.ToInteger();
    }

    // The finalizer of SplitMix64: neighbouring numbers become unrelated ones.
    static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
