using CsCheck;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Properties;

/// <summary>A call that throws has changed nothing: not a bit of the state, and not how the training goes on.</summary>
public sealed class FailedCalls
{
    static readonly Dictionary<string, (Type Exception, Action<Optimizer, Variable[], Gradient[]> Call)> Calls = new()
    {
        ["a gradient too few"] = (typeof(ArgumentException), (optimizer, _, gradients) => optimizer.Apply(gradients[1..])),
        ["a gradient too many"] = (typeof(ArgumentException), (optimizer, _, gradients) => optimizer.Apply([.. gradients, default])),
        ["no gradient at all"] = (typeof(ArgumentException), (optimizer, _, gradients) => optimizer.Apply(new Gradient[gradients.Length])),
        ["a last gradient that is too long"] = (typeof(ArgumentException), (optimizer, variables, gradients) =>
            optimizer.Apply([.. gradients[..^1], new float[variables[^1].Length + 1]])),
        ["a last gradient of rows that do not exist"] = (typeof(ArgumentException), (optimizer, variables, gradients) =>
            optimizer.Apply([.. gradients[..^1], Gradient.Rows([0, variables[^1].Length], new float[2])])),
        ["a last gradient of rows too wide"] = (typeof(ArgumentException), (optimizer, _, gradients) =>
            optimizer.Apply([.. gradients[..^1], Gradient.Rows([0], new float[2])])),
        ["a gradient in the memory of a variable"] = (typeof(ArgumentException), (optimizer, variables, gradients) =>
            optimizer.Apply([.. gradients[..^1], MemoryOf(variables[^1])])),
        ["a gradient in the memory of a slot"] = (typeof(ArgumentException), (optimizer, _, gradients) =>
            optimizer.Apply([.. gradients[..^1], MemoryOf(optimizer.Variables.Last(IsSlotOrCounter))])),
        ["an unknown variable"] = (typeof(ArgumentException), (optimizer, variables, gradients) =>
            optimizer.Apply(gradients, [.. variables[..^1], new Variable<float>("unknown", new float[variables[^1].Length])])),
        ["a variable listed twice"] = (typeof(ArgumentException), (optimizer, variables, gradients) =>
            optimizer.Apply([.. gradients, gradients[0]], [.. variables, variables[0]])),
        ["other variables to build for"] = (typeof(InvalidOperationException), (optimizer, variables, _) =>
            optimizer.Build([.. variables, new Variable<float>("other", new float[1])])),
        ["exclusions after Build"] = (typeof(InvalidOperationException), (optimizer, _, _) =>
            optimizer.ExcludeFromWeightDecay(names: ["bias"])),
        ["a weight too few"] = (typeof(ArgumentException), (optimizer, _, _) =>
            optimizer.SetWeights([.. Weights(optimizer).SkipLast(1)])),
        ["a last weight of another shape"] = (typeof(ArgumentException), (optimizer, _, _) =>
            optimizer.SetWeights([.. Weights(optimizer).SkipLast(1), NdArray.Create(new float[99])])),
        ["a store without its last key"] = (typeof(ArgumentException), (optimizer, _, _) =>
            optimizer.LoadOwnVariables(Store(optimizer, last: null))),
        ["a store with another shape at its last key"] = (typeof(ArgumentException), (optimizer, _, _) =>
            optimizer.LoadOwnVariables(Store(optimizer, last: NdArray.Create(new float[99])))),
        ["values of another number for StatelessApply"] = (typeof(ArgumentException), (optimizer, _, gradients) =>
            optimizer.StatelessApply(Weights(optimizer), gradients, [])),
        ["other variables to finalise"] = (typeof(ArgumentException), (optimizer, variables, _) =>
            optimizer.FinalizeVariableValues([.. variables, variables[0]])),
    };

    public static TheoryData<string> Names => [.. Calls.Keys];

    public static TheoryData<string> Variants => [.. Registered.Variants.Where(variant => variant != "Adamax")];

    [Theory]
    [MemberData(nameof(Names))]
    public void ACallThatThrowsChangesNothing(string name) => Check(name, "Adamax", samples: 30);

    [Theory]
    [MemberData(nameof(Variants))]
    public void NorDoesOneOfAnotherOptimizer(string variant)
    {
        foreach (string name in Calls.Keys)
            Check(name, variant, samples: 2);
    }

    static void Check(string name, string variant, int samples)
    {
        (Type exception, Action<Optimizer, Variable[], Gradient[]> call) = Calls[name];
        Gen.Select(Settings.Of(variant), Model.Any.Where(model => model.Lengths[^1] > 0)).Sample(
            (settings, model) =>
            {
                Variable[] variables = model.MakeVariables(), twins = model.MakeVariables();
                Optimizer optimizer = settings.Create(), twin = settings.Create();
                optimizer.Build(variables);
                twin.Build(twins);
                for (int step = 0; step < 4; step++)
                {
                    var before = Snapshot.Of(optimizer, variables);
                    Assert.IsType(exception, Record.Exception(() => call(optimizer, variables, model.MakeGradients(step))), exactMatch: false);
                    before.AssertUnchanged(optimizer, variables);

                    Gradient[] gradients = model.MakeGradients(step);
                    optimizer.Apply(gradients);
                    twin.Apply(gradients);
                    Snapshot.Of(twin, twins).AssertUnchanged(optimizer, variables);
                }
            },
            iter: samples);
    }

    // Single numbers, such as the rate, lie by themselves: a gradient of one element there is no slot's.
    static bool IsSlotOrCounter(Variable variable) => variable.Shape.Length > 0 || variable is Variable<long>;

    static Gradient MemoryOf(Variable variable) => variable switch
    {
        Variable<float> single => single.Memory,
        Variable<double> full => full.Memory,
        Variable<Half> half => half.Memory,
        Variable<BFloat16> brain => brain.Memory,
        Variable<long> counter => Gradient.Of<long>(counter.Memory), // all that an optimizer has without slots; refused for its type
        _ => throw new NotSupportedException($"{variable}"),
    };

    static NdArray[] Weights(Optimizer optimizer) => [.. optimizer.Variables.Select(variable => variable.ToNdArray())];

    static VariableStore Store(Optimizer optimizer, NdArray? last)
    {
        NdArray[] weights = Weights(optimizer);
        var store = new VariableStore();
        for (int i = 0; i < weights.Length - 1; i++)
            store.Save($"{i}", weights[i]);
        store.Save(last is null ? "x" : $"{weights.Length - 1}", last ?? weights[^1]);
        return store;
    }
}
