using System.Text.Json.Nodes;
using Infinorm.Keras.Torch.Layers;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>A function of <c>keras.ops</c> in a graph, such as <c>x + y</c> or <c>x[:, 0]</c>. Masks end at it.</summary>
sealed class Operation
{
    readonly string _name;
    readonly Func<OperationArguments, object> _compute;
    readonly IReadOnlyDictionary<string, object?> _settings;

    Operation(string name, Func<OperationArguments, object> compute, IReadOnlyDictionary<string, object?> settings) =>
        (_name, _compute, _settings) = (name, compute, settings);

    /// <summary>Whether a node of a graph is an operation and no layer.</summary>
    public static bool IsOperation(JsonObject serialized) =>
        serialized["module"]?.ToString() is { } module
            && (module.StartsWith("keras.src.ops", StringComparison.Ordinal) || module.StartsWith("keras.ops", StringComparison.Ordinal));

    /// <summary>The operation; one that is not known is reported.</summary>
    public static Operation? Of(JsonObject serialized, Action<string> report)
    {
        string className = serialized["class_name"]?.ToString() ?? "?";
        if (!OperationTable.Operations.TryGetValue(className, out Func<OperationArguments, object>? compute))
        {
            report($"the operation keras.ops {className} is not known; known are "
                + $"{string.Join(", ", OperationTable.Operations.Keys.Order(StringComparer.Ordinal))}");
            return null;
        }

        var settings = ((serialized["config"] as JsonObject) ?? []).Where(item => item.Key != "name")
            .ToDictionary(item => item.Key, item => GraphArguments.Read(item.Value));
        return new Operation(className, compute, settings);
    }

    public object Invoke(IReadOnlyList<object?> arguments, IReadOnlyDictionary<string, object?> named) =>
        _compute(new OperationArguments(_name, arguments, named, _settings));
}

/// <summary>What an operation is called with: arguments of the call, and settings in its config.</summary>
sealed class OperationArguments(
    string name, IReadOnlyList<object?> arguments, IReadOnlyDictionary<string, object?> named,
    IReadOnlyDictionary<string, object?> settings)
{
    /// <summary>A tensor argument; a number becomes a scalar tensor of the other argument's type where that takes it.</summary>
    public Tensor Tensor(int index) => arguments.Count > index ? ToTensor(arguments[index]) : throw Missing($"argument {index}");

    /// <summary>The first argument as a list of tensors.</summary>
    public Tensor[] Tensors(int index = 0) => [.. Values.Tensors(arguments[index])];

    /// <summary>All tensor arguments.</summary>
    public Tensor[] AllTensors => [.. arguments.SelectMany(Values.Tensors)];

    public object? Raw(int index) => arguments.ElementAtOrDefault(index);

    public int Count => arguments.Count;

    public object? Setting(string key) => settings.TryGetValue(key, out object? value) || named.TryGetValue(key, out value) ? value : null;

    public bool IsTrue(string key) => Setting(key) is true;

    public long? Whole(string key) => Setting(key) switch { long whole => whole, double number => (long)number, _ => null };

    public double? Number(string key) => AsNumber(Setting(key));

    public string? Text(string key) => Setting(key) as string;

    /// <summary>A whole number or a list of them; null for none.</summary>
    public long[]? Axes(string key = "axis") => AsAxes(Setting(key));

    /// <summary>The axes that are given; all where none are.</summary>
    public long[] AllAxes(string key = "axis") => Axes(key) ?? [.. Enumerable.Range(0, (int)Tensor(0).dim()).Select(i => (long)i)];

    /// <summary>The first argument, as floating point.</summary>
    public Tensor Float() => Tensor(0) is var x && x.is_floating_point() ? x : x.to(ScalarType.Float32);

    public static long[]? AsAxes(object? value) => value switch
    {
        long axis => [axis],
        object?[] list => [.. list.Select(item => (long)item!)],
        _ => null,
    };

    public static double? AsNumber(object? value) =>
        value switch { long whole => whole, double number => number, bool truth => truth ? 1 : 0, _ => null };

    Tensor ToTensor(object? value)
    {
        if (value is Tensor tensor)
            return tensor;
        Tensor? other = AllTensors.FirstOrDefault();
        return value switch
        {
            long whole => torch_tensor(whole, other?.dtype ?? ScalarType.Int32),
            double number => torch_tensor(number, other is not null && other.is_floating_point() ? other.dtype : ScalarType.Float32),
            bool truth => TorchSharp.torch.tensor(truth),
            object?[] list => OfList(list),
            _ => throw Missing("a tensor"),
        };

        static Tensor torch_tensor(double number, ScalarType type) =>
            full([], Constant(number), dtype: type == ScalarType.Bool ? ScalarType.Int32 : type);
    }

    // A list of numbers, or of lists of the same length.
    Tensor OfList(object?[] list) => list switch
    {
        [object?[], ..] => stack([.. list.Select(item => OfList(item as object?[] ?? throw Missing("a list of lists")))]),
        _ when list.All(item => item is bool) => TorchSharp.torch.tensor([.. list.Select(item => (bool)item!)]),
        _ => TorchSharp.torch.tensor([.. list.Select(item => AsNumber(item) ?? throw Missing("a list of numbers"))],
            dtype: list.All(item => item is long) ? ScalarType.Int32 : ScalarType.Float32),
    };

    InvalidOperationException Missing(string what) => new($"The operation {name} is called without {what}.");
}
