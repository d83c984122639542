using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Config;
using Infinorm.Schedules;
using Infinorm.Variables;

namespace Infinorm;

/// <summary>What a checkpoint says of an optimizer's groups of variables; nothing where all are in one that has nothing of its own.</summary>
sealed class CheckpointGroups
{
    const string SettingsKey = "groups", MembersKey = "group_of", RateKey = "learning_rate", DecayKey = "weight_decay";

    readonly IReadOnlyList<JsonObject> _settings;
    readonly IReadOnlyDictionary<string, int> _groupOf;

    /// <param name="settings">Of each group the rate and the decay; null where they are the optimizer's.</param>
    /// <param name="groupOf">The group of each variable by path; that of others is the first.</param>
    CheckpointGroups(IReadOnlyList<JsonObject> settings, IReadOnlyDictionary<string, int> groupOf)
    {
        _settings = settings;
        _groupOf = groupOf;
    }

    /// <summary>The keys of their metadata.</summary>
    public static IReadOnlyCollection<string> Keys { get; } = [SettingsKey, MembersKey];

    /// <summary>One group that has nothing of its own.</summary>
    public static CheckpointGroups None { get; } =
        new([new JsonObject { [RateKey] = null, [DecayKey] = null }], new Dictionary<string, int>());

    /// <summary>Those of an optimizer that is built for variables of different paths.</summary>
    public static CheckpointGroups Of(Optimizer optimizer) => optimizer.Groups is [{ LearningRate: null, WeightDecay: null }]
        ? None
        : new(
            [
                .. optimizer.Groups.Select(
                    group => new JsonObject { [RateKey] = group.LearningRate?.ToConfig(), [DecayKey] = group.WeightDecay }),
            ],
            optimizer.TrainableVariables.Select((variable, i) => KeyValuePair.Create(variable.Path, optimizer.GroupOf(i))).ToDictionary());

