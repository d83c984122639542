using System.Diagnostics;
using TorchSharp;
using TorchSharp.Modules;
using static Infinorm.Torch.Tests.TensorTools;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

[Collection(nameof(Alone))]
public class NoLeakTests
{
    [Theory]
    [InlineData(false, 100_000)]
    [InlineData(true, 3_000)] // a hundred times slower on so small tensors
    public void WrappersAndMemoryStayLevelOverManySteps(bool onTensors, int steps)
    {
        using Parameter plain = Parameter(1, 16, 16), strided = new(Random(2, 8, 4).t());
        using var table = nn.Embedding(50, 8, sparse: true);
        strided.grad = Random(3, 8, 4).t();
        using (Tensor loss = table.forward(tensor(new long[] { 3, 4, 3 })).sum())
            loss.backward();
        using var optimizer = new TorchOptimizer(
            new LossScaleOptimizer(new Adamax { UseEma = true, GlobalClipNorm = 1 }),
            [new([("plain", plain), ("strided", strided), ("table", table.weight!)])], onTensors);
        Step(steps / 10); // let pools and heaps find their size
        GC.Collect();
        long tensors = LiveTensors(), bytes = ResidentBytes();
        Step(steps);
        GC.Collect();
        Assert.Equal(tensors, LiveTensors());
        Assert.InRange(ResidentBytes() - bytes, long.MinValue, 32 << 20); // one leaked gradient a step would be 100 MB

        void Step(int count)
        {
            for (int i = 0; i < count; i++)
                optimizer.step();
        }
    }

    [Fact]
    public void StateOutlivesTheDisposeScopeItWasMadeIn()
    {
        using Parameter plain = Parameter(1, 10), strided = new(Random(2, 8, 4).t());
        TorchOptimizer optimizer;
        using (NewDisposeScope())
        {
            optimizer = new Adamax(0.1).For([("plain", plain), ("strided", strided)]);
            strided.grad = Random(3, 8, 4).t().DetachFromDisposeScope();
            optimizer.step();
        }

        float[] before = Floats(strided);
        optimizer.step();
        Assert.NotEqual(before, Floats(strided));
        optimizer.Dispose();
    }

    static long LiveTensors() => DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;

    static long ResidentBytes()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
