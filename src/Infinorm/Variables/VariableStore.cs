namespace Infinorm.Variables;

/// <summary>
/// Variables in memory, one array a key, as in the HDF5 group that Keras hands to <c>save_own_variables</c>; <see cref="Keys"/> in the order
/// in which they were first saved.
/// </summary>
public sealed class VariableStore
{
    readonly OrderedDictionary<string, NdArray> _values = [];

    /// <summary>The keys that have a value.</summary>
    public IReadOnlyCollection<string> Keys => _values.Keys;

    /// <summary>Sets the value of a key, new or not.</summary>
    public void Save(string key, NdArray value)
    {
        ArgumentNullException.ThrowIfNull(value);
        _values[key] = value;
    }

    /// <summary>The value of a key.</summary>
    /// <exception cref="KeyNotFoundException">The key has none.</exception>
    public NdArray Load(string key) =>
        _values.TryGetValue(key, out var value) ? value : throw new KeyNotFoundException($"The store has no key '{key}'.");
}
