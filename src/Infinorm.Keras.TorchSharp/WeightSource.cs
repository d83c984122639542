namespace Infinorm.Keras.Torch;

/// <summary>The weights of an archive, handed out to the layers that have them.</summary>
sealed class WeightSource(KerasArchive archive)
{
    readonly Dictionary<string, Queue<KerasWeight>> _byPath = archive.Weights
        .GroupBy(weight => weight.Variable.Path)
        .ToDictionary(group => group.Key, group => new Queue<KerasWeight>(group));

    readonly List<string> _missing = [];

    /// <summary>The archive's weight for a layer's; null where it has none.</summary>
    public KerasWeight? Find(LayerWeight weight)
    {
        if (_byPath.TryGetValue(weight.Path, out Queue<KerasWeight>? found) && found.TryDequeue(out KerasWeight? stored))
            return stored;
        _missing.Add(weight.Path);
        return null;
    }

    /// <exception cref="NotSupportedException">A layer's weight was not found, or a stored weight belongs to no layer.</exception>
    public void RequireAllUsed()
    {
        string[] left = [.. _byPath.Values.SelectMany(rest => rest).Select(weight => $"{weight.Variable.Path} ({weight.Location})")];
        if (_missing.Count > 0 || left.Length > 0)
        {
            throw new NotSupportedException("The weights do not fit the layers."
                + (_missing.Count > 0 ? $" The archive lacks {string.Join(", ", _missing)}." : "")
                + (left.Length > 0 ? $" No layer has {string.Join(", ", left)}." : ""));
        }
    }
}
