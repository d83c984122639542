using System.Text.Json.Nodes;
using Infinorm.Schedules;
using Infinorm.Tests.Execution;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Conformance;

/// <summary>The objects of one case while it runs: the optimizer, the model variables, and what the data say about them.</summary>
sealed class Session
{
    readonly bool _behindNorm;
    readonly Tolerance? _tolerance;
    readonly DType _floatX;
    VariableLayout[] _layout = [];

    public Session(OptimizerCase @case)
    {
        Variables = Array.ConvertAll(@case.Variables, spec => spec.ToVariable());
        _floatX = @case.Floatx;
        _tolerance = @case.Tolerance;
        Config = @case.Optimizer.Config();
        Steppers = [.. KerasConfig.Steppers(Config)];
        _behindNorm = Array.Exists(Steppers, arguments => KerasConfig.Number(arguments, "clipnorm") > 0 || KerasConfig.Number(arguments, "global_clipnorm") > 0)
            || @case.Variables.Any(spec => spec.Constraint is { HasNorm: true });
        Optimizer = @case.Optimizer.Create(_floatX).WithSmallTasks();
        if (@case.Optimizer.Callable is { } value)
            UseFunction(value);
    }

    public Optimizer Optimizer { get; private set; }

    public Variable[] Variables { get; }

    /// <summary>The config object that the optimizer was built from.</summary>
    public JsonObject Config { get; }

    /// <summary>The settings of each optimizer that steps, by Keras's names.</summary>
    public JsonObject[] Steppers { get; }

    /// <summary>The stored counter; of the inner optimizer of a LossScaleOptimizer, whose own counter stays 0.</summary>
    public Variable Counter => (Optimizer is LossScaleOptimizer wrapper ? wrapper.InnerOptimizer : Optimizer).Variables[0];

    public long RawIterations => Counter.ToNdArray().AsSpan<long>()[0];

    /// <summary>What the function returns that is the learning rate.</summary>
    public double FunctionValue { get; set; }

    public void UseFunction(double value)
    {
        FunctionValue = value;
        Optimizer.LearningRate = new LearningRate(() => FunctionValue);
    }

    public Variable[] Select(int[] indices) => Array.ConvertAll(indices, index => Variables[index]);

    /// <summary>Goes on with a fresh optimizer made from a config and a saved state.</summary>
    public void Reload(JsonObject config, VariableStore store)
    {
        Variable[] built = [.. Optimizer.TrainableVariables];
        Optimizer = Create(config);
        Optimizer.Build(built);
        Optimizer.LoadOwnVariables(store);
    }

    public static VariableStore ToStore(Dictionary<string, GoldenArray> arrays)
    {
        var store = new VariableStore();
        foreach ((string key, GoldenArray array) in arrays)
            store.Save(key, array.ToNdArray());
        return store;
    }

    /// <summary>Saves the optimizer's variables and compares what arrives in the store.</summary>
    public void CompareSaved(Dictionary<string, GoldenArray> expected)
    {
        var store = new VariableStore();
        Optimizer.SaveOwnVariables(store);
        Assert.Equal(expected.Keys.Order(), store.Keys.Take(Tracked.Length).Order());
        foreach ((string key, GoldenArray array) in expected)
            Compare($"saved {key}", array.Dtype, array.Shape, array.Bytes, store.Load(key));
    }

    /// <summary>Compares the whole state with what the data expect after a step.</summary>
    public void Compare(Step step)
    {
        _layout = step.Layout ?? _layout;
        if (step.Expect is not { } expect)
            return;
        Assert.Equal(expect.Iterations, Optimizer.Iterations);
        Assert.Equal(expect.RawIterations, RawIterations);
        if (expect.LearningRate.Error is null)
            Assert.Equal(expect.LearningRate.Value, Optimizer.CurrentLearningRate);
        else
            Assert.Throws<InvalidOperationException>(() => Optimizer.CurrentLearningRate);
        for (int i = 0; i < Variables.Length; i++)
            Compare(Variables[i].Path, Variables[i].DType, Variables[i].Shape, expect.Variables[i], Variables[i].ToNdArray());

        Assert.Equal(_layout.Select(item => Comparison.WithoutNumber(item.Path)), Tracked.Select(variable => Comparison.WithoutNumber(variable.Path)));
        Assert.Equal(_layout.Select(item => Comparison.WithoutNumber(item.Name)), Tracked.Select(variable => Comparison.WithoutNumber(variable.Name)));
        for (int i = 0; i < _layout.Length; i++)
        {
            VariableLayout item = _layout[i];
            Compare(item.Path, item.Dtype, item.Shape, expect.OptimizerVariables[i], Tracked[i].ToNdArray());
        }
    }

    /// <summary>The optimizer's variables; without those of no name in a LossScaleOptimizer, as Keras lists none there.</summary>
    Variable[] Tracked => [.. Optimizer.Variables.Where(variable => Optimizer is not LossScaleOptimizer || variable.Name != Comparison.Nameless)];

    Optimizer Create(JsonObject config) => Optimizer.FromConfig(config, _floatX).WithSmallTasks();

    void Compare(string name, DType dtype, ReadOnlySpan<int> shape, byte[] expected, NdArray actual)
    {
        Assert.Equal(dtype, actual.DType);
        Assert.Equal(shape.ToArray(), Array.ConvertAll(actual.Shape.ToArray(), size => (int)size));
        Comparison.AssertSame(
            name, dtype, expected, actual.Bytes, _behindNorm, _tolerance?.Covers(name, dtype) == true ? _tolerance : null);
    }

    void Compare(string name, DType dtype, ReadOnlySpan<nint> shape, byte[] expected, NdArray actual) =>
        Compare(name, dtype, Array.ConvertAll(shape.ToArray(), size => (int)size), expected, actual);
}
