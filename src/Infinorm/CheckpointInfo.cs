using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Config;
using Infinorm.Types;

namespace Infinorm;

/// <summary>What a checkpoint says of its optimizer besides the tensors: its metadata.</summary>
/// <param name="Config">The optimizer's config, as <see cref="Optimizer.GetConfig()"/> gives it.</param>
/// <param name="FloatX">Its <see cref="Optimizer.FloatX"/>, which a config does not hold.</param>
/// <param name="WeightDecayExclusions">Paths of the variables that it does not decay, which a config does not hold either.</param>
/// <param name="Groups">Its groups of variables, likewise.</param>
sealed record CheckpointInfo(
    JsonObject Config, DType FloatX, IReadOnlyCollection<string> WeightDecayExclusions, CheckpointGroups Groups)
{
    const string VersionKey = "infinorm", ConfigKey = "config", FloatXKey = "floatx", ExclusionsKey = "weight_decay_exclusions";

    const string Version = "1";

    /// <summary>
    /// How many characters of settings and of lists of paths are read. A node of JSON takes some fifty times the room of its text, a path
    /// ten times: this bounds what a hostile file can make us allocate.
    /// </summary>
    public const int MaxConfigLength = 1 << 17, MaxPathsLength = 3 << 20;

    /// <summary>The keys of the metadata that are a checkpoint's.</summary>
    public static IReadOnlyCollection<string> Keys { get; } =
        [VersionKey, ConfigKey, FloatXKey, ExclusionsKey, .. CheckpointGroups.Keys];

    /// <summary>Whether a file says that it is a checkpoint.</summary>
    public static bool IsIn(SafetensorsFile file) => file.Metadata.ContainsKey(VersionKey);

    /// <exception cref="InvalidOperationException">The config, the exclusions or the groups are longer than a reader accepts.</exception>
    public KeyValuePair<string, string>[] ToMetadata()
    {
        string config = PythonJson.Write(Config);
        string exclusions = PythonJson.Write(new JsonArray([.. WeightDecayExclusions.Select(path => JsonValue.Create(path))]));
        if (config.Length > MaxConfigLength || exclusions.Length > MaxPathsLength)
        {
            throw new InvalidOperationException($"The config has {config.Length} characters, the list of exclusions from weight decay "
                + $"{exclusions.Length}; at most {MaxConfigLength} and {MaxPathsLength} can be saved.");
        }

        return
        [
            new(VersionKey, Version), new(ConfigKey, config), new(FloatXKey, FloatX.KerasName()), new(ExclusionsKey, exclusions),
            .. Groups.ToMetadata(),
        ];
    }

    /// <exception cref="InvalidFileException">It is not a checkpoint, or of a later version, or its metadata are malformed.</exception>
    public static CheckpointInfo Read(SafetensorsFile file)
    {
        if (!file.Metadata.TryGetValue(VersionKey, out string? version))
            throw file.Invalid($"it is not a checkpoint of an optimizer: its metadata have no \"{VersionKey}\"");
        if (version != Version)
            throw file.Invalid($"it is a checkpoint of version \"{version[..Math.Min(version.Length, 20)]}\"; this release reads version \"{Version}\"");
        try
        {
            return new(
                ParseConfig(Text(file, ConfigKey, MaxConfigLength)), ParseFloatX(Text(file, FloatXKey, MaxConfigLength)),
                ParseExclusions(Text(file, ExclusionsKey, MaxPathsLength)), CheckpointGroups.Read(file));
        }
        catch (FormatException e)
        {
            throw file.Invalid(e.Message, e);
        }
    }

    /// <summary>A text of the metadata.</summary>
    /// <exception cref="FormatException">It is missing, or has more characters than it may have.</exception>
    public static string Text(SafetensorsFile file, string key, int most)
    {
        if (!file.Metadata.TryGetValue(key, out string? text))
            throw new FormatException($"its metadata have no \"{key}\"");
        return text.Length <= most
            ? text
            : throw new FormatException($"{key}: it has {text.Length} characters; at most {most} are supported");
    }

    static JsonObject ParseConfig(string text) =>
        PythonJson.Parse(text) as JsonObject ?? throw new FormatException($"{ConfigKey}: it is not an object");

    static DType ParseFloatX(string text) => text switch
    {
        "float32" => DType.Float32,
        "float64" => DType.Float64,
        _ => throw new FormatException($"{FloatXKey}: \"{text}\" is neither float32 nor float64"),
    };

    // Token by token, as it may be longer than what is parsed into nodes.
    static HashSet<string> ParseExclusions(string text)
    {
        var paths = new HashSet<string>(Math.Min(text.AsSpan().Count(','), text.Length / 5) + 1); // growing would take three times as much
        try
        {
            var json = new Utf8JsonReader(Encoding.UTF8.GetBytes(text), new JsonReaderOptions { MaxDepth = 1 });
            bool isSound = json.Read() && json.TokenType == JsonTokenType.StartArray;
            while (isSound && json.Read() && json.TokenType != JsonTokenType.EndArray)
                isSound = json.TokenType == JsonTokenType.String && paths.Add(SafetensorsHeader.Text(ref json));
            if (isSound && !json.Read())
                return paths;
        }
        catch (JsonException)
        {
            // Refused like any other text that is not such a list.
        }

        throw new FormatException($"{ExclusionsKey}: it is not a list of different strings");
    }
}
