using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Keras;
using Infinorm.Tool.Terminal;
using Infinorm.Types;

namespace Infinorm.Tool.Files;

/// <summary>A safetensors file: a checkpoint, or any other.</summary>
sealed class SafetensorsState : StateFile
{
    readonly CheckpointInfo? _info;

    public SafetensorsState(string path, Stream stream, Session session)
        : base(path, session)
    {
        File = new SafetensorsFile(stream, path);
        Tensors = [.. File.Tensors.Values.Select(entry => new TensorInfo(entry.Name, entry.DType, entry.Shape))];
        if (CheckpointInfo.IsIn(File))
            _info = CheckpointInfo.Read(File);
        About = File.Metadata.Where(pair => !CheckpointInfo.Keys.Contains(pair.Key) && pair.Key != KerasOrigin.Key).ToDictionary();
    }

    public SafetensorsFile File { get; }

    /// <summary>The Keras archive it was converted from; null if it was not.</summary>
    /// <exception cref="InvalidFileException">What it says of it is malformed.</exception>
    public KerasOrigin? Origin => field ??= KerasOrigin.Read(File);

    public override string Format => _info is null ? "safetensors" : "checkpoint (safetensors)";

    public override JsonObject? Settings => _info?.Config ?? SettingsOfOrigin;

    public override DType? FloatX => _info?.FloatX;

    public override IReadOnlyCollection<string>? WeightDecayExclusions => _info?.WeightDecayExclusions;

    public override IReadOnlyDictionary<string, string>? Groups =>
        _info is null ? null : File.Metadata.Where(pair => CheckpointGroups.Keys.Contains(pair.Key)).ToDictionary();

    public override IReadOnlyDictionary<string, string> About { get; }

    public override IReadOnlyList<string> Notes =>
    [
        .. File.Metadata.ContainsKey(KerasOrigin.Key) ? ["converted from a Keras archive; convert makes it one again"] : Array.Empty<string>(),
        .. Unread.Select(other => $"not of a type that can be read here: {other}"),
    ];

    public override IReadOnlyList<string> Unread => [.. File.Others.Values.Select(other => $"{other}")];

    public override IReadOnlyList<TensorInfo> Tensors { get; }

    public override void Dispose() => File.Dispose();

    // What is wrong with the origin concerns only who converts the file back.
    JsonObject? SettingsOfOrigin
    {
        get
        {
            try
            {
                return KerasArchive.OptimizerConfigOf(Origin?.Config);
            }
            catch (InvalidFileException)
            {
                return null;
            }
        }
    }

    protected override void Read(TensorInfo tensor, long start, Span<byte> bytes) => File.Read(File.Tensors[tensor.Name], start, bytes);
}
