using System.Diagnostics;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Infinorm.Torch.Tests;

/// <summary>Numbers reach libtorch and come back while garbage is collected all the time.</summary>
[Collection(nameof(Alone))]
public sealed class NumbersTests
{
    [Fact]
    public void LiveUntilTheyWereRead()
    {
        using Parameter parameter = new(ones(1));
        using TorchOptimizer optimizer = new LossScaleOptimizer(new Adamax(), initialScale: 3).For([("p", parameter)]);
        bool ends = false;
        Thread[] others = [.. Enumerable.Range(0, 3 * Environment.ProcessorCount).Select(i => new Thread(i == 0 ? Collect : Work))];
        Array.ForEach(others, thread => thread.Start());
        try
        {
            using Tensor loss = ones(1).Plus(ones(1)), total = zeros(1), numbers = ones(3, ScalarType.Int64);
            for (var time = Stopwatch.StartNew(); time.Elapsed < TimeSpan.FromSeconds(4);)
            {
                using DisposeScope scope = NewDisposeScope();
                Assert.Equal(6, optimizer.ScaleLoss(loss).ToNumber());
                Assert.Equal(3, numbers.sum().ToInteger());
                total.zero_();
                total.Increase(loss);
                TensorLane<float> sum = new TensorLane<float>(total) + new TensorLane<float>(loss) + TensorLane<float>.Of(0.5);
                Assert.Equal(4.5, sum.Tensor!.ToNumber());
            }
        }
        finally
        {
            Volatile.Write(ref ends, true);
            Array.ForEach(others, thread => thread.Join());
        }

        void Collect()
        {
            while (!Volatile.Read(ref ends))
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }
        }

        // Takes the processor away, now and then in the middle of a call.
        void Work()
        {
            while (!Volatile.Read(ref ends))
                Thread.SpinWait(100);
        }
    }
}
