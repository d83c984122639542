namespace Infinorm;

/// <summary>
/// Where an optimizer saves its variables and loads them from: one array a key, as in the HDF5 group that Keras hands to
/// <c>save_own_variables</c>.
/// </summary>
public interface IVariableStore
{
    /// <summary>The keys that have a value.</summary>
    IReadOnlyCollection<string> Keys { get; }

    /// <summary>Sets the value of a key, new or not.</summary>
    void Save(string key, NdArray value);

    /// <summary>The value of a key.</summary>
    /// <exception cref="KeyNotFoundException">The key has none.</exception>
    NdArray Load(string key);
}
