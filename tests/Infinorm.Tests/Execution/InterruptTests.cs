using System.Runtime.CompilerServices;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Tests.Execution;

/// <summary>What comes from outside while a step runs does not break it off in the middle.</summary>
public sealed class InterruptTests
{
    [Fact]
    public void AnInterruptedStepIsMadeAndCountedAndTheThreadInterruptedAfterwards()
    {
        const int length = 1 << 20, steps = 40;
        float[] weights = new float[length], expected = new float[length];
        float[] gradient = [.. Enumerable.Range(0, length).Select(i => MathF.Sin(i))];
        var optimizer = new Adamax { GlobalClipNorm = 1 };
        optimizer.Build(new Variable<float>("w", weights));
        var calm = new Adamax { GlobalClipNorm = 1 };
        calm.Build(new Variable<float>("w", expected));
        int interrupted = 0;
        bool done = false;
        var thread = new Thread(() =>
        {
            for (int step = 0; step < steps; step++)
            {
                optimizer.Apply(gradient);
                try
                {
                    Thread.Sleep(0);
                }
                catch (ThreadInterruptedException)
                {
                    interrupted++;
                }
            }

            Volatile.Write(ref done, true);
        });
        thread.Start();
        while (!Volatile.Read(ref done))
            thread.Interrupt();
        thread.Join();

        for (int step = 0; step < steps; step++)
            calm.Apply(gradient);
        Assert.Equal(steps, optimizer.Iterations);
        Assert.Equal(expected, weights);
        Assert.InRange(interrupted, 1, steps);
    }

    [Fact]
    public void IdleHelpersKeepNoOptimizerAlive()
    {
        WeakReference[] gone = StepAndForget();
        for (int i = 0; i < 200 && gone.Any(reference => reference.IsAlive); i++)
        {
            Thread.Sleep(5);
            GC.Collect();
        }

        Assert.DoesNotContain(gone, reference => reference.IsAlive);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static WeakReference[] StepAndForget()
    {
        var optimizer = new Adamax();
        float[] weights = new float[1 << 20];
        optimizer.Build(new Variable<float>("w", weights));
        for (int i = 0; i < 5; i++)
            optimizer.Apply(new float[weights.Length]);
        return [new WeakReference(optimizer), new WeakReference(weights)];
    }
}
