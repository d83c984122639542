using BenchmarkDotNet.Attributes;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Benchmarks.Suites;

/// <summary>A whole step of one float variable, by length, threads and feature.</summary>
public class StepBenchmarks
{
    public enum Feature { None, Clip, Decay, Ema, Accumulation, All }

    Adamax _optimizer = new();
    float[] _gradients = [];

    [Params(1024, 64 * 1024, 1024 * 1024, 25 * 1024 * 1024)]
    public int Length { get; set; }

    [ParamsSource(nameof(ThreadCounts))]
    public int Threads { get; set; }

    [ParamsAllValues]
    public Feature With { get; set; }

    public static IEnumerable<int> ThreadCounts => new[] { 1, Environment.ProcessorCount }.Distinct();

    [GlobalSetup]
    public void Build()
    {
        var streams = new Streams(Length);
        bool Has(Feature feature) => With == feature || With == Feature.All;
        _optimizer = new Adamax
        {
            MaxDegreeOfParallelism = Threads,
            GlobalClipNorm = Has(Feature.Clip) ? 1 : null,
            WeightDecay = Has(Feature.Decay) ? 0.004 : null,
            UseEma = Has(Feature.Ema),
            GradientAccumulationSteps = Has(Feature.Accumulation) ? 2 : null,
        };
        _optimizer.Build(new Variable<float>("weights", streams.Weights));
        _gradients = streams.Gradients.ToArray();
    }

    /// <summary>With accumulation: the mean of a call that only accumulates and one that updates.</summary>
    [Benchmark]
    public StepInfo Step() => _optimizer.Apply(_gradients);
}
