using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Infinorm.Constraints;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tests.Conformance;

/// <summary>One case of kind <c>cases</c>: an optimizer, variables, and steps with the state after each.</summary>
sealed record OptimizerCase(
    string Id, OptimizerSpec Optimizer, VariableSpec[] Variables, Step[] Steps, DType Floatx,
    string? Note = null, string? BackendNote = null, PackedSteps? Packed = null,
    Tolerance? Tolerance = null);

/// <summary>How the optimizer was made.</summary>
/// <param name="Serialized">Keras's config object; null when the learning rate is a function, which no config can hold.</param>
/// <param name="Kwargs">The arguments of the (inner) optimizer.</param>
/// <param name="LossScaleKwargs">The arguments of the LossScaleOptimizer around it; null without one.</param>
/// <param name="ClassName">The class of the (inner) optimizer, for when there is no config object.</param>
sealed record OptimizerSpec(JsonObject? Serialized, JsonObject Kwargs, JsonObject? LossScaleKwargs, string ClassName = "Adamax")
{
    /// <summary>The value that a learning rate that is a function starts with; null for any other learning rate.</summary>
    public double? Callable => KerasConfig.Callable(Kwargs["learning_rate"]);

    /// <summary>Makes the optimizer where it is not made from a config.</summary>
    [JsonIgnore]
    public Func<Optimizer>? Make { get; init; }

    /// <summary>A new optimizer.</summary>
    public Optimizer Create(DType floatX) => Make?.Invoke() ?? Infinorm.Optimizer.FromConfig(Config(), floatX);

    /// <summary>The config object to build the optimizer from; without the learning rate when that is a function.</summary>
    public JsonObject Config()
    {
        if (Serialized is not null)
            return Serialized;
        var kwargs = (JsonObject)Kwargs.DeepClone();
        if (Callable is not null)
            kwargs.Remove("learning_rate");
        return KerasConfig.WithNames(KerasConfig.Of(ClassName, kwargs, LossScaleKwargs));
    }
}

/// <summary>A model variable.</summary>
sealed record VariableSpec(
    string Name, string Path, DType Dtype, int[] Shape, [property: JsonPropertyName("b64")] byte[] Bytes,
    ConstraintSpec? Constraint, bool OverwriteWithGradient)
{
    public Variable ToVariable()
    {
        var array = new GoldenArray(Dtype, Shape, Bytes);
        return Dtype switch
        {
            DType.Float16 => Make<Half>(array),
            DType.BFloat16 => Make<BFloat16>(array),
            DType.Float32 => Make<float>(array),
            DType.Float64 => Make<double>(array),
            _ => throw new NotSupportedException($"{Path}: a variable of {Dtype}."),
        };
    }

    Variable<T> Make<T>(GoldenArray array) where T : unmanaged =>
        new(Path, array.Values<T>(), Shape) { Constraint = Constraint?.ToConstraint(), OverwriteWithGradient = OverwriteWithGradient };
}

/// <summary>A constraint of a variable, in Keras's config form.</summary>
sealed record ConstraintSpec(string ClassName, ConstraintConfig Config)
{
    /// <summary>Whether the constraint computes a norm, whose last bits no two summation orders share.</summary>
    public bool HasNorm => ClassName != "NonNeg";

    public Constraint ToConstraint() => ClassName switch
    {
        "NonNeg" => new NonNeg(),
        "MaxNorm" => new MaxNorm(Config.MaxValue ?? 2, Config.Axis ?? [0]),
        "UnitNorm" => new UnitNorm(Config.Axis ?? [0]),
        "MinMaxNorm" => new MinMaxNorm(Config.MinValue ?? 0, Config.MaxValue ?? 1, Config.Rate ?? 1, Config.Axis ?? [0]),
        _ => throw new NotSupportedException($"A constraint {ClassName}."),
    };
}

sealed record ConstraintConfig(
    double? MinValue = null, double? MaxValue = null, double? Rate = null,
    [property: JsonConverter(typeof(OneOrManyConverter))] int[]? Axis = null);

/// <summary>What Keras raised.</summary>
sealed record KerasError(string Type, string Message);

/// <summary>One optimizer variable, in Keras's order.</summary>
sealed record VariableLayout(string Name, string Path, DType Dtype, int[] Shape);

/// <summary>A number and the type it has in Keras (<c>python_float</c> for a plain Python number).</summary>
/// <param name="Error">What Keras raises instead; null if there is a number.</param>
sealed record GoldenNumber(string? Dtype = null, double Value = 0, string? Error = null);

/// <summary>The whole state after a step.</summary>
/// <param name="Variables">The bytes of each model variable.</param>
/// <param name="OptimizerVariables">The bytes of each optimizer variable, as the latest layout orders them.</param>
/// <param name="Iterations">The public counter, divided by the accumulation steps.</param>
/// <param name="RawIterations">The stored counter.</param>
sealed record Expectation(
    byte[][] Variables, byte[][] OptimizerVariables, long Iterations, long RawIterations, GoldenNumber LearningRate);
