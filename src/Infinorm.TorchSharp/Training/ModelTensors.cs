using Infinorm.Checkpoints;
using static TorchSharp.torch;

namespace Infinorm.Torch.Training;

/// <summary>Tensors of a model in a file of safetensors.</summary>
static class ModelTensors
{
    /// <summary>Writes all parameters and persistent buffers of a model, by their names, to a file, which is replaced as a whole.</summary>
    public static void Save(nn.Module model, string path)
    {
        IEnumerable<SafetensorsTensor> tensors = model.state_dict().Select(pair => TensorArrays.ToWrite(pair.Key, pair.Value));
        AtomicFile.Write(path, stream => SafetensorsWriter.Write(stream, [new("format", "pt")], tensors));
    }

    /// <summary>Reads what <see cref="Save"/> wrote. All is checked before anything is changed.</summary>
    public static void Load(nn.Module model, string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Dictionary<string, Tensor> tensors = model.state_dict();
        List<string> differences = [.. Differences(file, "", tensors)];
        if (differences.Count > 0)
            throw new CheckpointMismatchException(file.Name, differences);
        using var scope = NewDisposeScope();
        Copy(Read(file, "", tensors), tensors);
    }

    /// <summary>How the tensors of a file below a root differ from a model's.</summary>
    public static IEnumerable<string> Differences(SafetensorsFile file, string root, Dictionary<string, Tensor> model)
    {
        foreach (var (name, tensor) in model)
        {
            if (!file.Tensors.TryGetValue(root + name, out SafetensorsEntry? entry))
                yield return $"missing: {root}{name}";
            else if (!TensorArrays.Fits(entry, tensor))
                yield return $"{entry} in the file, {name} {tensor.dtype}{tensor.Shape()} here";
        }

        foreach (string name in file.Tensors.Keys)
        {
            if (name.StartsWith(root, StringComparison.Ordinal) && !model.ContainsKey(name[root.Length..]))
                yield return $"extra: {name}";
        }
    }

    /// <summary>The values of a model's tensors in a file, as new tensors.</summary>
    public static Dictionary<string, Tensor> Read(SafetensorsFile file, string root, Dictionary<string, Tensor> model) =>
        model.Keys.ToDictionary(name => name, name => file.Read(file.Tensors[root + name]).ToTensor());

    /// <summary>Copies values into a model's tensors.</summary>
    public static void Copy(Dictionary<string, Tensor> values, Dictionary<string, Tensor> model)
    {
        using var noGrad = no_grad();
        foreach (var (name, tensor) in model)
            tensor.copy_(values[name]).DetachFromDisposeScope();
    }
}
