using Infinorm.Variables;

namespace Infinorm.Tests;

/// <summary>Everything that a call which fails must leave as it was.</summary>
sealed class Snapshot
{
    readonly bool _isBuilt;
    readonly long _iterations;
    readonly double? _learningRate;
    readonly string _config;
    readonly string[] _variables;
    readonly byte[][] _bytes;

    Snapshot(Optimizer optimizer, IEnumerable<Variable> modelVariables)
    {
        _isBuilt = optimizer.IsBuilt;
        _iterations = optimizer.Iterations;
        _learningRate = RateOf(optimizer);
        _config = optimizer.Steppers.Count == 0 ? "" : optimizer.ToJson(); // a function will give them
        Variable[] variables = [.. modelVariables, .. optimizer.Variables];
        _variables = Array.ConvertAll(variables, variable => variable.ToString());
        _bytes = Array.ConvertAll(variables, variable => variable.ToNdArray().Bytes.ToArray());
    }

    public static Snapshot Of(Optimizer optimizer, IEnumerable<Variable> modelVariables) => new(optimizer, modelVariables);

    public void AssertUnchanged(Optimizer optimizer, IEnumerable<Variable> modelVariables)
    {
        var now = new Snapshot(optimizer, modelVariables);
        Assert.Equal(_isBuilt, now._isBuilt);
        Assert.Equal(_iterations, now._iterations);
        Assert.Equal(_learningRate, now._learningRate);
        Assert.Equal(_config, now._config);
        Assert.Equal(_variables, now._variables);
        Assert.Equal(_bytes, now._bytes);
    }

    // A MultiOptimizer has none.
    static double? RateOf(Optimizer optimizer) =>
        optimizer is MultiOptimizer or LossScaleOptimizer { InnerOptimizer: MultiOptimizer } ? null : optimizer.CurrentLearningRate;
}
