using System.Text.Json.Nodes;
using Infinorm.Keras;
using Infinorm.Tool.Files;
using Infinorm.Tool.Terminal;

namespace Infinorm.Tool.Conversions;

/// <summary>The archive that <c>--template</c> names, opened when it is needed.</summary>
sealed class Template(string? path, Session session) : IDisposable
{
    KerasState? _state;

    /// <summary>The path; null if none was given.</summary>
    public string? Path => path;

    /// <exception cref="CommandException">None was given, or it has no model's config.</exception>
    public KerasArchive Archive => (_state ??= Open()).Archive;

    /// <summary>The model that a file needs which has none itself: a weights file. Null if no template is given.</summary>
    public JsonObject? ConfigFor(string file) =>
        path is not null && FileKinds.IsWeights(file) ? Archive.ModelConfig : null;

    /// <summary>What to say of one that was given, but not needed.</summary>
    public IReadOnlyList<string> Unused => path is null || _state is not null ? [] : [$"{path} is not needed as a template, and not used"];

    public void Dispose() => _state?.Dispose();

    KerasState Open()
    {
        if (path is null)
            throw new CommandException("--template is missing: a .keras archive of the same model");
        return StateFile.Open(path, session) is KerasState { Archive.ModelConfig: not null } state
            ? state
            : throw new CommandException($"{path}: a template is a .keras archive, which has the model's config");
    }
}
