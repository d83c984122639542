using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Keras;
using Infinorm.Keras.Hdf5;
using Infinorm.Tool.Terminal;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tool.Files;

/// <summary>
/// An open file with an optimizer's state or a model's weights, whatever its format: settings, and tensors by the names that they have
/// in a checkpoint, each read when it is asked for.
/// </summary>
abstract class StateFile(string path, Session session) : IDisposable
{
    // Elements: 64 KB of them as double, so that no piece is a large object, which would stay until the whole heap is collected.
    const int PieceLength = 1 << 13;

    /// <summary>As the user named it.</summary>
    public string Path { get; } = path;

    /// <summary>"Keras archive", …</summary>
    public abstract string Format { get; }

    /// <summary>The optimizer's config; null if the file has none.</summary>
    public abstract JsonObject? Settings { get; }

    /// <summary>The optimizer's <see cref="Optimizer.FloatX"/>; null if it is not known.</summary>
    public abstract DType? FloatX { get; }

    /// <summary>Paths of the variables without weight decay; null if the file does not say.</summary>
    public abstract IReadOnlyCollection<string>? WeightDecayExclusions { get; }

    /// <summary>
    /// Settings of groups of variables and their members, as JSON by key; empty without groups, null if the file does not say.
    /// </summary>
    public virtual IReadOnlyDictionary<string, string>? Groups => null;

    /// <summary>What else the file says of itself, by key.</summary>
    public abstract IReadOnlyDictionary<string, string> About { get; }

    /// <summary>What one should know to understand the rest.</summary>
    public abstract IReadOnlyList<string> Notes { get; }

    /// <summary>Tensors of types that cannot be read here, described.</summary>
    public abstract IReadOnlyList<string> Unread { get; }

    /// <summary>The tensors, in the file's order.</summary>
    public abstract IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>Opens a file; its content says which kind it is.</summary>
    /// <param name="path">The file.</param>
    /// <param name="session">Is told the progress.</param>
    /// <param name="model">The model if it is a weights file, see <see cref="KerasArchive.Open(string, JsonObject?, IEnumerable{string}?)"/>.</param>
    public static StateFile Open(string path, Session session, JsonObject? model = null)
    {
        var stream = new WatchedStream(RegularFile.OpenRead(path), session);
        try
        {
            session.Progress.Expect(stream.Length);
            FileStart start = StartOf(stream);
            if (start == FileStart.Other)
            {
                throw new InvalidFileException(path, FileSignature.Of(stream) is { } kind
                    ? $"it is {kind}. A safetensors file or one of Keras (.keras, .weights.h5) is needed"
                    : "it is neither a safetensors file nor one of Keras (.keras, .weights.h5)");
            }

            if (start == FileStart.Safetensors)
                return new SafetensorsState(path, stream, session);
            var state = new KerasState(path, stream, session, start == FileStart.Hdf5 ? model : null);
            stream.Dispose(); // it is in memory
            return state;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The elements of a tensor, piece by piece.</summary>
    public IEnumerable<NdArray> Pieces(TensorInfo tensor)
    {
        int size = tensor.DType.Size();
        for (long start = 0; start < tensor.Length; start += PieceLength)
        {
            session.Cancellation.ThrowIfCancellationRequested();
            int count = (int)Math.Min(PieceLength, tensor.Length - start);
            var bytes = new byte[count * size];
            Read(tensor, start * size, bytes);
            yield return NdArray.FromBytes(tensor.DType, bytes, [count]);
        }
    }

    public abstract void Dispose();

    // The signature of a zip file is longer than what KerasArchive looks at: as a safetensors file's first bytes, the length of its
    // header, these four are more than any may have. The header begins with a brace; what is too short for one is to be called so.
    static FileStart StartOf(Stream stream)
    {
        Span<byte> start = stackalloc byte[SafetensorsFile.PrefixLength + 1];
        start = start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        stream.Position = 0;
        if (start.StartsWith(Hdf5Reader.Signature))
            return FileStart.Hdf5;
        if (start.StartsWith("PK\x03\x04"u8))
            return FileStart.Zip;
        return start.Length <= SafetensorsFile.PrefixLength || start[^1] == '{' ? FileStart.Safetensors : FileStart.Other;
    }

    enum FileStart
    {
        Other,
        Safetensors,
        Zip,
        Hdf5,
    }

    /// <summary>Reads bytes of a tensor, from one on.</summary>
    protected abstract void Read(TensorInfo tensor, long start, Span<byte> bytes);
}
