using Infinorm.Keras;
using Infinorm.Tool.Terminal;

namespace Infinorm.Tool.Conversions;

/// <summary>The formats that can be written.</summary>
enum FileKind
{
    Safetensors,
    Archive,
    Weights,
}

static class FileKinds
{
    /// <summary>The format that a file's name asks for.</summary>
    public static FileKind Of(string path) =>
        path.EndsWith(".safetensors", StringComparison.Ordinal) ? FileKind.Safetensors
        : path.EndsWith(KerasArchive.ArchiveExtension, StringComparison.Ordinal) ? FileKind.Archive
        : IsWeights(path) ? FileKind.Weights
        : throw new CommandException($"{path}: the name of the file to write must end in .safetensors, .keras or .weights.h5");

    /// <summary>Whether a name is that of a weights file, which has no model's config.</summary>
    public static bool IsWeights(string path) => path.EndsWith(KerasArchive.WeightsExtension, StringComparison.Ordinal);
}
