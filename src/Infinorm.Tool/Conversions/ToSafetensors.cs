using Infinorm.Checkpoints;
using Infinorm.Keras;
using Infinorm.Tool.Files;
using Infinorm.Tool.Terminal;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Tool.Conversions;

/// <summary>
/// Keras's files as safetensors: a checkpoint if the optimizer is known, with everything besides that is needed to make the archive again.
/// </summary>
static class ToSafetensors
{
    public static Conversion From(KerasState state)
    {
        KerasArchive archive = state.Archive;
        string[] weights = [.. archive.Others.Where(other => !IsSeed(other))];
        if (weights.Length > 0)
        {
            throw new CommandException(
                $"{state.Path}: it has weights of types that safetensors files of ours do not hold, which would be lost, as quantized layers and masks have "
                + $"them: {weights[0]}{(weights.Length == 1 ? "" : $" and {weights.Length - 1} more")}");
        }

        Dictionary<string, DType> types = TypesInCheckpoint(state);
        Dictionary<string, DType> stored = state.Tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.DType);
        var tensors = new List<SafetensorsTensor>();
        var originals = new Dictionary<string, string>();
        foreach (TensorInfo tensor in state.Tensors)
        {
            DType type = types.GetValueOrDefault(tensor.Name, tensor.DType);
            tensors.Add(new(tensor.Name, type, tensor.Shape, stream => state.Write(stream, tensor.Name, type)));
            if (type != tensor.DType && !ComesBack(state.Read(tensor.Name), type))
            {
                originals.Add(tensor.Name, Original(tensor.Name));
                tensors.Add(SafetensorsTensor.Of(originals[tensor.Name], state.Read(tensor.Name)));
            }
        }

        var arrays = state.Places.ToDictionary(
            place => place.Location, place => (originals.GetValueOrDefault(place.Name, place.Name), stored[place.Name]));
        var origin = new KerasOrigin(archive.ModelConfig, archive.Metadata, archive.GroupNames, arrays);
        KeyValuePair<string, string>[] metadata = [.. CheckpointMetadata(state), new(KerasOrigin.Key, origin.ToJson())];
        return new(
            [
                .. archive.Others, .. archive.OtherAttributes.Select(name => $"the attribute {name}"),
                .. archive.OtherEntries.Select(name => $"the file {name}"),
            ],
            Notes(state), stream => Write(stream, metadata, tensors));
    }

    // What random generators are at. It is no weight: a model without it draws other numbers.
    static bool IsSeed(string array) => array.Contains("seed_generator", StringComparison.Ordinal);

    /// <summary>The name of a tensor as Keras stored it, where it would not come back from the type that it has in a checkpoint.</summary>
    public static string Original(string name) => $"{KerasState.Unnamed}/{name}";

    static void Write(Stream stream, IEnumerable<KeyValuePair<string, string>> metadata, IEnumerable<SafetensorsTensor> tensors)
    {
        try
        {
            SafetensorsWriter.Write(stream, metadata, tensors);
        }
        catch (ArgumentException e)
        {
            throw new CommandException(e.Message, e); // a model of too many tensors, or with a name that is not Unicode
        }
    }

    // Widening is exact, but for some bits of a NaN.
    static bool ComesBack(NdArray stored, DType wide) => stored.Cast(wide).Cast(stored.DType).Data.HasSame(stored.Data);

    // An optimizer's counters and slots may be of wider types than Keras's.
    static Dictionary<string, DType> TypesInCheckpoint(KerasState state)
    {
        var types = new Dictionary<string, DType>();
        foreach (var (_, tensor) in state.Optimizer is { } optimizer ? state.Archive.StateLocations(optimizer) : [])
            types[tensor.Name] = tensor.Variable.DType;
        return types;
    }

    static KeyValuePair<string, string>[] CheckpointMetadata(KerasState state)
    {
        if (state.Optimizer is not { } optimizer)
            return [];
        try
        {
            return new CheckpointInfo(optimizer.GetConfig(), optimizer.FloatX, [], CheckpointGroups.None).ToMetadata();
        }
        catch (InvalidOperationException e)
        {
            throw new CommandException(e.Message, e); // a config that is too long
        }
    }

    static List<string> Notes(KerasState state)
    {
        var notes = new List<string>();
        if (state.Optimizer is null)
            notes.Add("the file will not be a checkpoint of an optimizer, but can be converted back");
        if (state.Optimizer?.Steppers.Any(stepper => stepper.WeightDecay is not null) == true)
            notes.Add("which variables weight decay leaves out is not in Keras's files; the checkpoint says none");
        if (state.OptimizerProblem is { } problem)
            notes.Add(problem);
        return notes;
    }
}
