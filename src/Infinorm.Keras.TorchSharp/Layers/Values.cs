using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>Nested arguments and results of layers: tensors in lists and dictionaries.</summary>
static class Values
{
    public static readonly IReadOnlyDictionary<string, object?> NoNames = new Dictionary<string, object?>();

    /// <summary>All tensors in a value, in Keras's order: dictionaries by their keys.</summary>
    public static IEnumerable<Tensor> Tensors(object? value) => value switch
    {
        Tensor tensor => [tensor],
        IReadOnlyDictionary<string, object?> named => named.OrderBy(item => item.Key, StringComparer.Ordinal).SelectMany(item => Tensors(item.Value)),
        IEnumerable<object?> list => list.SelectMany(Tensors),
        _ => [],
    };

    /// <summary>The value with each tensor replaced.</summary>
    public static object? Map(object? value, Func<Tensor, Tensor> map) => value switch
    {
        Tensor tensor => map(tensor),
        IReadOnlyDictionary<string, object?> named => named.ToDictionary(item => item.Key, item => Map(item.Value, map)),
        IReadOnlyList<object?> list => Map(list, map),
        _ => value,
    };

    /// <summary>The list with each tensor replaced.</summary>
    public static object?[] Map(IReadOnlyList<object?> list, Func<Tensor, Tensor> map) => [.. list.Select(item => Map(item, map))];
}
