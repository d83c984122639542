using System.Runtime.InteropServices;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;

namespace Infinorm.Torch.Tests;

[Collection(nameof(Alone))]
public partial class TensorMemoryUseTests
{
    [Fact]
    public void AStepOnTensorsNeedsLessThanTheLargestTensor()
    {
        const int Length = 16 << 20;
        const long Size = (long)Length * sizeof(float);
        using Parameter large = Parameter(1, Length), small = Parameter(2, 1000);
        using var optimizer = new TorchOptimizer(
            new Adamax { GlobalClipNorm = 1, WeightDecay = 0.1, UseEma = true }, [new([("large", large), ("small", small)])], onTensors: true);
        optimizer.step();
        // The runtime's own threads need memory too, now and then; a step does each time.
        Assert.True(Least(() => optimizer.step()) < Size);
        Assert.True(Least(() => TorchSharp.torch.ones(Length).Dispose()) > Size * 9 / 10, "A tensor of this size is measured.");

        static long Least(Action action) => Enumerable.Range(0, 5).Min(_ => PeakMemory.Of(action));
    }

    /// <summary>The most memory this process has at once, as Linux knows it.</summary>
    static partial class PeakMemory
    {
        /// <summary>How much more an action needs than there was before it.</summary>
        public static long Of(Action action)
        {
            malloc_trim(0); // what the allocator keeps for the next one would hide what that one needs
            File.WriteAllText("/proc/self/clear_refs", "5");
            long before = Bytes;
            action();
            return Bytes - before;
        }

        static long Bytes => 1024 * long.Parse(
            File.ReadLines("/proc/self/status").Single(line => line.StartsWith("VmHWM")).Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2]);

        [LibraryImport("libc")]
        private static partial int malloc_trim(nuint pad);
    }
}
