using BenchmarkDotNet.Attributes;
using Infinorm.Optimizers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Benchmarks.Suites;

/// <summary>The update rule on one thread, its memory in the cache: for every type, and for float also written by hand.</summary>
public class KernelBenchmarks
{
    const int Length = 4096;

    readonly Streams _streams = new(Length);
    readonly TensorPrimitivesCalls _calls = new(Length);
    readonly Gradient[] _gradients;
    readonly Adamax[] _optimizers;

    public KernelBenchmarks()
    {
        ReadOnlySpan<float> weights = _streams.Weights.Span, gradients = _streams.Gradients.Span;
        _gradients =
        [
            Cast(gradients, x => x), Cast(gradients, x => (double)x), Cast(gradients, x => (Half)x), Cast(gradients, x => (BFloat16)x),
        ];
        _optimizers =
        [
            Build(Cast(weights, x => x)), Build(Cast(weights, x => (double)x)), Build(Cast(weights, x => (Half)x)),
            Build(Cast(weights, x => (BFloat16)x)),
            Build(Cast(weights, x => (BFloat16)x), new() { MaxDegreeOfParallelism = 1, UseMasterWeights = true }),
            Build(Cast(weights, x => (BFloat16)x), new() { MaxDegreeOfParallelism = 1, UseStochasticRounding = true }),
        ];

        static T[] Cast<T>(ReadOnlySpan<float> values, Func<float, T> cast)
        {
            var result = new T[values.Length];
            for (int i = 0; i < result.Length; i++)
                result[i] = cast(values[i]);
            return result;
        }

        static Adamax Build<T>(T[] weights, Adamax? optimizer = null) where T : unmanaged
        {
            optimizer ??= new() { MaxDegreeOfParallelism = 1 };
            optimizer.Build(new Variable<T>("weights", weights));
            return optimizer;
        }
    }

    [Benchmark(Baseline = true)]
    public StepInfo Float() => _optimizers[0].Apply(_gradients[0]);

    [Benchmark]
    public StepInfo Double() => _optimizers[1].Apply(_gradients[1]);

    [Benchmark]
    public StepInfo Half() => _optimizers[2].Apply(_gradients[2]);

    [Benchmark]
    public StepInfo BFloat16() => _optimizers[3].Apply(_gradients[3]);

    [Benchmark]
    public StepInfo BFloat16WithMasterWeights() => _optimizers[4].Apply(_gradients[3]);

    [Benchmark]
    public StepInfo BFloat16RoundedAtRandom() => _optimizers[5].Apply(_gradients[3]);

    [Benchmark]
    public void TensorPrimitives() => ByHand(_calls.Step);

    [Benchmark]
    public void Plain() => ByHand(PlainLoop.Step);

    void ByHand(HandWrittenStep step) => step(
        _streams.Gradients.Span, _streams.Weights.Span, _streams.Momentum.Span, _streams.Norm.Span, StepFactors.Typical);
}
