using System.Runtime.CompilerServices;
using Infinorm.Variables;
using PureHDF;
using PureHDF.Selections;

namespace Infinorm.Keras.Hdf5;

/// <summary>Writes a new file, for groups and datasets that differ from those of the file that was read.</summary>
static class Hdf5Writer
{
    const long PieceLength = 1 << 30; // PureHDF takes arrays of less than 2 GiB

    /// <summary>Refuses a tree that cannot be written whole, before anything is written.</summary>
    /// <exception cref="NotSupportedException">
    /// A dataset's type or an attribute cannot be written, or the program is compiled ahead of time.
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
                    throw new NotSupportedException($"{path}: the attribute '{name}' is not a text and cannot be written.");
            }
        }

        foreach (var (path, dataset) in root.AllDatasets())
            ToH5(path, dataset with { Shape = [0], Data = default }, PieceLength, []); // only the type is asked for
    }

    /// <summary>Writes the file to a stream that can seek.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="root">The root group.</param>
    /// <param name="pieceLength">A larger dataset is written in pieces of at most this many bytes.</param>
    public static void Write(Stream stream, Hdf5Group root, long pieceLength = PieceLength)
    {
        // The compiler knows the answer, and leaves PureHDF out of such a program.
        if (!RuntimeFeature.IsDynamicCodeSupported)
            throw CompiledAhead();
        var file = new H5File();
        List<Action<H5NativeWriter>> inPieces = [];
        Fill(file, root, "", pieceLength, inPieces);
        using H5NativeWriter writer = file.BeginWrite(stream, new H5WriteOptions(PreferCompactDatasetLayout: false)); // as Keras has them
        inPieces.ForEach(write => write(writer));
    }

    static NotSupportedException CompiledAhead() => new(
        "A program compiled ahead of time (Native AOT) can save an archive that was opened, with the optimizer that it has, "
        + "but not write a new HDF5 file.");

    static void Fill(H5Group to, Hdf5Group from, string path, long pieceLength, List<Action<H5NativeWriter>> inPieces)
    {
        foreach (var (name, value) in from.Attributes)
            to.Attributes[name] = value!;
        foreach (var (name, group) in from.Groups)
        {
            var child = new H5Group();
            Fill(child, group, Hdf5Group.Join(path, name), pieceLength, inPieces);
            to[name] = child;
        }

        foreach (var (name, dataset) in from.Datasets)
            to[name] = ToH5(Hdf5Group.Join(path, name), dataset, pieceLength, inPieces);
    }

    static H5Dataset ToH5(string path, Hdf5Dataset dataset, long pieceLength, List<Action<H5NativeWriter>> inPieces)
    {
        ByteRange data = dataset.Data;
        ulong[] shape = Array.ConvertAll(dataset.Shape, size => (ulong)size);
        return dataset.Type.Name switch
        {
            "float16" => Of<Half>(),
            "bfloat16" => Named(Of<byte>(new H5OpaqueInfo(2, ""))), // as h5py writes it: two opaque bytes; it cannot read a tag
            "float32" => Of<float>(),
            "float64" => Of<double>(),
            Hdf5Type.Bool => Of<Hdf5Bool>(),
            "int8" => Of<sbyte>(),
            "uint8" => Of<byte>(),
            "int16" => Of<short>(),
            "uint16" => Of<ushort>(),
            "int32" => Of<int>(),
            "uint32" => Of<uint>(),
            "int64" => Of<long>(),
            "uint64" => Of<ulong>(),
            string name => throw new NotSupportedException($"{path}: data of type {name} cannot be written to a new file."),
        };

        H5Dataset Of<T>(H5OpaqueInfo? opaque = null)
            where T : unmanaged
        {
            if (data.Length <= pieceLength)
            {
                T[] values = data.ToArray<T>();
                return shape.Length == 0 && opaque is null ? new H5Dataset(values[0]) : new H5Dataset(values, fileDims: shape, opaqueInfo: opaque);
            }

            var h5 = new H5Dataset<T[]>(shape, opaqueInfo: opaque);
            inPieces.Add(writer =>
            {
                long at = 0;
                foreach (HyperslabSelection piece in Pieces(shape, pieceLength / dataset.Type.Size))
                {
                    long length = (long)piece.TotalElementCount * dataset.Type.Size;
                    writer.Write(h5, data.Slice(at, length).ToArray<T>(), new HyperslabSelection(0, piece.TotalElementCount), piece);
                    at += length;
                }
            });
            return h5;
        }

        H5Dataset Named(H5Dataset h5)
        {
            h5.Attributes["dtype"] = dataset.Type.Name;
            return h5;
        }
    }

    // An array's elements in C order, cut into pieces of limited length: ranges of one axis, with all axes after it.
    static IEnumerable<HyperslabSelection> Pieces(ulong[] shape, long maxLength)
    {
        int axis = shape.Length - 1;
        ulong behind = 1; // elements of the axes behind that one
        while (axis > 0 && shape[axis] * behind <= (ulong)maxLength)
            behind *= shape[axis--];
        ulong step = (ulong)maxLength / behind, before = shape[..axis].Aggregate(1UL, (product, size) => product * size);
        for (ulong outer = 0; outer < before; outer++)
        {
            for (ulong start = 0; start < shape[axis]; start += step)
            {
                ulong[] starts = new ulong[shape.Length], blocks = [.. shape];
                ulong rest = outer;
                for (int i = axis - 1; i >= 0; i--)
                {
                    (starts[i], blocks[i]) = (rest % shape[i], 1);
                    rest /= shape[i];
                }

                (starts[axis], blocks[axis]) = (start, Math.Min(step, shape[axis] - start));
                yield return new HyperslabSelection(shape.Length, starts, blocks);
            }
        }
    }

    // As h5py writes NumPy's bool: an enumeration with these names. (It has int8 below, and reads any; PureHDF writes bytes.)
    enum Hdf5Bool : byte
    {
        FALSE,
        TRUE,
    }
}
