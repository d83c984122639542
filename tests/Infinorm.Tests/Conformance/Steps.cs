using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Infinorm.Schedules;
using Infinorm.Variables;

namespace Infinorm.Tests.Conformance;

/// <summary>One operation of a case. Each knows its inputs and makes the call; the state afterwards is compared by the runner.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "op")]
[JsonDerivedType(typeof(ApplyStep), "apply")]
[JsonDerivedType(typeof(ApplyGradientsStep), "apply_gradients")]
[JsonDerivedType(typeof(BuildStep), "build")]
[JsonDerivedType(typeof(FinalizeStep), "finalize_variable_values")]
[JsonDerivedType(typeof(ExcludeStep), "exclude_from_weight_decay")]
[JsonDerivedType(typeof(SetLearningRateStep), "set_learning_rate")]
[JsonDerivedType(typeof(SetCallableValueStep), "set_callable_value")]
[JsonDerivedType(typeof(AssignIterationsStep), "assign_iterations")]
[JsonDerivedType(typeof(AssignVariableStep), "assign_variable")]
[JsonDerivedType(typeof(ScaleLossStep), "scale_loss")]
[JsonDerivedType(typeof(SetWeightsStep), "set_weights")]
[JsonDerivedType(typeof(SaveStep), "save_own_variables")]
[JsonDerivedType(typeof(LoadStep), "load_own_variables")]
[JsonDerivedType(typeof(ReloadStep), "reload")]
abstract record Step
{
    /// <summary>The state after the step, also after one that failed; null in scripts, which tell only whether they fail.</summary>
    public required Expectation? Expect { get; init; }

    /// <summary>The optimizer's variables from this step on; null when they have not changed.</summary>
    public VariableLayout[]? Layout { get; init; }

    /// <summary>What Keras raised; null when the call went through.</summary>
    public KerasError? Error { get; init; }

    /// <summary>What Keras warned of.</summary>
    public string[] Warnings { get; init; } = [];

    public abstract void Run(Session session);
}

/// <summary>A step that updates: its gradients, and the variables passed with them.</summary>
abstract record UpdateStep : Step
{
    public required GoldenGradient?[] Grads { get; init; }

    /// <summary>Indexes of the variables passed; null when the call passes none.</summary>
    public required int[]? Vars { get; init; }

    public int Missing => Grads.Count(gradient => gradient is null);

    public override void Run(Session session)
    {
        StepInfo info = Update(session, [.. Grads.Select(gradient => gradient?.ToGradient() ?? default)]);

        // Keras warns of missing gradients (a skipped step never comes to look for them); Infinorm counts them, over all built variables.
        Assert.Equal(Missing > 0 && info.Result != StepResult.Skipped, Warnings.Length > 0);
        Assert.All(Warnings, warning => Assert.StartsWith("Gradients do not exist for variables", warning));
        Assert.Equal(session.Optimizer.TrainableVariables.Count - (Grads.Length - Missing), info.MissingGradients);
    }

    protected abstract StepInfo Update(Session session, Gradient[] gradients);
}

sealed record ApplyStep : UpdateStep
{
    protected override StepInfo Update(Session session, Gradient[] gradients) => Vars is null
        ? session.Optimizer.Apply(gradients)
        : session.Optimizer.Apply(gradients, session.Select(Vars));
}

sealed record ApplyGradientsStep : UpdateStep
{
    protected override StepInfo Update(Session session, Gradient[] gradients) =>
        session.Optimizer.ApplyGradients([.. gradients.Zip(session.Select(Vars!))]);
}

sealed record BuildStep : Step
{
    public required int[] Vars { get; init; }

    public override void Run(Session session) => session.Optimizer.Build(session.Select(Vars));
}

sealed record FinalizeStep : Step
{
    public required int[] Vars { get; init; }

    public override void Run(Session session) => session.Optimizer.FinalizeVariableValues(session.Select(Vars));
}

sealed record ExcludeStep : Step
{
    public required string[]? VarNames { get; init; }

    public required int[]? VarList { get; init; }

    public override void Run(Session session) =>
        session.Optimizer.ExcludeFromWeightDecay(VarList is null ? null : session.Select(VarList), VarNames);
}

sealed record SetLearningRateStep : Step
{
    public required JsonElement Value { get; init; }

    public override void Run(Session session)
    {
        var rate = JsonNode.Parse(Value.GetRawText());
        if (KerasConfig.Callable(rate) is { } value)
            session.UseFunction(value);
        else
            session.Optimizer.LearningRate = rate is JsonObject schedule
                ? new LearningRate(LearningRateSchedule.FromConfig(schedule))
                : new LearningRate(GoldenJson.Read<double>(Value));
    }
}

sealed record SetCallableValueStep : Step
{
    public required double Value { get; init; }

    public override void Run(Session session) => session.FunctionValue = Value;
}

sealed record AssignIterationsStep : Step
{
    public required long Value { get; init; }

    public override void Run(Session session) => session.Counter.Assign<long>(Value);
}

sealed record AssignVariableStep : Step
{
    public required int Index { get; init; }

    public required GoldenArray Value { get; init; }

    public override void Run(Session session) => session.Variables[Index].Assign(Value.ToNdArray());
}

sealed record ScaleLossStep : Step
{
    public required double Loss { get; init; }

    public required GoldenNumber Result { get; init; }

    public override void Run(Session session)
    {
        double scaled = Result.Dtype switch
        {
            "float32" => session.Optimizer.ScaleLoss((float)Loss),
            "float64" or "python_float" => session.Optimizer.ScaleLoss(Loss),
            _ => throw new NotSupportedException($"A loss of {Result.Dtype}."),
        };
        Assert.Equal(Result.Value, scaled);
    }
}

sealed record SetWeightsStep : Step
{
    public required GoldenArray[] Weights { get; init; }

    public override void Run(Session session) =>
        session.Optimizer.SetWeights([.. Weights.Select(weight => weight.ToNdArray())]);
}

sealed record SaveStep : Step
{
    public required Dictionary<string, GoldenArray> Store { get; init; }

    public override void Run(Session session) => session.CompareSaved(Store);
}

sealed record LoadStep : Step
{
    public required Dictionary<string, GoldenArray> Store { get; init; }

    public override void Run(Session session) => session.Optimizer.LoadOwnVariables(Session.ToStore(Store));
}

/// <summary>Saves config and state, makes a fresh optimizer from the config, builds it, and loads the state.</summary>
sealed record ReloadStep : Step
{
    public required JsonObject Config { get; init; }

    public required Dictionary<string, GoldenArray> Store { get; init; }

    public override void Run(Session session)
    {
        JsonComparison.AssertSame(Config, JsonComparison.ConfigOf(session.Optimizer));
        session.CompareSaved(Store);
        session.Reload(Config, Session.ToStore(Store));
    }
}
