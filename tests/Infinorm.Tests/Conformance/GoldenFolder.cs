using System.Text.Json;

namespace Infinorm.Tests.Conformance;

/// <summary>One case of the golden data.</summary>
/// <param name="File">The file it stands in.</param>
/// <param name="Id">Its name.</param>
/// <param name="Run">Compares it.</param>
sealed record GoldenEntry(string File, string Id, Func<Outcome> Run);

/// <summary>
/// The folder of golden data: the one that the environment variable <c>INFINORM_GOLDEN</c> names, or the copy beside the test assembly; and
/// its subfolder <c>family</c>, if it has one. The manifest of each tells the kind of each file; a file or kind that is not known becomes an
/// entry that fails. Files of kind <c>file</c> are archives, which the tests of Infinorm.Keras read.
/// </summary>
static class GoldenFolder
{
    const string Variable = "INFINORM_GOLDEN";
    const string Manifest = "manifest.json";

    static readonly Lazy<Dictionary<(string File, string Id), GoldenEntry>> Loaded =
        new(() => Load().ToDictionary(entry => (entry.File, entry.Id)));

    public static string Location { get; } = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } folder
        ? folder
        : Path.Combine(AppContext.BaseDirectory, "Golden");

    public static IReadOnlyDictionary<(string File, string Id), GoldenEntry> Entries => Loaded.Value;

    static IEnumerable<GoldenEntry> Load() =>
        Directory.Exists(Path.Combine(Location, "family")) ? [.. Load(""), .. Load("family/")] : Load("");

    /// <summary>Loads one set of files; their names begin with the subfolder that they stand in.</summary>
    static IEnumerable<GoldenEntry> Load(string subfolder)
    {
        ManifestEntry[] listed =
        [
            .. GoldenJson.Read<ManifestFile>(Parse(subfolder + Manifest)).Files.Select(file => file with { File = subfolder + file.File }),
        ];
        foreach (ManifestEntry file in listed.Where(file => file.Match && file.Kind != "file"))
        {
            foreach (GoldenEntry entry in Load(file))
                yield return entry;
        }

        foreach (string path in Directory.EnumerateFiles(Path.Combine(Location, subfolder), "*.json"))
        {
            string name = subfolder + Path.GetFileName(path);
            if (name != subfolder + Manifest && !listed.Any(file => file.File == name))
                yield return Failing(name, new InvalidDataException($"{name} is not listed in {Manifest}."));
        }
    }

    static IEnumerable<GoldenEntry> Load(ManifestEntry file)
    {
        try
        {
            GoldenEntry[] entries = [.. Cases(file).GroupBy(entry => entry.Id).SelectMany(Numbered)];
            return entries.Length == file.Count
                ? entries
                : [Failing(file.File, new InvalidDataException($"{file.File} has {entries.Length} cases, {Manifest} says {file.Count}."))];
        }
        catch (Exception exception) when (exception is JsonException or IOException or NotSupportedException or InvalidDataException)
        {
            return [Failing(file.File, exception)];
        }
    }

    /// <summary>Tells entries of the same name apart.</summary>
    static IEnumerable<GoldenEntry> Numbered(IEnumerable<GoldenEntry> entries) =>
        entries.Select((entry, number) => number == 0 ? entry : entry with { Id = $"{entry.Id} ({number + 1})" });

    static IEnumerable<GoldenEntry> Cases(ManifestEntry file)
    {
        CaseFile content = GoldenJson.Read<CaseFile>(Parse(file.File));
        if (content.Format != 1)
            throw new NotSupportedException($"{file.File} has format {content.Format}; format 1 is known.");
        return file.Kind switch
        {
            "cases" => Of<OptimizerCase>(
                content.Cases, @case => CaseRunner.Run(@case with { Tolerance = @case.Tolerance ?? content.Tolerance })),
            "tables" => Of<ScheduleTable>(content.Tables, table => table.Run()),
            "errors" => Of<ErrorCase>(content.Errors, error => error.Run()),
            "configs" =>
            [
                .. Of<NamesCase>(content.Configs?.Where(IsNames), names => names.Run()),
                .. Of<ConfigCase>(content.Configs?.Where(config => !IsNames(config)), config => config.Run()),
                .. Of<DeserializeCase>(content.Deserialize, item => item.Run()),
                .. Of<GetCase>(content.Get, item => item.Run()),
            ],
            _ => throw new NotSupportedException($"{file.File} is of kind {file.Kind}, which is not known."),
        };

        IEnumerable<GoldenEntry> Of<T>(IEnumerable<JsonElement>? cases, Func<T, Outcome> run) =>
            (cases ?? throw new InvalidDataException($"{file.File} lacks what its kind {file.Kind} promises."))
            .Select(element => new GoldenEntry(file.File, element.GetProperty("id").GetString()!, () => run(GoldenJson.Read<T>(element))));

        static bool IsNames(JsonElement config) => config.TryGetProperty("names", out _);
    }

    static GoldenEntry Failing(string file, Exception exception) => new(file, file, () => throw exception);

    static JsonElement Parse(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Location, file)));
        return document.RootElement.Clone();
    }

    /// <summary>The manifest: which files there are.</summary>
    sealed record ManifestFile(
        int Format, ManifestEntry[] Files, string? Profile = null, string? KerasVersion = null, string? Generator = null,
        string? Encoding = null, string? Other = null);

    /// <summary>One file of the manifest.</summary>
    /// <param name="Count">The number of cases in it.</param>
    /// <param name="Match">False for a record of what something else does, not to be matched.</param>
    sealed record ManifestEntry(string File, string Kind, int Count, bool Match = true, bool Derived = false, string? Rule = null);

    /// <summary>A file of cases; its kind tells which of the lists it has.</summary>
    sealed record CaseFile(
        int Format, JsonElement[]? Cases = null, JsonElement[]? Tables = null, JsonElement[]? Errors = null, JsonElement[]? Configs = null,
        JsonElement[]? Deserialize = null, JsonElement[]? Get = null, string? Mode = null, string? Derived = null, string? Note = null,
        Tolerance? Tolerance = null);
}
