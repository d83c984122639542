namespace Infinorm;

/// <summary>Variables in memory; <see cref="Keys"/> in the order in which they were first saved.</summary>
public sealed class VariableStore : IVariableStore
{
    readonly OrderedDictionary<string, NdArray> _values = [];

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Keys => _values.Keys;

    /// <inheritdoc/>
    public void Save(string key, NdArray value)
    {
        ArgumentNullException.ThrowIfNull(value);
        _values[key] = value;
    }

    /// <inheritdoc/>
    public NdArray Load(string key) =>
        _values.TryGetValue(key, out var value) ? value : throw new KeyNotFoundException($"The store has no key '{key}'.");
}
