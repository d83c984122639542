using System.Text.Json.Nodes;
using Infinorm.Keras.Torch.Layers;
using TorchSharp;
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
        foreach (string problem in OperationSettings.Problems(className, settings))
            report(problem);
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
    public Tensor Tensor(int index) => Raw(index) as Tensor ?? ToTensor(Raw(index), Values.Tensors(arguments).FirstOrDefault());

    /// <summary>The first argument as a list of tensors.</summary>
    public Tensor[] Tensors(int index = 0) => Raw(index) is object?[] list
        ? OfOneType([.. list.Select(item => ToTensor(item, Values.Tensors(list).FirstOrDefault()))])
        : [.. Tensor(index).unbind(0)];

    /// <summary>Two arguments, as tensors of the type that both become.</summary>
    public (Tensor X, Tensor Y) Both(int first = 0, int second = 1)
    {
        Tensor x = ToTensor(Raw(first), Raw(second) as Tensor), y = ToTensor(Raw(second), Raw(first) as Tensor);
        ScalarType type = result_type(x, y);
        return (x.to(type), y.to(type));
    }

    /// <summary>What computes an operation from its two arguments, which get one type.</summary>
    public static Func<OperationArguments, object> OfBoth(Func<Tensor, Tensor, Tensor> compute) => a =>
    {
        (Tensor x, Tensor y) = a.Both();
        return compute(x, y);
    };

    /// <summary>The same with arguments of floating point.</summary>
    public static Func<OperationArguments, object> OfBothFloat(
        Func<Tensor, Tensor, Tensor> compute, ScalarType ofInt64 = ScalarType.Float32) =>
        OfBoth((x, y) => compute(ToFloat(x, ofInt64), ToFloat(y, ofInt64)));

    /// <summary>Tensors of the type that all become.</summary>
    public static Tensor[] OfOneType(Tensor[] tensors)
    {
        Tensor widest = tensors.Aggregate((x, y) => x.dtype == result_type(x, y) ? x : y.to(result_type(x, y)));
        return Array.ConvertAll(tensors, x => x.to(widest.dtype));
    }

    /// <summary>All arguments as tensors of one type.</summary>
    public Tensor[] All => OfOneType([.. Enumerable.Range(0, arguments.Count).Select(Tensor)]);

    public object? Raw(int index) => arguments.ElementAtOrDefault(index);

    /// <summary>An argument that is given by its place or by its name.</summary>
    public object? Raw(int index, string key) => arguments.Count > index ? arguments[index] : Setting(key);

    /// <summary>The same as a tensor; null for none.</summary>
    public Tensor? Optional(int index, string key) =>
        Raw(index, key) is { } value ? ToTensor(value, Values.Tensors(arguments).FirstOrDefault()) : null;

    public object? Setting(string key) => settings.TryGetValue(key, out object? value) || named.TryGetValue(key, out value) ? value : null;

    public bool IsTrue(string key) => Setting(key) is true;

    public long? Whole(string key) => Setting(key) switch { long whole => whole, double number => (long)number, _ => null };

    public double? Number(string key) => AsNumber(Setting(key));

    public string? Text(string key) => Setting(key) as string;

    public ScalarType? Type(string key = "dtype") => DTypes.Parse(Text(key));

    /// <summary>A number that keeps whole tensors whole if it is whole; null for none.</summary>
    public Scalar? Bound(string key) => AsScalar(Setting(key));

    /// <summary>A whole number or a list of them; null for none.</summary>
    public long[]? Axes(string key = "axis") => AsAxes(Setting(key));

    /// <summary>The axes that are given, from the front; all where none are.</summary>
    public long[] AllAxes(string key = "axis") =>
        FromFront(Axes(key) ?? [.. Enumerable.Range(0, (int)Tensor(0).dim()).Select(i => (long)i)]);

    /// <summary>The axes that are given, from the front; all for null, and one of them where the config has none.</summary>
    public long[] AxesOr(long axis) => settings.ContainsKey("axis") ? AllAxes() : FromFront([axis]);

    /// <summary>The first argument, as floating point.</summary>
    public Tensor Float(ScalarType ofInt64 = ScalarType.Float32) => ToFloat(Tensor(0), ofInt64);

    /// <summary>The first argument, truth values as 0 and 1.</summary>
    public Tensor Numeric() => Tensor(0) is var x && x.dtype == ScalarType.Bool ? x.to(ScalarType.Int32) : x;

    public static long[]? AsAxes(object? value) => value switch
    {
        long axis => [axis],
        object?[] list => [.. list.Select(item => (long)item!)],
        _ => null,
    };

    public static double? AsNumber(object? value) =>
        value switch { long whole => whole, double number => number, bool truth => truth ? 1 : 0, _ => null };

    public static Scalar? AsScalar(object? value) =>
        value switch { long whole => Constant(whole), double number => Constant(number), _ => null };

    static Tensor ToFloat(Tensor x, ScalarType ofInt64) =>
        x.is_floating_point() ? x : x.to(x.dtype == ScalarType.Int64 ? ofInt64 : ScalarType.Float32);

    long[] FromFront(long[] axes) => Layers.BuiltIn.Axes.FromFront(axes, Tensor(0).dim());

    Tensor ToTensor(object? value, Tensor? other) => value switch
    {
        Tensor tensor => tensor,
        long whole => Single(whole, other?.dtype is null or ScalarType.Bool ? ScalarType.Int32 : other.dtype),
        double number => Single(number, other is not null && other.is_floating_point() ? other.dtype : ScalarType.Float32),
        bool truth => TorchSharp.torch.tensor(truth),
        object?[] list => OfList(list),
        _ => throw Missing("a tensor"),
    };

    static Tensor Single(double number, ScalarType type) => full([], Constant(number), dtype: type);

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
