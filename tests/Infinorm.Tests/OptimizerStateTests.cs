using Infinorm.Optimizers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests;

public class OptimizerStateTests
{
    readonly Variable<float> _variable = new("w", new float[] { 1, 2, 3 });
    readonly Adamax _adamax = new(0.5) { Name = "a" };

    [Fact]
    public void AssignsItsVariables()
    {
        _adamax.Build(_variable);
        _adamax.Variables[0].Assign(7L);
        _adamax.Variables[1].Assign(0.25);
        _adamax.Variables[3].Assign<float>(4, 5, 6);
        Assert.Equal((7, 0.25), (_adamax.Iterations, _adamax.CurrentLearningRate));
        _adamax.Apply([new float[3]]);
        Assert.Equal([4 * 0.999f, 5 * 0.999f, 6 * 0.999f], _adamax.Variables[3].ToNdArray().AsSpan<float>());
        Assert.Equal(8, _adamax.Iterations);
    }

    [Fact]
    public void SetsWeightsOfAnyType()
    {
        _adamax.Build(_variable);
        _adamax.SetWeights(
        [
            NdArray.Create([3], shape: []), NdArray.Create([0.125], shape: []), NdArray.Create([1.0, 2, 3]), NdArray.Create([4, 5, 6]),
        ]);
        Assert.Equal((3, 0.125), (_adamax.Iterations, _adamax.CurrentLearningRate));
        Assert.Equal([1f, 2, 3], _adamax.Variables[2].ToNdArray().AsSpan<float>());
        Assert.Equal([4f, 5, 6], _adamax.Variables[3].ToNdArray().AsSpan<float>());
    }

    [Fact]
    public void RefusesWeightsThatDoNotFit()
    {
        Refusal.Is<InvalidOperationException>(
            "a is not built, so it has no slots to set. Call Build with the variables first.", () => _adamax.SetWeights([]));
        _adamax.Build(_variable);
        Refusal.Is<ArgumentException>("a: 1 values, the optimizer has 4 variables.", () => _adamax.SetWeights([NdArray.Create([1L])]));
        NdArray[] weights = [.. _adamax.Variables.Select(variable => variable.ToNdArray())];
        weights[3] = NdArray.Create([1f, 2f]);
        Refusal.Is<ArgumentException>("a/w_norm: the value has shape [2], the variable has [3].", () => _adamax.SetWeights(weights));
        weights[3] = null!;
        Refusal.Is<ArgumentNullException>("a/w_norm: there is no value for it.", () => _adamax.SetWeights(weights));
    }

    [Fact]
    public void SavesUnderItsVariablesNumbers()
    {
        _adamax.Build(_variable);
        var store = new VariableStore();
        _adamax.SaveOwnVariables(store);
        Assert.Equal(["0", "1", "2", "3"], store.Keys.Order());
        Assert.Equal(DType.Int64, store.Load("0").DType);
    }

    [Fact]
    public void RefusesAStoreThatDoesNotFit()
    {
        var store = new VariableStore();
        _adamax.Build(_variable);
        Refusal.Is<ArgumentException>(
            "a: the store has 0 variables, the optimizer has 4. Build it, with the settings it was saved with, before loading.",
            () => _adamax.LoadOwnVariables(store));
        foreach (string key in new[] { "0", "1", "2", "x" })
            store.Save(key, NdArray.Create([0L], shape: []));
        Refusal.Is<ArgumentException>("a: the store has no key \"3\" (a/w_norm).", () => _adamax.LoadOwnVariables(store));
    }

    [Fact]
    public void ChangesNothingWhenTheLastValueDoesNotFit()
    {
        _adamax.Build(_variable);
        var before = Snapshot.Of(_adamax, [_variable]);
        var store = new VariableStore();
        store.Save("0", NdArray.Create([9L], shape: []));
        store.Save("1", NdArray.Create([9f], shape: []));
        store.Save("2", NdArray.Create([9f, 9, 9]));
        store.Save("3", NdArray.Create([9f, 9]));
        Assert.Throws<ArgumentException>(() => _adamax.LoadOwnVariables(store));
        before.AssertUnchanged(_adamax, [_variable]);
    }

    [Fact]
    public void StatelessApplyRefusesWhatDoesNotFit()
    {
        NdArray[] values = [_variable.ToNdArray()];
        Refusal.Is<InvalidOperationException>(
            "a is not built. Call Build with the variables first.", () => _adamax.StatelessApply([], [new float[3]], values));
        _adamax.Build(_variable);
        Refusal.Is<ArgumentException>(
            "a: 0 values, the optimizer was built for 1 variables.", () => _adamax.StatelessApply([], [new float[3]], []));
        Refusal.Is<ArgumentException>(
            "a: 0 values, the optimizer has 4 variables.", () => _adamax.StatelessApply([], [new float[3]], values));
        Refusal.Is<ArgumentException>(
            "w: the value has shape [2], the variable has [3].",
            () => _adamax.StatelessApply([], [new float[3]], [NdArray.Create([1f, 2])]));
    }

    [Fact]
    public void StatelessApplyTakesEverythingFromItsArguments()
    {
        _adamax.Build(_variable);
        NdArray[] own =
            [NdArray.Create([9L], shape: []), NdArray.Create([0.25f], shape: []), NdArray.Create([1f, 1, 1]), NdArray.Create([4f, 5, 6])];
        var before = Snapshot.Of(_adamax, [_variable]);
        (NdArray[] trainable, NdArray[] after) = _adamax.StatelessApply(own, [new float[] { 1, 2, 3 }], [NdArray.Create([7f, 8, 9])]);
        before.AssertUnchanged(_adamax, [_variable]);

        _adamax.SetWeights(own);
        _variable.Assign<float>(7, 8, 9);
        _adamax.Apply([new float[] { 1, 2, 3 }]);
        Assert.Equal(_variable.Span, trainable[0].AsSpan<float>());
        Assert.Equal(_adamax.Variables.Select(variable => variable.ToNdArray().Bytes.ToArray()), after.Select(array => array.Bytes.ToArray()));
    }

    [Fact]
    public void StatelessApplyKeepsTheExclusions()
    {
        var adamax = new Adamax(1.0) { WeightDecay = 0.5 };
        adamax.ExcludeFromWeightDecay([_variable]);
        adamax.Build(_variable);
        (NdArray[] trainable, _) = adamax.StatelessApply(
            [.. adamax.Variables.Select(variable => variable.ToNdArray())], [new float[3]], [_variable.ToNdArray()]);
        Assert.Equal([1f, 2, 3], trainable[0].AsSpan<float>());
    }
}
