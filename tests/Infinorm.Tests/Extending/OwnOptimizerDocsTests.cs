using System.Numerics;
using Infinorm.Rules;
using Infinorm.Variables;

namespace Infinorm.Tests.Extending;

/// <summary>The rungs of docs/your-own-optimizer.md: all compute the same, and the engine does the rest.</summary>
public sealed class OwnOptimizerDocsTests
{
    readonly float[] _start = [.. Enumerable.Range(0, 700).Select(i => MathF.Sin(i))];
    readonly float[] _gradient = [.. Enumerable.Range(0, 700).Select(i => MathF.Cos(3 * i))];

    [Fact]
    public void AllRungsComputeTheSame()
    {
        float[] plain = [.. _start], mean = new float[plain.Length], lanes = [.. _start], spans = [.. _start];
        var optimizer = new SignMomentum(0.5, beta: 0.75);
        optimizer.Build(new Variable<float>("w", lanes));
        var tried = new TriedOut();
        tried.Build(new Variable<float>("w", spans));
        for (int step = 0; step < 5; step++)
        {
            Step(plain, _gradient, mean, rate: 0.5f, beta: 0.75f);
            optimizer.Apply(_gradient);
            tried.Apply(_gradient);
        }

        Assert.Equal(plain, lanes);
        Assert.Equal(plain, spans);
    }

    [Fact]
    public void TheEngineDoesTheRest()
    {
        // snippet
        Optimizer.Register(nameof(SignMomentum), () => new SignMomentum()); // so that configs and checkpoints can name it

        float[] weights = new float[1000];
        var optimizer = new SignMomentum(0.01) { GlobalClipNorm = 1, WeightDecay = 0.004, UseEma = true, GradientAccumulationSteps = 2 };
        optimizer.Build(new Variable<float>("dense/kernel", weights));
        optimizer.Apply(new float[1000]);

        using var file = new MemoryStream();
        optimizer.Save(file);
        file.Position = 0;
        Optimizer again = Optimizer.Load(file, [new Variable<float>("dense/kernel", new float[1000])]);
        // end
        Assert.Equal(0.004, Assert.IsType<SignMomentum>(again).WeightDecay);
    }

    // snippet
    static void Step(Span<float> weights, ReadOnlySpan<float> gradient, Span<float> mean, float rate, float beta)
    {
        for (int i = 0; i < weights.Length; i++)
        {
            mean[i] = beta * mean[i] + (1 - beta) * gradient[i];
            weights[i] -= rate * MathF.Sign(mean[i]);
        }
    }
    // end

    // snippet
    sealed class TriedOut() : RuleOptimizer(0.5), IBlockRule
    {
        Slot _mean;

        protected override void DefineSlots(Slots slots) => _mean = slots.Add("mean");

        protected override void UpdateStep<L>(RuleContext<L> context) => context.Run(this);

        public void Step<T>(Block<T> block)
            where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T rate = T.CreateTruncating(0.5), beta = T.CreateTruncating(0.75);
            Span<T> mean = block[_mean];
            for (int i = 0; i < mean.Length; i++)
            {
                mean[i] = beta * mean[i] + (T.One - beta) * block.Gradient[i];
                block.Weights[i] -= rate * T.CreateTruncating(T.Sign(mean[i]));
            }
        }
    }
    // end
}
