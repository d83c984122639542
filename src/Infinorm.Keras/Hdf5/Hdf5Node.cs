using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Keras.Hdf5;

/// <summary>A group of an HDF5 file: named groups, named datasets and attributes.</summary>
sealed class Hdf5Group
{
    // The dictionaries are made when something is in them or they are asked for: a file may be made of empty groups.
    Dictionary<string, Hdf5Group>? _groups;
    Dictionary<string, Hdf5Dataset>? _datasets;
    Dictionary<string, string?>? _attributes;

    /// <summary>The groups in it, by name.</summary>
    public Dictionary<string, Hdf5Group> Groups => _groups ??= new(StringComparer.Ordinal);

    /// <summary>The datasets in it, by name.</summary>
    public Dictionary<string, Hdf5Dataset> Datasets => _datasets ??= new(StringComparer.Ordinal);

    /// <summary>Its attributes; null for the value of one that is no text.</summary>
    public Dictionary<string, string?> Attributes => _attributes ??= new(StringComparer.Ordinal);

    /// <summary>Whether it has neither groups nor datasets.</summary>
    public bool IsEmpty => _groups is null or { Count: 0 } && _datasets is null or { Count: 0 };

    /// <summary>Whether there is a dataset in it, or in a group in it.</summary>
    public bool HasData => !IsEmpty && (Datasets.Count > 0 || Groups.Values.Any(group => group.HasData));

    /// <summary>The group at a path of names joined by <c>/</c>, or null.</summary>
    public Hdf5Group? Find(string path)
    {
        Hdf5Group? group = this;
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
            group = group?.Groups.GetValueOrDefault(name);
        return group;
    }

    /// <summary>As <see cref="Find"/>, but makes what is missing.</summary>
    /// <exception cref="ArgumentException">It is nested deeper than a reader accepts.</exception>
    public Hdf5Group Make(string path)
    {
        if (path.AsSpan().Trim('/').Count('/') >= Hdf5Reader.MaxDepth)
        {
            throw new ArgumentException(
                $"'{path.AsSpan(0, Math.Min(path.Length, 60))}…' is nested deeper than {Hdf5Reader.MaxDepth} groups.", nameof(path));
        }

        Hdf5Group group = this;
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!group.Groups.TryGetValue(name, out Hdf5Group? next))
                group.Groups.Add(name, next = new Hdf5Group());
            group = next;
        }

        return group;
    }

    /// <summary>This group and all below it, each with its path ("" for this one).</summary>
    public IEnumerable<(string Path, Hdf5Group Group)> All(string path = "")
    {
        yield return (path, this);
        foreach (var (name, group) in Groups)
        {
            foreach (var below in group.All(Join(path, name)))
                yield return below;
        }
    }

    /// <summary>All datasets below this group, each with its path.</summary>
    public IEnumerable<(string Path, Hdf5Dataset Dataset)> AllDatasets() =>
        All().SelectMany(g => g.Group.Datasets, (g, dataset) => (Join(g.Path, dataset.Key), dataset.Value));

    /// <summary>"layers/dense" of "layers" and "dense".</summary>
    public static string Join(string path, string name) => path.Length == 0 ? name : $"{path}/{name}";
}

/// <summary>An array of an HDF5 file.</summary>
/// <param name="Type">The type of its elements.</param>
/// <param name="Shape">The sizes of its axes, outermost first; empty for a single number.</param>
/// <param name="Data">The elements in C order, little-endian: a view of the file's image, or memory of its own.</param>
sealed record Hdf5Dataset(Hdf5Type Type, nint[] Shape, ByteRange Data)
{
    /// <summary>The elements as an array, copied. Only for a type that has a <see cref="Hdf5Type.DType"/>.</summary>
    public NdArray ToNdArray()
    {
        NdArray copy = NdArray.Zeros(Type.DType!.Value, Shape);
        Data.CopyTo(copy.Data);
        return copy;
    }

    /// <summary>A dataset with memory of its own.</summary>
    public static Hdf5Dataset Of(NdArray value)
    {
        var dataset = new Hdf5Dataset(Hdf5Type.Of(value.DType), value.Shape.ToArray(), NdArray.Zeros(value.DType, value.Shape).Data);
        value.Data.CopyTo(dataset.Data);
        return dataset;
    }
}

/// <summary>The type of a dataset's elements.</summary>
/// <param name="Name">As NumPy calls it where there is such a type: "float32", "uint32".</param>
/// <param name="Size">Bytes of an element.</param>
/// <param name="DType">The type as ours, or null if we have none: such data are kept as they are.</param>
readonly record struct Hdf5Type(string Name, int Size, DType? DType = null)
{
    /// <summary>The name of h5py's bool: one byte, 0 or 1.</summary>
    public const string Bool = "bool";

    public static Hdf5Type Of(DType type) => new(type.KerasName(), type.Size(), type);
}
