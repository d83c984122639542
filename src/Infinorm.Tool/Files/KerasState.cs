using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Config;
using Infinorm.Keras;
using Infinorm.Keras.Hdf5;
using Infinorm.Keras.Json;
using Infinorm.Tool.Terminal;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tool.Files;

/// <summary>A <c>.keras</c> archive or a <c>.weights.h5</c> file, in memory.</summary>
sealed class KerasState : StateFile
{
    /// <summary>What the names begin with of what has no name in a checkpoint.</summary>
    public const string NonTrainable = "non_trainable", Unnamed = "keras";

    readonly Dictionary<string, string> _locations = []; // of the tensors, by name

    public KerasState(string path, Stream stream, Session session, JsonObject? model)
        : base(path, session)
    {
        Archive = KerasArchive.Open(path, stream, model);
        (Optimizer, OptimizerProblem) = LoadOptimizer();
        Places = Place();
        Tensors = [.. _locations.Select(pair => Describe(pair.Key, Archive.Dataset(pair.Value)))];
    }

    public KerasArchive Archive { get; }

    /// <summary>Its optimizer, loaded; null if there is none or its class is unknown.</summary>
    public Optimizer? Optimizer { get; }

    /// <summary>Why the optimizer that the file has could not be loaded.</summary>
    public string? OptimizerProblem { get; }

    /// <summary>Every array of the file: where it lies, and the name of the tensor that has its values.</summary>
    public IReadOnlyList<(string Location, string Name)> Places { get; }

    public override string Format => Archive.Metadata is null ? "Keras weights file" : "Keras archive";

    public override JsonObject? Settings => Archive.IsWrappedByKeras && Optimizer is not null ? Optimizer.GetConfig() : Archive.OptimizerConfig;

    public override DType? FloatX => Optimizer?.FloatX;

    public override IReadOnlyCollection<string>? WeightDecayExclusions => null;

    public override IReadOnlyDictionary<string, string> About =>
        (Archive.Metadata ?? []).ToDictionary(pair => pair.Key, pair => JsonText.Text(pair.Value) ?? PythonJson.Write(pair.Value));

    public override IReadOnlyList<string> Unread => Archive.Others;

    public override IReadOnlyList<string> Notes =>
    [
        .. OptimizerProblem is null ? Array.Empty<string>() : [OptimizerProblem],
        .. Unread.Select(other => $"not of a type that can be read here: {other}"),
    ];

    public override IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>A tensor as it is stored.</summary>
    public NdArray Read(string name) => Archive.Read(_locations[name]);

    /// <summary>Writes a tensor in a type.</summary>
    public void Write(Stream stream, string name, DType type)
    {
        Hdf5Dataset stored = Archive.Dataset(_locations[name]);
        (type == stored.Type.DType ? stored.Data : stored.ToNdArray().Cast(type).Data).WriteTo(stream);
    }

    public override void Dispose()
    {
    }

    protected override void Read(TensorInfo tensor, long start, Span<byte> bytes) =>
        Archive.Dataset(_locations[tensor.Name]).Data.Span(start, bytes.Length).CopyTo(bytes);

    (Optimizer?, string?) LoadOptimizer()
    {
        if (Archive.OptimizerConfig is null && !Archive.HasOptimizerState)
            return (null, null);
        try
        {
            Optimizer optimizer = Archive.LoadOptimizer();
            Archive.Optimizer = null; // nothing is to be changed in the archive
            return (optimizer, null);
        }
        catch (Exception e) when (e is InvalidFileException or InvalidOperationException)
        {
            return (null, $"the optimizer's variables have only their places as names: {e.Message}");
        }
    }

    // The state of an optimizer in a LossScaleOptimizer is stored twice; the second is the one that Keras reads last.
    List<(string Location, string Name)> Place()
    {
        var names = new Dictionary<string, string>();
        foreach (KerasWeight weight in Archive.Weights)
        {
            string name = $"{(weight.IsTrainable ? CheckpointFile.VariablesKind : NonTrainable)}/{weight.Variable.Path}";
            if (_locations.TryAdd(name, weight.Location))
                names.Add(weight.Location, name);
        }

        foreach (var (location, tensor) in Optimizer is null ? [] : Archive.StateLocations(Optimizer))
        {
            _locations[tensor.Name] = location;
            names.Add(location, tensor.Name);
        }

        var places = new List<(string, string)>();
        foreach (string location in Archive.Locations)
        {
            bool hasValue = names.TryGetValue(location, out string? name)
                && (_locations[name] == location || IsSame(Archive.Dataset(location), Archive.Dataset(_locations[name])));
            if (!hasValue)
                _locations.Add(name = $"{Unnamed}/{location}", location);
            places.Add((location, name!));
        }

        return places;
    }

    static bool IsSame(Hdf5Dataset a, Hdf5Dataset b) => a.Type == b.Type && a.Data.HasSame(b.Data);

    static TensorInfo Describe(string name, Hdf5Dataset array) => new(name, array.Type.DType!.Value, array.Shape);
}
