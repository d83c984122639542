using System.Globalization;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Keras.Hdf5;
using Infinorm.Keras.Json;
using Infinorm.Variables;

namespace Infinorm.Keras;

public sealed partial class KerasArchive
{
    internal const string ArchiveExtension = ".keras", WeightsExtension = ".weights.h5";
    const string NameAttribute = "name";
    const int MaxMemoryStream = 1 << 30; // an HDF5 file that is longer is written by way of a temporary file

    static ReadOnlySpan<byte> ZipSignature => "PK"u8;

    /// <summary>Reads a <c>.keras</c> archive or a <c>.weights.h5</c> file; its content says which it is.</summary>
    /// <param name="path">The file; it is not needed any more once it is open.</param>
    /// <param name="modelConfig">
    /// For a weights file, which has none: the model as <c>json.loads(model.to_json())</c> has it. Without it names, constraints and the
    /// order of the weights are not known.
    /// </param>
    /// <param name="trainablePaths">
    /// The value of <c>[v.path for v in model.trainable_variables]</c> in Python, if the archive does not tell the order of the model's
    /// variables, which of them are trained, or the names of those of custom layers. A path may also be one of <see cref="Weights"/>, or a
    /// location.
    /// </param>
    /// <exception cref="InvalidFileException">The file is malformed, or uses something that is not supported.</exception>
    /// <exception cref="ArgumentException">
    /// A config is given for an archive, which has its own; or a path belongs to no weight, or to several.
    /// </exception>
    /// <exception cref="IOException">The file does not exist or cannot be read.</exception>
    public static KerasArchive Open(string path, JsonObject? modelConfig = null, IEnumerable<string>? trainablePaths = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        OtherFiles.RefuseByPath(path);
        using FileStream stream = RegularFile.OpenRead(path);
        return Open(path, stream, modelConfig, trainablePaths);
    }

