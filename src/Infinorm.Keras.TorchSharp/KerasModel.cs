using System.Text.Json.Nodes;
using Infinorm.Checkpoints;
using Infinorm.Keras.Torch.Graph;
using Infinorm.Keras.Torch.Layers;
using Infinorm.Keras.Torch.Layers.BuiltIn;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch;

/// <summary>
/// A model that Keras saved, as a module of TorchSharp: it predicts Keras's numbers, trains on with Keras's next steps, and is saved for
/// Keras. Its weights lie in Keras's layout in one memory, which archive, optimizer and torch share. It is used by one thread at a time.
/// </summary>
/// <example>
/// <code>
/// using var model = KerasModel.Open("digits.keras");
/// using Tensor probabilities = model.Predict(images);
/// </code>
/// </example>
public sealed partial class KerasModel : nn.Module<Tensor, Tensor>
{
    readonly KerasLayer _root;
    readonly GraphLayer? _graph;

    KerasModel(KerasArchive archive, KerasLayer root)
        : base(root.LayerName)
    {
        (Archive, _root, _graph) = (archive, root, root as GraphLayer);
        var source = new WeightSource(archive);
        root.Bind(source);
        source.RequireAllUsed();
        foreach ((string name, nn.Module module) in root.named_children().ToArray())
            register_module(name, module);
        foreach (LayerWeight weight in root.Weights)
        {
            if (weight.Parameter is { } parameter)
                register_parameter(weight.Name, parameter);
        }

        foreach (LayerWeight weight in root.All().Distinct().SelectMany(layer => layer.Weights))
            _weights[weight.Stored!.Variable] = weight;
        ReadCompilation();
    }

    /// <summary>The archive: weights, optimizer, config. Its variables are the model's weights.</summary>
    public KerasArchive Archive { get; }

    /// <summary>The layers, in Keras's order. A model in the model is one layer, with its layers in it.</summary>
    public IReadOnlyList<KerasLayer> Layers => _graph?.InnerLayers ?? [_root];

    /// <summary>The names of the inputs, in the order in which <see cref="Call(IReadOnlyList{Tensor})"/> takes them.</summary>
    public IReadOnlyList<string> InputNames =>
        field ??= _graph?.InputsByName ?? [.. _graph?.Inputs.Select(input => input.Key.Name) ?? ["input"]];

    /// <summary>The names of the outputs, in the order in which <see cref="Call(IReadOnlyList{Tensor})"/> gives them.</summary>
    public IReadOnlyList<string> OutputNames => field ??= _graph?.OutputNames ?? ["output"];

