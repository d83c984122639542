using System.Runtime.CompilerServices;
using Infinorm.Variables;
using PureHDF;

namespace Infinorm.Keras.Hdf5;

/// <summary>Writes a file anew, where the groups and datasets are not those of a file that was read.</summary>
static class Hdf5Writer
{
    /// <summary>Refuses a tree that cannot be written whole, before anything is written.</summary>
    /// <exception cref="NotSupportedException">
    /// A dataset's type or an attribute is none that can be written, or the program is compiled ahead of time.
    /// </exception>
    public static void Check(Hdf5Group root)
    {
        if (!RuntimeFeature.IsDynamicCodeSupported)
            throw CompiledAhead();
        foreach (var (path, group) in root.All())
        {
            foreach (var (name, value) in group.Attributes)
            {
                if (value is null)
                    throw new NotSupportedException($"{path}: the attribute '{name}' is no text and cannot be written.");
            }
        }

        foreach (var (path, dataset) in root.AllDatasets())
            ToArray(path, dataset with { Data = default }); // only the type is asked for
    }

    /// <summary>Writes the file to a stream that can seek.</summary>
    public static void Write(Stream stream, Hdf5Group root)
    {
        // The compiler knows the answer, and leaves PureHDF out of such a program.
        if (!RuntimeFeature.IsDynamicCodeSupported)
            throw CompiledAhead();
        var file = new H5File();
        Fill(file, root, "");
        file.Write(stream, new H5WriteOptions(PreferCompactDatasetLayout: false)); // as Keras has them
    }

    static NotSupportedException CompiledAhead() => new(
        "A program compiled ahead of time (Native AOT) can save an archive that was opened, with the optimizer that it has, "
        + "but not write its HDF5 file anew.");

    static void Fill(H5Group to, Hdf5Group from, string path)
    {
        foreach (var (name, value) in from.Attributes)
            to.Attributes[name] = value!;
        foreach (var (name, group) in from.Groups)
        {
            var child = new H5Group();
            Fill(child, group, Hdf5Group.Join(path, name));
            to[name] = child;
        }

        foreach (var (name, dataset) in from.Datasets)
            to[name] = ToH5(Hdf5Group.Join(path, name), dataset);
    }

    static H5Dataset ToH5(string path, Hdf5Dataset dataset)
    {
        Array values = ToArray(path, dataset);
        ulong[] shape = Array.ConvertAll(dataset.Shape, size => (ulong)size);
        if (dataset.Type.Name != "bfloat16")
            return new H5Dataset(shape.Length == 0 ? values.GetValue(0)! : values, fileDims: shape.Length == 0 ? null : shape);

        // As h5py writes it: two opaque bytes; it cannot read a tag.
        var h5 = new H5Dataset(values, fileDims: shape, opaqueInfo: new H5OpaqueInfo(2, ""));
        h5.Attributes["dtype"] = dataset.Type.Name;
        return h5;
    }

    static Array ToArray(string path, Hdf5Dataset dataset)
    {
        ByteRange data = dataset.Data;
        return dataset.Type.Name switch
        {
            "float16" => data.ToArray<Half>(),
            "bfloat16" => data.ToArray<byte>(),
            "float32" => data.ToArray<float>(),
            "float64" => data.ToArray<double>(),
            Hdf5Type.Bool => data.ToArray<Hdf5Bool>(),
            "int8" => data.ToArray<sbyte>(),
            "uint8" => data.ToArray<byte>(),
            "int16" => data.ToArray<short>(),
            "uint16" => data.ToArray<ushort>(),
            "int32" => data.ToArray<int>(),
            "uint32" => data.ToArray<uint>(),
            "int64" => data.ToArray<long>(),
            "uint64" => data.ToArray<ulong>(),
            string name => throw new NotSupportedException($"{path}: data of type {name} cannot be written anew."),
        };
    }

    // As h5py writes NumPy's bool: an enumeration with these names. (It has int8 below, and reads any; PureHDF writes bytes.)
    enum Hdf5Bool : byte
    {
        FALSE,
        TRUE,
    }
}
