using CsCheck;

namespace Infinorm.Tests.Properties;

/// <summary>What holds for every model and all settings.</summary>
public sealed class OptimizerProperties
{
    const int Steps = 6;

    [Fact]
    public void TheOrderOfTheVariablesChangesNothing() =>
        Gen.Select(Settings.Any, Model.Single, Gen.Int[0, 1000]).Sample((settings, model, seed) =>
        {
            int[] order = [.. Enumerable.Range(0, model.Types.Length)];
            new Random(seed).Shuffle(order);
            Variable[] variables = model.MakeVariables(), shuffled = model.MakeVariables();
            Optimizer straight = Built(settings, variables), other = Built(settings, Array.ConvertAll(order, i => shuffled[i]));
            for (int step = 0; step < Steps; step++)
            {
                Gradient[] gradients = model.MakeGradients(step);
                straight.Apply(gradients);
                other.Apply(Array.ConvertAll(order, i => gradients[i]));
            }

            Assert.Equal(ByPath(variables, straight), ByPath(shuffled, other));
        });

    [Fact]
    public void ARunSavedAndLoadedAnywhereGoesOnWithTheSameBits() =>
        Gen.Select(Settings.Any, Model.Any, Gen.Int[0, Steps]).Sample((settings, model, saveAt) =>
        {
            Variable[] variables = model.MakeVariables(), copies = model.MakeVariables();
            Optimizer straight = Built(settings, variables), interrupted = Built(settings, copies);
            for (int step = 0; step < Steps; step++)
            {
                if (step == saveAt)
                    interrupted = Reloaded(interrupted, copies);
                straight.Apply(model.MakeGradients(step));
                interrupted.Apply(model.MakeGradients(step));
            }

            Assert.Equal(ByPath(variables, straight), ByPath(copies, interrupted));
        });

    [Fact]
    public void StatelessApplyGivesWhatApplyDoesAndChangesNothing() =>
        Gen.Select(Settings.Any, Model.Any).Sample((settings, model) =>
        {
            Variable[] variables = model.MakeVariables();
            Optimizer optimizer = Built(settings, variables);
            for (int step = 0; step < Steps; step++)
            {
                Gradient[] gradients = model.MakeGradients(step);
                var before = Snapshot.Of(optimizer, variables);
                (NdArray[] trainable, NdArray[] own) = optimizer.StatelessApply(
                    [.. optimizer.Variables.Select(variable => variable.ToNdArray())], gradients,
                    [.. variables.Select(variable => variable.ToNdArray())]);
                before.AssertUnchanged(optimizer, variables);

                optimizer.Apply(gradients);
                Assert.Equal(variables.Concat(optimizer.Variables).Select(Bytes), trainable.Concat(own).Select(Bytes));
            }
        });

    [Fact]
    public void SetWeightsAndAssignCarryTheWholeState() =>
        Gen.Select(Settings.Any, Model.Any).Sample((settings, model) =>
        {
            Variable[] variables = model.MakeVariables(), copies = model.MakeVariables();
            Optimizer optimizer = Built(settings, variables), other = Built(settings, copies);
            for (int step = 0; step < Steps; step++)
                optimizer.Apply(model.MakeGradients(step));

            other.SetWeights([.. optimizer.Variables.Select(variable => variable.ToNdArray())]);
            foreach ((Variable copy, Variable variable) in copies.Zip(variables))
                copy.Assign(variable.ToNdArray());
            optimizer.Apply(model.MakeGradients(Steps));
            other.Apply(model.MakeGradients(Steps));
            Assert.Equal(ByPath(variables, optimizer), ByPath(copies, other));
        });

    static Optimizer Built(Settings settings, Variable[] variables)
    {
        Optimizer optimizer = settings.Create();
        optimizer.Build(variables);
        return optimizer;
    }

    static Optimizer Reloaded(Optimizer optimizer, Variable[] variables)
    {
        var store = new VariableStore();
        optimizer.SaveOwnVariables(store);
        var fresh = Optimizer.FromConfig(optimizer.GetConfig());
        fresh.Build(variables);
        fresh.LoadOwnVariables(store);
        return fresh;
    }

    static IEnumerable<(string Path, string Bytes)> ByPath(Variable[] variables, Optimizer optimizer) =>
        variables.Concat(optimizer.Variables).Select(variable => (variable.Path, Bytes(variable))).Order();

    static string Bytes(Variable variable) => Bytes(variable.ToNdArray());

    static string Bytes(NdArray array) => Convert.ToHexString(array.Bytes);
}