    /// <exception cref="InvalidOperationException">They are longer than a reader accepts.</exception>
    public KeyValuePair<string, string>[] ToMetadata()
    {
        if (this == None)
            return [];
        string settings = PythonJson.Write(new JsonArray([.. _settings.Select(group => group.DeepClone())]));
        string members = PythonJson.Write(new JsonObject(_groupOf.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))));
        if (settings.Length > CheckpointInfo.MaxConfigLength || members.Length > CheckpointInfo.MaxPathsLength)
        {
            throw new InvalidOperationException($"The settings of groups have {settings.Length} characters, the list of their variables "
                + $"{members.Length}; at most {CheckpointInfo.MaxConfigLength} and {CheckpointInfo.MaxPathsLength} can be saved.");
        }

        return [new(SettingsKey, settings), new(MembersKey, members)];
    }

    /// <exception cref="FormatException">The metadata are malformed.</exception>
    public static CheckpointGroups Read(SafetensorsFile file)
    {
        if (!Keys.Any(file.Metadata.ContainsKey))
            return None;
        JsonObject[] settings = [.. ParseSettings(CheckpointInfo.Text(file, SettingsKey, CheckpointInfo.MaxConfigLength))];
        return new(settings, ParseMembers(CheckpointInfo.Text(file, MembersKey, CheckpointInfo.MaxPathsLength), settings.Length));
    }

    /// <summary>How variables were divided when the optimizer was saved.</summary>
    /// <param name="paths">The paths that the variables have in the file.</param>
    /// <exception cref="FormatException">A rate cannot be read.</exception>
    public Grouping Of(IEnumerable<string> paths) => new(
        [
            .. _settings.Select(ReadGroup),
        ],
        [.. paths.Select(path => _groupOf.GetValueOrDefault(path))]);

    /// <summary>
    /// What is different from an optimizer's groups, but for rates that are numbers, which are state, as the optimizer's own is: a
    /// scheduler gives a group one that had the optimizer's before.
    /// </summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="paths">The paths that its variables have in the file.</param>
    public IEnumerable<SettingDifference> Differences(Optimizer optimizer, IEnumerable<string> paths)
    {
        CheckpointGroups here = Of(optimizer);
        if (here._settings.Count != _settings.Count)
        {
            yield return new(SettingsKey, $"{_settings.Count}", $"{here._settings.Count}");
            yield break;
        }

        foreach (var ((path, variable), i) in paths.Zip(optimizer.TrainableVariables).Select((pair, i) => (pair, i)))
        {
            int inFile = _groupOf.GetValueOrDefault(path);
            if (inFile != optimizer.GroupOf(i))
                yield return new(SettingsKey, $"{variable.Path} is in group {inFile}", $"in {optimizer.GroupOf(i)}");
        }

        bool isNumber = optimizer.Steppers.All(stepper => stepper.LearningRate.Value is not null);
        for (int i = 0; i < _settings.Count; i++)
        {
            foreach (SettingDifference setting in ConfigComparison.Compare(InForce(_settings[i]), InForce(here._settings[i])))
                yield return setting with { Name = $"{SettingsKey}/{i}/{setting.Name}" };
        }

        JsonObject InForce(JsonObject group) => new()
        {
            [RateKey] = group[RateKey]?.DeepClone() ?? (isNumber ? 0 : null),
            [DecayKey] = group[DecayKey]?.DeepClone(),
        };
    }

    /// <summary>Sets the rates that are numbers, or the optimizer's number, of an optimizer's groups.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="keep">Settings that stay as they are.</param>
    public void SetRates(Optimizer optimizer, IReadOnlyCollection<string> keep)
    {
        for (int i = 0; i < optimizer.Groups.Count; i++)
        {
            if (LoadOptions.Covers(keep, $"{SettingsKey}/{i}/{RateKey}") || optimizer.Groups[i].LearningRate is { Value: null })
                continue;
            optimizer.Groups[i].LearningRate = Reader(_settings[i]).OptionalNumber(RateKey) is { } rate ? new LearningRate(rate) : null;
        }
    }

    static VariableGroup ReadGroup(JsonObject group)
    {
        try
        {
            return new()
            {
                LearningRate = group[RateKey] is null ? null : LearningRate.Read(Reader(group), 0),
                WeightDecay = Reader(group).OptionalNumber(DecayKey),
            };
        }
        catch (ArgumentException e)
        {
            throw new FormatException($"{SettingsKey}: {e.Message}", e); // a schedule's constructor refuses one of its settings
        }
    }

    static ConfigReader Reader(JsonObject group) => new("group", group);

    static IEnumerable<JsonObject> ParseSettings(string text)
    {
        if (PythonJson.Parse(text) is not JsonArray { Count: > 0 } list)
            throw new FormatException($"{SettingsKey}: it is not a list of groups");
        foreach (JsonNode? item in list)
        {
            JsonObject group = item as JsonObject ?? throw new FormatException($"{SettingsKey}: a group is not an object");
            ConfigReader reader = Reader(group);
            reader.OptionalNumber(DecayKey);
            if (group[RateKey] is JsonObject)
                reader.Object(RateKey);
            else
                reader.OptionalNumber(RateKey);
            reader.RequireAllRead();
            yield return group;
        }
    }

    // Token by token, as it may be longer than what is parsed into nodes.
    static Dictionary<string, int> ParseMembers(string text, int groups)
    {
        var groupOf = new Dictionary<string, int>(Math.Min(text.AsSpan().Count(','), text.Length / 6) + 1); // as the exclusions
        try
        {
            var json = new Utf8JsonReader(Encoding.UTF8.GetBytes(text), new JsonReaderOptions { MaxDepth = 1 });
            bool isSound = json.Read() && json.TokenType == JsonTokenType.StartObject;
            while (isSound && json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                string path = SafetensorsHeader.Text(ref json);
                isSound = json.Read() && json.TokenType == JsonTokenType.Number && json.TryGetInt32(out int group)
                    && group >= 0 && group < groups && groupOf.TryAdd(path, group);
            }

            if (isSound && !json.Read())
                return groupOf;
        }
        catch (JsonException)
        {
            // Refused like any other text that is not such an object.
        }

        throw new FormatException($"{MembersKey}: it is not an object with a number of a group for each of different paths");
    }
}