    /// <summary>
    /// Makes a layer of the model's author known, by its class name or its registered name (<c>package&gt;Name</c>). Registered again, it
    /// means the new function.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <param name="create">
    /// Makes the layer from its settings: a <see cref="KerasLayer"/> or, where it has no weights, any <c>Module&lt;Tensor, Tensor&gt;</c>.
    /// </param>
    public static void Register(string name, Func<LayerConfig, nn.Module> create)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(create);
        LayerFactory.Register(name, create);
    }

    /// <summary>
    /// Opens a <c>.keras</c> archive, or a whole model in the HDF5 layout of Keras 2 (<c>.h5</c>), which is saved as <c>.keras</c>.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="NotSupportedException">
    /// The model has layers or settings that are not known; the message lists all of them. Nothing was built.
    /// </exception>
    /// <exception cref="InvalidFileException">The file is malformed.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static KerasModel Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        OtherFiles.RefuseByPath(path);
        using FileStream stream = RegularFile.OpenRead(path);
        return Open(path, stream);
    }

    /// <summary>As <see cref="Open(string)"/>, from a stream.</summary>
    /// <param name="stream">What is read, from where it stands to its end; it stays open.</param>
    /// <inheritdoc cref="Open(string)" path="/exception"/>
    public static KerasModel Open(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return Open("stream", SeekableStream.Of(stream));
    }

    /// <summary>The model of an archive that is open: a weights file with its model's config, for instance.</summary>
    /// <param name="archive">The archive. Its weights are the model's from then on.</param>
    /// <exception cref="NotSupportedException">
    /// The model has layers or settings that are not known; the message lists all of them. Nothing was built.
    /// </exception>
    /// <exception cref="ArgumentException">The archive has no model's config.</exception>
    public static KerasModel Of(KerasArchive archive)
    {
        ArgumentNullException.ThrowIfNull(archive);
        JsonObject config = archive.ModelConfig
            ?? throw new ArgumentException("The archive has no model's config: give KerasArchive.Open the one that model.to_json() "
                + "has in Python.", nameof(archive));
        return new KerasModel(archive, Build(config));
    }

    static KerasModel Open(string file, Stream stream) =>
        LegacyModel.TryOpen(file, stream, Build) is var (archive, root)
            ? new KerasModel(archive, root)
            : Of(KerasArchive.Open(file, stream));

    static KerasLayer Build(JsonObject config)
    {
        var factory = new LayerFactory();
        KerasLayer root = factory.Create(config, parentPath: null);
        return factory.Problems.Count == 0
            ? root
            : throw new NotSupportedException(
                $"The model has {factory.Problems.Count} {(factory.Problems.Count == 1 ? "part that is" : "parts that are")} not supported:"
                + string.Concat(factory.Problems.Distinct().Select(problem => $"{Environment.NewLine}- {problem}.")));
    }

    /// <summary>
    /// The output for a batch, of a model with one input and one output, in the module's mode (<c>train()</c>, <c>eval()</c>).
    /// </summary>
    /// <param name="input">A batch.</param>
    public override Tensor forward(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Tensor[] outputs = Call([input]);
        return outputs.Length == 1
            ? outputs[0]
            : throw new InvalidOperationException($"The model has {outputs.Length} outputs ({string.Join(", ", OutputNames)}); use "
                + "Call with a list.");
    }

    /// <summary>The outputs for a batch, in the module's mode.</summary>
    /// <param name="inputs">A tensor for each of <see cref="InputNames"/>.</param>
    /// <returns>A tensor for each of <see cref="OutputNames"/>.</returns>
    public Tensor[] Call(IReadOnlyList<Tensor> inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        (Tensor[] outputs, ForwardContext context) = Run(inputs, training);
        _lastPass = new Pass(outputs, context, inputs[0].shape[0], new Tensor?[outputs.Length], new Tensor?[outputs.Length]);
        return outputs;
    }

    /// <summary>As <see cref="Call(IReadOnlyList{Tensor})"/>, by names.</summary>
    /// <param name="inputs">Tensors by <see cref="InputNames"/>.</param>
    /// <returns>Tensors by <see cref="OutputNames"/>; of outputs with one name, the last.</returns>
    public Dictionary<string, Tensor> Call(IReadOnlyDictionary<string, Tensor> inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        return ByName(Call(InOrder(inputs)));
    }

    /// <summary>The output for all examples, without training. Keras: <c>predict</c>.</summary>
    /// <param name="input">Examples, along the first axis.</param>
    /// <param name="batchSize">How many to compute at once, ≥ 1. The default is 32.</param>
    /// <returns>A new tensor, for the caller to dispose.</returns>
    public Tensor Predict(Tensor input, int batchSize = 32)
    {
        ArgumentNullException.ThrowIfNull(input);
        Tensor[] outputs = Predict([input], batchSize);
        return outputs.Length == 1
            ? outputs[0]
            : throw new InvalidOperationException($"The model has {outputs.Length} outputs ({string.Join(", ", OutputNames)}); use "
                + "Predict with a list.");
    }

    /// <summary>As <see cref="Predict(Tensor, int)"/>, of several inputs and outputs.</summary>
    /// <param name="inputs">A tensor for each of <see cref="InputNames"/>.</param>
    /// <param name="batchSize">As there.</param>
    /// <returns>A tensor for each of <see cref="OutputNames"/>.</returns>
    public Tensor[] Predict(IReadOnlyList<Tensor> inputs, int batchSize = 32)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var parts = new List<Tensor[]>();
        foreach (Tensor[] batch in Batches(inputs, batchSize))
        {
            using var inner = NewDisposeScope();
            (Tensor[] outputs, _) = Run(batch, training: false);
            parts.Add([.. outputs.Select(output => output.MoveToOuterDisposeScope())]);
        }

        return [.. OutputNames.Select((_, i) => (parts.Count == 1
            ? parts[0][i].contiguous()
            : cat([.. parts.Select(part => part[i])])).MoveToOuterDisposeScope())];
    }

    /// <summary>As <see cref="Predict(Tensor, int)"/>, by names.</summary>
    /// <param name="inputs">Tensors by <see cref="InputNames"/>.</param>
    /// <param name="batchSize">As there.</param>
    /// <returns>Tensors by <see cref="OutputNames"/>; of outputs with one name, the last.</returns>
    public Dictionary<string, Tensor> Predict(IReadOnlyDictionary<string, Tensor> inputs, int batchSize = 32)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        return ByName(Predict(InOrder(inputs), batchSize));
    }

    /// <summary>
    /// Sets the states of stateful recurrent layers to zeros. Until then each batch continues where the last one ended. An archive does
    /// not contain these states. Keras: <c>reset_state</c> of each layer.
    /// </summary>
    public void ResetStates()
    {
        foreach (Recurrent layer in _root.All().OfType<Recurrent>())
            layer.ResetState();
    }

    /// <summary>Writes the model with the optimizer's state, for Keras and for <see cref="Open(string)"/>.</summary>
    /// <inheritdoc cref="KerasArchive.Save(string, int)"/>
    public void Save(string path, int keep = 0)
    {
        FitOptimizer();
        Archive.Save(path, keep);
    }

    /// <inheritdoc cref="KerasArchive.Save(Stream, bool)"/>
    public void Save(Stream stream, bool weightsOnly = false)
    {
        FitOptimizer();
        Archive.Save(stream, weightsOnly);
    }

    // Keras expects the state of what is trained.
    void FitOptimizer()
    {
        if (_optimizer is not null)
            _ = Optimizer;
    }

    /// <summary>One pass, with what layers added to the loss and the masks of the outputs.</summary>
    internal (Tensor[] Outputs, ForwardContext Context) Run(IReadOnlyList<Tensor> inputs, bool training)
    {
        var context = new ForwardContext(training);
        object? argument = _graph?.InputsByName is null && inputs.Count == 1 ? inputs[0] : inputs.Cast<object?>().ToArray();
        object result = _root.Invoke(new LayerCall(context, [argument]));
        return ([.. Values.Tensors(result)], context);
    }

    Tensor[] InOrder(IReadOnlyDictionary<string, Tensor> inputs)
    {
        string[] missing = [.. InputNames.Where(name => !inputs.ContainsKey(name))];
        return missing.Length == 0
            ? [.. InputNames.Select(name => inputs[name])]
            : throw new ArgumentException($"The inputs {string.Join(", ", missing)} are missing; given are "
                + $"{string.Join(", ", inputs.Keys)}.", nameof(inputs));
    }

    Dictionary<string, Tensor> ByName(Tensor[] outputs)
    {
        var named = new Dictionary<string, Tensor>();
        for (int i = 0; i < outputs.Length; i++)
            named[OutputNames[i]] = outputs[i];
        return named;
    }

    static IEnumerable<Tensor[]> Batches(IReadOnlyList<Tensor> tensors, int size)
    {
        if (tensors.Count == 0)
            throw new ArgumentException("There are no inputs.", nameof(tensors));
        long count = tensors[0].shape[0];
        if (tensors.FirstOrDefault(tensor => tensor.shape[0] != count) is { } other)
            throw new ArgumentException($"The inputs have {count} and {other.shape[0]} examples; they must have the same number.",
                nameof(tensors));
        for (long start = 0; start < count; start += size)
            yield return [.. tensors.Select(tensor => tensor.narrow(0, start, Math.Min(size, count - start)))];
    }
}
