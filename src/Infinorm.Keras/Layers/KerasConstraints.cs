using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Constraints;

namespace Infinorm.Keras.Layers;

/// <summary>Keras's constraints, read from a layer's settings.</summary>
static class KerasConstraints
{
    const string Module = "keras.constraints";

    /// <summary>Keras's constraints, and those that users register.</summary>
    public static Registry<Constraint> Classes { get; } = new Registry<Constraint>("constraint")
        .Add(Module, config => new MaxNorm(config.Number("max_value", 2), Axis(config)))
        .Add(Module, config => new MinMaxNorm(
            config.Number("min_value", 0), config.Number("max_value", 1), config.Number("rate", 1), Axis(config)))
        .Add(Module, config => new UnitNorm(Axis(config)))
        .Add(Module, _ => new NonNeg())
        .Add("NonNegative", Module, _ => new NonNeg());

    /// <summary>
    /// The constraint, or null for none. One that is not known, or has settings that are not, is read as one that refuses to be built,
    /// so that a file can be looked into but nothing is trained without what its author wanted.
    /// </summary>
    public static Constraint? FromConfig(JsonNode? node)
    {
        if (node is null || node.GetValueKind() is JsonValueKind.Null)
            return null;
        try
        {
            var read = KerasObject.Read("constraint", node as JsonObject ?? throw new FormatException($"a constraint is {PythonJson.Write(node)}"));
            if (read.ClassName == KerasObject.FunctionClass)
                return new UnknownConstraint($"the constraint {read.Config} is a function, and is not known. Set the variable's property Constraint.");
            return Classes.Knows(read.ClassName)
                ? Classes.Create(read)
                : new UnknownConstraint(
                    $"the constraint {read.ClassName} is not known. Register it with {nameof(KerasArchive)}."
                    + $"{nameof(KerasArchive.RegisterConstraint)}, or set the variable's property Constraint.");
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            return new UnknownConstraint(e.Message);
        }
    }

    /// <summary>For a weight of a layer that has a constraint, if it is not known for which weight.</summary>
    /// <param name="found">The layer and the constraint: "layer my_dense has kernel_constraint NonNeg".</param>
    public static Constraint Unplaced(string found) => new UnknownConstraint(
        $"the {found}, but the file does not say for which of its weights. Set the property Constraint of each of its variables, to null for none.");

    // One axis, or a list of them.
    static int[] Axis(ConfigReader config)
    {
        double[] axes = config.IsList("axis") ? config.Numbers("axis") : [config.Number("axis", 0)];
        return Array.ConvertAll(axes, axis => axis == (int)axis ? (int)axis : throw new FormatException($"an axis is {axis}"));
    }

    sealed class UnknownConstraint(string problem) : Constraint
    {
        protected internal override void Validate(string variable, ReadOnlySpan<nint> shape) =>
            throw new ArgumentException($"{variable}: {problem}");

        protected internal override void Apply<T>(Span<T> values, ReadOnlySpan<nint> shape) =>
            throw new InvalidOperationException("A constraint that is not known was applied."); // Validate has refused it
    }
}
