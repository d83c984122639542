using Infinorm.Checkpoints;
using Infinorm.Keras;
using Infinorm.Tool.Files;
using Infinorm.Tool.Terminal;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tool.Conversions;

/// <summary>Files for Keras: from a checkpoint, or from Keras's other format.</summary>
static class ToKeras
{
    const string ConfigOmission = "the model's config and the optimizer's settings: a .weights.h5 file has none";

    public static Conversion From(KerasState state, FileKind kind)
    {
        KerasArchive archive = state.Archive;
        RequireConfig(archive, state.Path, kind);
        string[] omissions = kind == FileKind.Archive || archive.ModelConfig is null || archive.Metadata is null
            ? []
            : [ConfigOmission, .. archive.OtherEntries.Select(name => $"the file {name}")];
        return new(omissions, [], Writer(archive, kind));
    }

    public static Conversion From(SafetensorsState state, FileKind kind, Template template) =>
        state.Origin is null ? FromCheckpoint(state, kind, template) : FromConverted(state, state.Origin, kind);

    static Conversion FromConverted(SafetensorsState state, KerasOrigin origin, FileKind kind)
    {
        KerasArchive archive;
        try
        {
            archive = KerasArchive.Create(
                origin.Arrays.Select(array => KeyValuePair.Create(array.Key, Read(array.Value.Tensor, array.Value.DType))),
                origin.GroupNames, origin.Config, origin.Metadata);
        }
        catch (ArgumentException e)
        {
            throw state.File.Invalid(e.Message, e);
        }

        RequireConfig(archive, state.Path, kind);
        HashSet<string> used = [.. origin.Arrays.Values.Select(array => array.Tensor)];
        List<string> omissions =
        [
            .. state.Tensors.Where(tensor => !used.Contains(tensor.Name) && !used.Contains(ToSafetensors.Original(tensor.Name)))
                .Select(tensor => $"{tensor.Name}: the archive it came from has no such array"),
            .. Omissions(state),
        ];
        if (kind == FileKind.Weights && origin.Config is not null)
            omissions.Add(ConfigOmission);
        return new(omissions, [], Writer(archive, kind));

        NdArray Read(string tensor, DType type) => state.File.Read(state.File.Tensors[tensor]).Cast(type);
    }

    static Conversion FromCheckpoint(SafetensorsState state, FileKind kind, Template template)
    {
        if (state.Settings is null || template.Path is null)
        {
            throw new CommandException(state.Settings is null
                ? $"{state.Path}: it is neither a checkpoint of an optimizer nor converted from a Keras archive"
                : $"{state.Path}: it does not say which model it is of; give --template, a .keras archive of that model");
        }

        KerasArchive archive = template.Archive;
        if (archive.UnorderedGroup is { } group)
            throw new CommandException($"{template.Path}: the order of the variables of {group} in the model is unknown");
        Optimizer optimizer = CheckpointFile.Load(state.File, [.. archive.TrainableVariables], new LoadOptions());
        try
        {
            archive.Optimizer = optimizer;
        }
        catch (InvalidOperationException e)
        {
            throw new CommandException(e.Message);
        }

        List<string> omissions = [.. Omissions(state), .. kind == FileKind.Weights ? [ConfigOmission] : Array.Empty<string>()];
        var notes = new List<string>();
        if (archive.Weights.Count > archive.TrainableVariables.Count)
            notes.Add($"weights that are not trained are those of {template.Path}");
        if (!state.Tensors.Any(tensor => tensor.Name.StartsWith($"{CheckpointFile.VariablesKind}/", StringComparison.Ordinal)))
            notes.Add($"{state.Path} has no variables; they are those of {template.Path}");
        if (archive.TrainableVariables.Any(variable => variable.DType is DType.Float16 or DType.BFloat16))
            notes.Add("slots of 16-bit variables are rounded to the types that they have in the archive");
        return new(omissions, notes, Writer(archive, kind));
    }

    static IEnumerable<string> Omissions(SafetensorsState state)
    {
        if (state.WeightDecayExclusions is { Count: > 0 } excluded)
            yield return $"which variables weight decay leaves out ({string.Join(", ", excluded)}): Keras's files do not say it";
        if (state.Groups is { Count: > 0 })
            yield return "learning rates and weight decays of groups of variables: Keras has no groups";
        foreach (string tensor in state.Unread)
            yield return tensor;
        foreach (string key in state.About.Keys)
            yield return $"\"{key}\" of the metadata";
    }

    static void RequireConfig(KerasArchive archive, string path, FileKind kind)
    {
        if (kind == FileKind.Archive && archive.ModelConfig is null)
        {
            throw new CommandException(
                $"{path}: it has no model's config, which a .keras archive needs; give --template, or write a .weights.h5 file");
        }
    }

    static Action<Stream> Writer(KerasArchive archive, FileKind kind) => stream => archive.Save(stream, weightsOnly: kind != FileKind.Archive);
}
