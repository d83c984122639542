using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Constraints;
using Infinorm.Keras.Hdf5;
using Infinorm.Keras.Layers;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Keras;

/// <summary>
/// A model that Keras saved, in memory: a <c>.keras</c> archive or a <c>.weights.h5</c> file. Its weights can be trained on, with the
/// optimizer's state, and saved again for Keras; what is not understood stays as it was, byte for byte.
/// </summary>
/// <example>
/// <code>
/// var archive = KerasArchive.Open("model.keras");
/// Optimizer optimizer = archive.LoadOptimizer();
/// var kernel = (Variable&lt;float&gt;)archive["hidden/kernel"]; // its Span is what the optimizer steps
/// …
/// optimizer.Apply(gradients);                             // one for each of archive.TrainableVariables
/// archive.Save("model.keras");
/// </code>
/// </example>
public sealed partial class KerasArchive
{
    internal const string OptimizerGroup = "optimizer";
    const string WeightsEntry = "model.weights.h5", ConfigEntry = "config.json", MetadataEntry = "metadata.json";

    readonly string _file;
    readonly Hdf5Group _root;
    readonly ModelWeights _model;
    readonly List<ZipEntry> _entries; // of the .keras archive that was opened; else none
    FileImage? _image; // the HDF5 file that the datasets view; null if a new one must be written
    bool _configChanged;
    IReadOnlyList<Variable>? _trainable;

    KerasArchive(
        string file, FileImage? image, Hdf5Group root, List<ZipEntry> entries, JsonObject? config, JsonObject? metadata,
        IEnumerable<string>? trainable = null)
    {
        _file = file;
        _image = image;
        _root = root;
        _entries = entries;
        ModelConfig = config;
        Metadata = metadata;
        _model = ModelWeights.Of(file, root, config, trainable);
    }

    /// <summary>
    /// The model as Keras serialized it (<c>config.json</c>), with the optimizer's settings in <c>compile_config</c>. Null for a weights
    /// file that was opened without one.
    /// </summary>
    public JsonObject? ModelConfig { get; }

    /// <summary>Keras's version and the date (<c>metadata.json</c>); null for a weights file.</summary>
    public JsonObject? Metadata { get; }

    /// <summary>
    /// The model's weights in the order of Keras's <c>model.weights</c>, layer by layer, as far as config and layers tell it. Their
    /// variables are what <see cref="Save(string, int)"/> writes.
    /// </summary>
    public IReadOnlyList<KerasWeight> Weights => _model.Weights;

    /// <summary>
    /// Lets the configs of layers name a constraint of your own. A name registered again means the new function. It must be registered
    /// before an archive is opened.
    /// </summary>
    /// <param name="className">Name of the class in Python.</param>
    /// <param name="create">Makes the constraint from its settings; it must read every key that is there.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static void RegisterConstraint(string className, Func<ConfigReader, Constraint> create) =>
        KerasConstraints.Classes.Register(className, create);

    /// <summary>The variables of the weights that the model trains. Keras: <c>model.trainable_variables</c>.</summary>
    public IReadOnlyList<Variable> TrainableVariables => _trainable ??= [.. Weights.Where(w => w.IsTrainable).Select(w => w.Variable)];

    /// <summary>Freezes a weight, or has it trained: its layer's config was changed so.</summary>
    internal void SetTrainable(KerasWeight weight, bool isTrainable)
    {
        weight.IsTrainable = isTrainable;
        _trainable = null;
        _configChanged = true;
    }

    /// <summary>
    /// Where the HDF5 file has arrays of the types of <see cref="DType"/>: weights, and the optimizer's variables
    /// (<c>optimizer/vars/0</c>).
    /// </summary>
    public IReadOnlyList<string> Locations =>
        [.. from d in _root.AllDatasets() where d.Dataset.Type.DType is not null select d.Path];

    /// <summary>
    /// What the HDF5 file has of other types, such as the states of random generators: kept as it was, but not to be read here. Each with
    /// its type and shape: <c>layers/dropout/seed_generator/vars/0 uint32[2]</c>.
    /// </summary>
    public IReadOnlyList<string> Others =>
        [.. from d in _root.AllDatasets() where d.Dataset.Type.DType is null select $"{d.Path} {d.Dataset.Type.Name}{Shapes.Format(d.Dataset.Shape)}"];

    /// <summary>The entries of a <c>.keras</c> archive besides weights, config and metadata: assets.</summary>
    internal IEnumerable<string> OtherEntries =>
        from entry in _entries where entry.Name is not (WeightsEntry or ConfigEntry or MetadataEntry) select entry.Name;

    /// <summary>The attributes of groups besides <see cref="GroupNames"/>, as "group: attribute".</summary>
    internal IEnumerable<string> OtherAttributes =>
        from g in _root.All()
        from attribute in g.Group.Attributes
        where attribute.Key != NameAttribute || attribute.Value is null
        select $"{g.Path}: {attribute.Key}";

    /// <summary>The names that Keras gave the groups: <c>layers/dense/vars</c> → <c>hidden</c>.</summary>
    public IReadOnlyDictionary<string, string> GroupNames =>
        (from g in _root.All() where g.Group.Attributes.GetValueOrDefault(NameAttribute) is not null select g)
        .ToDictionary(g => g.Path, g => g.Group.Attributes[NameAttribute]!);

    /// <summary>The weight with this path (<c>hidden/kernel</c>) or location (<c>layers/dense/vars/0</c>).</summary>
    /// <exception cref="KeyNotFoundException">There is none, or more than one.</exception>
    public Variable this[string pathOrLocation]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(pathOrLocation);
            KerasWeight[] found = [.. Weights.Where(w => w.Variable.Path == pathOrLocation || w.Location == pathOrLocation)];
            return found.Length == 1
                ? found[0].Variable
                : throw new KeyNotFoundException($"{_file} has {(found.Length == 0 ? "no weight" : "more than one weight")} '{pathOrLocation}'; "
                    + $"its weights are {string.Join(", ", Weights.Select(w => w.Variable.Path))}.");
        }
    }

    /// <summary>The array at one of <see cref="Locations"/>, as it was stored or last saved; a copy.</summary>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    public NdArray Read(string location)
    {
        ArgumentNullException.ThrowIfNull(location);
        return Dataset(location).ToNdArray();
    }

    /// <summary>As <see cref="Read"/>, without a copy.</summary>
    internal Hdf5Dataset Dataset(string location)
    {
        int name = location.LastIndexOf('/') + 1;
        return _root.Find(location[..name])?.Datasets.GetValueOrDefault(location[name..]) is { Type.DType: not null } dataset
            ? dataset
            : throw new KeyNotFoundException($"{_file} has no array '{location}'.");
    }
}
