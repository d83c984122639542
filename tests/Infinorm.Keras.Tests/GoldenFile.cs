using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Tests.Conformance;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Keras.Tests;

/// <summary>
/// A model that Keras saved, with what is in it and the steps that Keras took from there: a JSON of the golden data and the archives beside
/// it, in the folder that <c>INFINORM_GOLDEN</c> names or in the copy beside the test assembly, or in its subfolder <c>family</c>.
/// </summary>
sealed class GoldenFile
{
    readonly JsonElement _json;

    GoldenFile(string name)
    {
        Name = name;
        using var document = JsonDocument.Parse(File.ReadAllBytes(PathOf(name + ".json")));
        _json = document.RootElement.Clone();
    }

    static readonly string Location = Environment.GetEnvironmentVariable("INFINORM_GOLDEN") is { Length: > 0 } folder
        ? folder
        : Path.Combine(AppContext.BaseDirectory, "Golden");

    static string Family => Path.Combine(Location, "family", "files");

    public static string Folder => Path.Combine(Location, "files");

    /// <summary>All archives: the model's name and the file's.</summary>
    public static TheoryData<string, string> Archives =>
        [.. from model in Models from archive in model.ArchiveNames select (model.Name, archive)];

    /// <summary>The archives of models whose next steps are known.</summary>
    public static TheoryData<string, string> Continued =>
        [.. from model in Models where model.HasSteps from archive in model.ArchiveNames select (model.Name, archive)];

    public static IEnumerable<GoldenFile> Models =>
        Directory.GetFiles(Folder, "*.json").Concat(Directory.Exists(Family) ? Directory.GetFiles(Family, "*.json") : [])
            .Order(StringComparer.Ordinal).Select(path => new GoldenFile(Path.GetFileNameWithoutExtension(path)));

    public string Name { get; }

    public IEnumerable<string> ArchiveNames => _json.GetProperty("files").EnumerateObject().Select(file => file.Name);

    public GoldenArray[] TrainableVariables => Arrays(_json.GetProperty("trainable_variables"));

    public GoldenArray[] OptimizerVariables => Arrays(_json.GetProperty("optimizer_variables"));

    public long Iterations => _json.GetProperty("iterations").GetInt64();

    /// <summary>How far the steps may differ; null for not at all.</summary>
    public Tolerance? Tolerance => _json.TryGetProperty("tolerance", out JsonElement tolerance) ? GoldenJson.Read<Tolerance>(tolerance) : null;

    /// <summary>The optimizer as Keras serializes it; null for a model without one.</summary>
    public JsonObject? OptimizerConfig => JsonObject.Create(_json.GetProperty("optimizer"));

    public bool HasSteps => _json.TryGetProperty("continue", out _);

    /// <summary>The paths of the trainable variables.</summary>
    public string[] Paths => Texts(_json.GetProperty("continue").GetProperty("variables"), "path");

    /// <summary>The paths of the optimizer's variables.</summary>
    public string[] Layout => Texts(_json.GetProperty("continue").GetProperty("layout"), "path");

    public IEnumerable<Step> Steps => _json.GetProperty("continue").GetProperty("steps").EnumerateArray().Select(step => new Step(step));

    public static GoldenFile Load(string name) => new(name);

    public static string PathOf(string archive) =>
        Path.Combine(File.Exists(Path.Combine(Folder, archive)) ? Folder : Family, archive);

    /// <summary>Opens one of the archives; a weights file with the config that the model's archive has.</summary>
    public KerasArchive Open(string archive) =>
        KerasArchive.Open(PathOf(archive), archive.EndsWith(".keras", StringComparison.Ordinal) ? null : ConfigJson);

    /// <summary>The datasets of an archive's HDF5 file that are of our types.</summary>
    public Dictionary<string, GoldenArray> Datasets(string archive) => AllDatasets(archive).Where(dataset => IsOurs(TypeOf(dataset.Value)))
        .ToDictionary(dataset => dataset.Name, dataset => ToArray(dataset.Value));

    /// <summary>The others: "layers/dropout/seed_generator/vars/0 uint32[2]".</summary>
    public IEnumerable<string> OtherDatasets(string archive) =>
        from dataset in AllDatasets(archive)
        where !IsOurs(TypeOf(dataset.Value))
        select $"{dataset.Name} {TypeOf(dataset.Value)}{Shapes.Format(GoldenJson.Read<nint[]>(dataset.Value.GetProperty("shape")))}";

    /// <summary>The names of an archive's groups that have one.</summary>
    public Dictionary<string, string> GroupNames(string archive) => Hdf5(archive).GetProperty("groups").EnumerateObject()
        .Where(group => group.Value.TryGetProperty("name", out _))
        .ToDictionary(group => group.Name, group => group.Value.GetProperty("name").GetString()!);

    JsonObject ConfigJson => JsonObject.Create(_json.GetProperty("files").GetProperty(Name + ".keras").GetProperty("config_json"))!;

    IEnumerable<JsonProperty> AllDatasets(string archive) => Hdf5(archive).GetProperty("datasets").EnumerateObject();

    static string TypeOf(JsonElement dataset) => dataset.GetProperty("dtype").GetString()!;

    static bool IsOurs(string type) => Enum.GetValues<DType>().Any(dtype => dtype.KerasName() == type);

    JsonElement Hdf5(string archive) => _json.GetProperty("files").GetProperty(archive).GetProperty("h5");

    static GoldenArray[] Arrays(JsonElement array) => [.. array.EnumerateArray().Select(ToArray)];

    // Some arrays also have a name, or how HDF5 keeps them.
    static GoldenArray ToArray(JsonElement json) => new(
        GoldenJson.Read<DType>(json.GetProperty("dtype")),
        GoldenJson.Read<int[]>(json.GetProperty("shape")),
        json.GetProperty("b64").GetBytesFromBase64());

    static string[] Texts(JsonElement array, string property) =>
        [.. array.EnumerateArray().Select(item => item.GetProperty(property).GetString()!)];

    /// <summary>A step that Keras took, and the state after it.</summary>
    public sealed class Step(JsonElement json)
    {
        public Gradient[] Gradients => Array.ConvertAll(Arrays(json.GetProperty("grads")), gradient => gradient.ToGradient());

        public byte[][] Variables => Bytes("variables");

        public byte[][] OptimizerVariables => Bytes("optimizer_variables");

        public long Iterations => json.GetProperty("expect").GetProperty("iterations").GetInt64();

        byte[][] Bytes(string name) =>
            [.. json.GetProperty("expect").GetProperty(name).EnumerateArray().Select(item => item.GetBytesFromBase64())];
    }
}