    /// <summary>As <see cref="Open(string, JsonObject?, IEnumerable{string}?)"/>, from a stream.</summary>
    /// <param name="stream">What is read, from where it stands to its end; it stays open. One that cannot seek is read into memory.</param>
    /// <param name="modelConfig">As there.</param>
    /// <param name="trainablePaths">As there.</param>
    /// <exception cref="InvalidFileException">The file is malformed, or uses something that is not supported.</exception>
    /// <exception cref="ArgumentException">
    /// A config is given for an archive, which has its own; or a path belongs to no weight, or to several.
    /// </exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static KerasArchive Open(Stream stream, JsonObject? modelConfig = null, IEnumerable<string>? trainablePaths = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return Open("stream", SeekableStream.Of(stream), modelConfig, trainablePaths);
    }

    /// <summary>As <see cref="Open(string, JsonObject?, IEnumerable{string}?)"/>, of a stream that can seek.</summary>
    internal static KerasArchive Open(string file, Stream stream, JsonObject? modelConfig = null, IEnumerable<string>? trainablePaths = null)
    {
        Span<byte> start = stackalloc byte[256];
        stream.Position = 0;
        start = start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        stream.Position = 0;
        if (start.StartsWith(Hdf5Reader.Signature))
        {
            FileImage image = FileImage.Read(stream, stream.Length);
            Hdf5Group root = Hdf5Reader.Read(file, image);
            OtherFiles.RefuseLegacy(file, root);
            return new KerasArchive(file, image, root, [], Copy(modelConfig), metadata: null, trainablePaths);
        }

        if (!start.StartsWith(ZipSignature))
            throw new InvalidFileException(file, OtherFiles.Describe(start));
        if (modelConfig is not null)
            throw new ArgumentException($"{file} has a config of its own.", nameof(modelConfig));
        return OpenArchive(file, stream, trainablePaths);
    }

    /// <summary>Makes an archive from its parts, as <see cref="Locations"/>, <see cref="Read"/> and the other properties give them.</summary>
    /// <param name="arrays">Weights and optimizer variables by location: <c>layers/dense/vars/0</c>.</param>
    /// <param name="groupNames">Keras's names of the groups, see <see cref="GroupNames"/>; empty groups are made too.</param>
    /// <param name="modelConfig">See <see cref="ModelConfig"/>; needed to save a <c>.keras</c> archive.</param>
    /// <param name="metadata">See <see cref="Metadata"/>; null for the version of Keras that Infinorm follows, and now.</param>
    /// <exception cref="ArgumentException">A location has fewer than two names, or is also the location of a group.</exception>
    public static KerasArchive Create(
        IEnumerable<KeyValuePair<string, NdArray>> arrays,
        IEnumerable<KeyValuePair<string, string>>? groupNames = null,
        JsonObject? modelConfig = null,
        JsonObject? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        var root = new Hdf5Group();
        foreach (var (location, value) in arrays)
        {
            int name = location.LastIndexOf('/') + 1;
            if (name < 2 || name == location.Length || location.StartsWith('/') || location.Contains("//", StringComparison.Ordinal))
                throw new ArgumentException($"'{location}' is not a location such as layers/dense/vars/0.", nameof(arrays));
            if (!root.Make(location[..name]).Datasets.TryAdd(location[name..], Hdf5Dataset.Of(value)))
                throw new ArgumentException($"'{location}' is there twice.", nameof(arrays));
        }

        foreach (var (path, name) in groupNames ?? [])
            root.Make(path).Attributes[NameAttribute] = name;
        foreach (var (path, group) in root.All())
        {
            if (group.Datasets.Keys.FirstOrDefault(group.Groups.ContainsKey) is { } both)
                throw new ArgumentException($"'{Hdf5Group.Join(path, both)}' is an array and a group.", nameof(arrays));
        }

        return new KerasArchive("the archive", image: null, root, [], Copy(modelConfig), Copy(metadata));
    }

    /// <summary>
    /// Writes the weights and the optimizer's state, beside the target first and then renamed over it: whatever happens, the file is the
    /// old one or the new one. Of a file that was opened only numbers are overwritten, each in the type found; everything else stays as
    /// it was. A new HDF5 file is written only if the optimizer has other variables than the file.
    /// </summary>
    /// <param name="path">
    /// The target, <c>*.keras</c> or <c>*.weights.h5</c>, whatever the archive was opened from; a weights file leaves config and assets out.
    /// </param>
    /// <param name="keep">How many former files stay, as <c>path.1</c> (the youngest), <c>path.2</c> and so on; ≥ 0.</param>
    /// <exception cref="ArgumentException">The path ends otherwise.</exception>
    /// <exception cref="InvalidOperationException">A <c>.keras</c> archive needs a model's config, and there is none.</exception>
    /// <exception cref="NotSupportedException">
    /// A new HDF5 file is needed, but it has data of a type that cannot be written, or the program is compiled ahead of time.
    /// </exception>
    /// <exception cref="IOException">The file cannot be written; a former one is what it was.</exception>
    public void Save(string path, int keep = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        bool isArchive = path.EndsWith(ArchiveExtension, StringComparison.Ordinal);
        if (!isArchive && !path.EndsWith(WeightsExtension, StringComparison.Ordinal))
            throw new ArgumentException($"Keras reads {ArchiveExtension} and {WeightsExtension} files: found \"{path}\".", nameof(path));
        RequireConfig(isArchive);
        Store();
        AtomicFile.Write(path, stream => WriteStored(stream, isArchive), keep);
    }

    /// <summary>As <see cref="Save(string, int)"/>, into a stream.</summary>
    /// <param name="stream">What is written to; it stays open.</param>
    /// <param name="weightsOnly">Whether to write a <c>.weights.h5</c> file instead of a <c>.keras</c> archive.</param>
    /// <exception cref="InvalidOperationException">A <c>.keras</c> archive needs a model's config, and there is none.</exception>
    /// <exception cref="NotSupportedException">
    /// A new HDF5 file is needed, but it has data of a type that cannot be written, or the program is compiled ahead of time.
    /// </exception>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Save(Stream stream, bool weightsOnly = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        RequireConfig(!weightsOnly);
        Store();
        if (stream.CanSeek && stream.Position == 0)
        {
            WriteStored(stream, !weightsOnly);
            return;
        }

        var file = new MemoryStream(); // HDF5 files count from the first byte, and are not written front to back
        WriteStored(file, !weightsOnly);
        file.Position = 0;
        file.CopyTo(stream);
    }

    void RequireConfig(bool isArchive)
    {
        if (isArchive && ModelConfig is null)
        {
            throw new InvalidOperationException(
                $"{_file} has no model config, which a {ArchiveExtension} archive needs; save it as {WeightsExtension}.");
        }
    }

    void Store()
    {
        StoreOptimizer();
        StoreWeights();
    }

    void WriteStored(Stream stream, bool isArchive)
    {
        if (isArchive)
            ZipEntry.WriteAll(stream, Entries());
        else if (_image is not null)
            _image.WriteTo(stream);
        else
            Hdf5Writer.Write(stream, _root);
    }

    static JsonObject? Copy(JsonObject? json) => (JsonObject?)json?.DeepClone(); // Save puts the optimizer's settings into it

    static KerasArchive OpenArchive(string file, Stream stream, IEnumerable<string>? trainablePaths)
    {
        List<ZipEntry> entries = ZipEntry.ReadAll(file, stream);
        FileImage image = Entry(WeightsEntry).Image;
        JsonObject config = JsonText.Parse(file, ConfigEntry, Json(ConfigEntry), stream.Length);
        JsonObject metadata = JsonText.Parse(file, MetadataEntry, Json(MetadataEntry), stream.Length);
        return new KerasArchive(file, image, Hdf5Reader.Read(file, image), entries, config, metadata, trainablePaths);

        byte[] Json(string name) => Entry(name) is { Image.Length: <= MaxMemoryStream } entry
            ? entry.Content
            : throw new InvalidFileException(file, $"{name} has more than {MaxMemoryStream} bytes");

        ZipEntry Entry(string name) => entries.Find(entry => entry.Name == name)
            ?? throw new InvalidFileException(file, OtherFiles.Describe(entries, name));
    }

    // The entries as they are to be written, in their former order.
    IEnumerable<ZipEntry> Entries()
    {
        if (_entries.Count == 0)
            return
            [
                Entry(MetadataEntry, JsonText.Write(Metadata ?? NewMetadata())), Entry(ConfigEntry, Config()),
                new(WeightsEntry, Hdf5(), DateTimeOffset.Now),
            ];
        return _entries.Select(entry => entry.Name switch
        {
            ConfigEntry when _configChanged => entry with { Image = Config() },
            WeightsEntry => entry with { Image = Hdf5() },
            _ => entry,
        });

        static ZipEntry Entry(string name, byte[] content) => new(name, content, DateTimeOffset.Now);

        byte[] Config() => JsonText.Write(ModelConfig!);
    }

    FileImage Hdf5()
    {
        if (_image is not null)
            return _image;
        long numbers = _root.AllDatasets().Sum(d => d.Dataset.Data.Length), capacity = numbers + (numbers / 16); // it need not grow to twice that
        using Stream stream = capacity <= MaxMemoryStream
            ? new MemoryStream((int)capacity)
            : new FileStream(Path.GetTempFileName(), FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
        Hdf5Writer.Write(stream, _root);
        stream.Position = 0;
        return FileImage.Read(stream, stream.Length);
    }

    static JsonObject NewMetadata() => new()
    {
        ["keras_version"] = "3.16.0",
        ["date_saved"] = DateTime.Now.ToString("yyyy-MM-dd@HH:mm:ss", CultureInfo.InvariantCulture),
    };

    void StoreWeights()
    {
        foreach (KerasWeight weight in Weights)
        {
            foreach (string location in weight.Copies.Prepend(weight.Location))
                weight.Variable.CopyTo(Dataset(location).Data);
        }
    }
}
