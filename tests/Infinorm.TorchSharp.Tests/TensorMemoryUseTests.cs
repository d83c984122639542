using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;

namespace Infinorm.Torch.Tests;

[Collection(MemoryTests.Name)]
public class TensorMemoryUseTests
{
    [Fact]
    public void AStepOnTensorsNeedsLessThanTheLargestTensor()
    {
        const int Length = 16 << 20;
        using Parameter large = Parameter(1, Length), small = Parameter(2, 1000);
        using var optimizer = new TorchOptimizer(
            new Adamax { GlobalClipNorm = 1, WeightDecay = 0.1, UseEma = true }, [new([("large", large), ("small", small)])], onTensors: true);
        optimizer.step();
        PeakMemory.Reset();
        long before = PeakMemory.Bytes;
        optimizer.step();
        Assert.InRange(PeakMemory.Bytes - before, 1, (long)Length * sizeof(float));
    }

    /// <summary>The most memory of this process since it was last reset, as Linux knows it.</summary>
    static class PeakMemory
    {
        public static void Reset() => File.WriteAllText("/proc/self/clear_refs", "5");

        public static long Bytes => 1024 * long.Parse(
            File.ReadLines("/proc/self/status").Single(line => line.StartsWith("VmHWM")).Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2]);
    }
}
