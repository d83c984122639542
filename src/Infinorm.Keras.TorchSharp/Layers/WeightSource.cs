namespace Infinorm.Keras.Torch.Layers;

/// <summary>The weights of an archive, handed out to the layers that have them.</summary>
sealed class WeightSource(KerasArchive archive)
{
    readonly Dictionary<string, Queue<KerasWeight>> _byPath = archive.Weights
        .GroupBy(weight => weight.Variable.Path)
        .ToDictionary(group => group.Key, group => new Queue<KerasWeight>(group));

    readonly List<string> _missing = [];

    /// <summary>The archive.</summary>
    public KerasArchive Archive => archive;

    /// <summary>The archive's weight for a layer's; null where it has none.</summary>
    public KerasWeight? Find(LayerWeight weight)
    {
        if (_byPath.TryGetValue(weight.Path, out Queue<KerasWeight>? found) && found.TryDequeue(out KerasWeight? stored))
            return stored;

        // A cell's name is not in its layer's config.
        if (weight.Path.Split('/') is [.. var outer, _, var name])
        {
            Queue<KerasWeight>[] alike = [.. from item in _byPath where IsLike(item.Key.Split('/')) && item.Value.Count > 0 select item.Value];
            if (alike.Length == 1)
                return alike[0].Dequeue();

            bool IsLike(string[] path) => path.Length == outer.Length + 2 && path[^1] == name && path.AsSpan(0, outer.Length).SequenceEqual(outer) && outer.Length > 0;
        }

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
