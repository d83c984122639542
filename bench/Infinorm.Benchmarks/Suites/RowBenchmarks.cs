using BenchmarkDotNet.Attributes;
using Infinorm.Optimizers;
using Infinorm.Variables;

namespace Infinorm.Benchmarks.Suites;

/// <summary>A step of an embedding table: a sparse gradient of some rows, and the dense gradient of the same table.</summary>
public class RowBenchmarks
{
    const int TableRows = 16384, Width = 64;

    readonly Adamax _optimizer = new();
    readonly float[] _dense = new float[TableRows * Width];
    Gradient _rows;

    [Params(64, 1024)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Build()
    {
        var streams = new Streams(TableRows * Width);
        streams.Gradients.CopyTo(_dense);
        _optimizer.Build(new Variable<float>("table", streams.Weights, [TableRows, Width]));
        var random = new Random(1);
        int[] indices = [.. Enumerable.Range(0, Rows).Select(_ => random.Next(TableRows))];
        _rows = Gradient.Rows(indices, _dense[..(Rows * Width)]);
    }

    [Benchmark(Baseline = true)]
    public StepInfo Dense() => _optimizer.Apply(_dense);

    [Benchmark]
    public StepInfo Sparse() => _optimizer.Apply(_rows);
}
