using CsCheck;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Properties;

/// <summary>What holds for every optimizer, every model and all settings.</summary>
public sealed class OptimizerProperties
{
    const int Steps = 6;
    const int Samples = 20;

    public static TheoryData<string> Variants => [.. Registered.Variants];

    [Theory]
    [MemberData(nameof(Variants))]
    public void TheOrderOfTheVariablesChangesNothing(string variant) =>
        // A variable's place chooses its random bits.
        Gen.Select(Settings.Of(variant), Model.Single, Gen.Int[0, 1000]).Sample((settings, model, seed) =>
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
        }, iter: Samples);

    [Theory]
    [MemberData(nameof(Variants))]
    public void ARunSavedAndLoadedAnywhereGoesOnWithTheSameBits(string variant) =>
        Gen.Select(Settings.Of(variant), Model.Any, Gen.Int[0, Steps]).Sample((settings, model, saveAt) =>
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
        }, iter: Samples);

    [Theory]
    [MemberData(nameof(Variants))]
    public void StatelessApplyGivesWhatApplyDoesAndChangesNothing(string variant) =>
        Gen.Select(Settings.Of(variant), Model.Any).Sample((settings, model) =>
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
        }, iter: Samples);

    [Theory]
    [MemberData(nameof(Variants))]
    public void SetWeightsAndAssignCarryTheWholeState(string variant) =>
        Gen.Select(Settings.Of(variant), Model.Any).Sample((settings, model) =>
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
        }, iter: Samples);

    [Theory]
    [MemberData(nameof(Variants))]
    public void AGradientThatIsExactInEveryTypeMayHaveAnyType(string variant)
    {
        Gen<Settings> exact = Settings.Of(variant).Where(settings => settings is
        {
            Clip: Clip.None or Clip.Value, LossScaleFactor: null or 8, GradientAccumulationSteps: null or 2,
        });
        Gen.Select(exact, Gen.Int[1, 70], Gen.Int[0, 1000]).Sample((settings, length, seed) =>
        {
            Variable[] Make() => [new Variable<float>("single", new float[length]), new Variable<double>("double", new double[length])];
            Variable[] variables = Make();
            Optimizer optimizer = Built(settings, variables);
            Variable[][] copies = [Make(), Make(), Make(), Make()];
            Optimizer[] optimizers = Array.ConvertAll(copies, copy => Built(settings, copy));
            var random = new Random(seed);
            for (int step = 0; step < Steps; step++)
            {
                double[] gradient = [.. Enumerable.Range(0, length).Select(_ => random.Next(-8, 9) / 4.0)];
                Gradient[] kinds =
                [
                    gradient, Array.ConvertAll(gradient, value => (float)value), Array.ConvertAll(gradient, value => (Half)value),
                    Array.ConvertAll(gradient, value => (BFloat16)(float)value),
                ];
                optimizer.Apply([kinds[1], kinds[0]]);
                for (int kind = 0; kind < kinds.Length; kind++)
                    optimizers[kind].Apply([kinds[kind], kinds[kind]]);
            }

            for (int kind = 0; kind < copies.Length; kind++)
                Assert.Equal(ByPath(variables, optimizer), ByPath(copies[kind], optimizers[kind]));
        }, iter: Samples);
    }

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
