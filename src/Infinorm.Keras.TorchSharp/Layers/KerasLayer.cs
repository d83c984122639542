using Infinorm.Torch;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>
/// A layer of a Keras model. A layer of your own derives from it, reads its settings and adds its weights in the constructor, computes in
/// <see cref="Call"/>, and is made known with <see cref="KerasModel.Register"/>.
/// </summary>
public abstract class KerasLayer : nn.Module
{
    readonly List<LayerWeight> _weights = [];
    readonly List<KerasLayer> _inner = [];
    readonly Regularizer? _activityRegularizer;
    readonly LayerConfig _config;
    KerasArchive? _owner;
    bool _isTrainable;

    /// <summary>Reads what all layers have: name, whether it is trained, types, the regularizer of its outputs.</summary>
    /// <param name="config">The settings.</param>
    protected KerasLayer(LayerConfig config)
        : base((config ?? throw new ArgumentNullException(nameof(config))).Name)
    {
        _config = config;
        config.Owner = this;
        (LayerName, ClassName, Path) = (config.Name, config.ClassName, config.Path);
        _isTrainable = config.Boolean("trainable", true);
        (ComputeType, VariableType) = config.DTypePolicy();
        ConvertsInputs = config.Boolean("autocast", true);
        _activityRegularizer = config.Regularizer("activity_regularizer");
    }

    /// <summary>The layer's name in the model.</summary>
    public string LayerName { get; }

    /// <summary>Its class in Keras.</summary>
    public string ClassName { get; }

    /// <summary>The names of the models and layers around it and its own, joined by <c>/</c>.</summary>
    public string Path { get; }

    /// <summary>
    /// Whether it is trained. Set, it freezes the layer and all layers in it, or has them trained; statistics are never trained. The
    /// model's optimizer goes on with the state of the weights that it had. Keras: <c>trainable</c>.
    /// </summary>
    public bool IsTrainable
    {
        get => _isTrainable;
        set
        {
            _isTrainable = value;
            _config.Set("trainable", value);
            foreach (LayerWeight weight in _weights)
                weight.SetTrained(value, _owner);
            foreach (KerasLayer layer in _inner)
                layer.IsTrainable = value;
        }
    }

    /// <summary>The type that it computes in. Keras: <c>compute_dtype</c>.</summary>
    public ScalarType ComputeType { get; }

    /// <summary>The type that its weights have. Keras: <c>variable_dtype</c>.</summary>
    public ScalarType VariableType { get; }

    /// <summary>Its own weights, without those of layers in it.</summary>
    public IReadOnlyList<LayerWeight> Weights => _weights;

    /// <summary>The layers in it: of a model, its layers; of a wrapper, what it wraps.</summary>
    public IReadOnlyList<KerasLayer> InnerLayers => _inner;

    /// <summary>What its group is called in the group around it in the HDF5 file: <c>layers/dense_1</c>.</summary>
    internal string StoredKey { get; private set; } = "";

    /// <summary>
    /// Whether a mask goes on from the layer's input to its output. The default is false. Keras: <c>supports_masking</c>.
    /// </summary>
    protected virtual bool PassesMask => false;

    /// <summary>Whether tensors of floating point are converted to <see cref="ComputeType"/> before <see cref="Call"/>.</summary>
    private protected bool ConvertsInputs { get; init; }

    /// <summary>Whether the regularizer of its outputs is for them; else it is for those of layers in it.</summary>
    private protected bool RegularizesOutputs { get; init; } = true;

    /// <summary>Whether the second argument is the mode, as in <c>dropout(x, True)</c>.</summary>
    private protected virtual bool TakesModeSecond => false;

    /// <summary>Computes the outputs: a tensor, or a list of tensors.</summary>
    /// <param name="call">Arguments, masks and mode.</param>
    protected internal abstract object Call(LayerCall call);

    /// <summary>The mask of the output, where it is another than the input's; asked for after <see cref="Call"/>.</summary>
    /// <param name="call">As there.</param>
    /// <param name="previous">The mask of the input; null for none.</param>
    protected virtual Tensor? ComputeMask(LayerCall call, Tensor? previous) => PassesMask ? previous : null;

    /// <summary>
    /// Adds a weight that is stored under this name; to be called in the constructor, in the order in which Keras adds them.
    /// </summary>
    /// <param name="name">Its name, such as <c>kernel</c>.</param>
    /// <param name="isTrained">Whether gradients train it; false for statistics and the like.</param>
    /// <param name="regularizer">The setting that holds its regularizer, such as <c>kernel_regularizer</c>; null for none.</param>
    protected LayerWeight AddWeight(string name, bool isTrained = true, string? regularizer = null)
    {
        var weight = new LayerWeight(this, name, regularizer is null ? null : _config.Regularizer(regularizer), isTrained);
        _weights.Add(weight);
        return weight;
    }

    /// <summary>Adds a layer in this one.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="storedKey">What its group is called in this layer's group of the HDF5 file.</param>
    internal TLayer AddLayer<TLayer>(TLayer layer, string storedKey)
        where TLayer : KerasLayer
    {
        layer.StoredKey = storedKey;
        _inner.Add(layer);
        return layer;
    }

    /// <summary>Calls the layer as Keras does: converts the inputs, computes, adds the loss of its outputs, passes the mask on.</summary>
    internal object Invoke(LayerCall call)
    {
        if (TakesModeSecond && call.Arguments is [_, bool training, ..])
            call = new LayerCall(call.Context.In(training), call.Arguments, call.Named);
        if (ConvertsInputs)
            call = Converted(call);
        Tensor? previous = call.Named.GetValueOrDefault("mask") as Tensor
            ?? (call.Arguments.Count > 0 && call.Arguments[0] is Tensor first ? call.MaskOf(first) : null);
        object outputs = Call(call);
        if (_activityRegularizer is not null && RegularizesOutputs)
        {
            foreach (Tensor output in Values.Tensors(outputs))
                call.AddLoss(_activityRegularizer.Of(output).Over(output.dim() > 0 ? output.shape[0] : 1));
        }

        if (ComputeMask(call, previous) is { } mask
            && Values.Tensors(outputs).FirstOrDefault() is { } masked
            && call.MaskOf(masked) is null)
            call.Context.SetMask(masked, mask);
        call.Context.Observe?.Invoke(this, outputs);
        return outputs;
    }

    /// <summary>Calls the layer with one tensor.</summary>
    internal Tensor Invoke(Tensor input, ForwardContext context) => (Tensor)Invoke(new LayerCall(context, [input]));

    /// <summary>The layer and all layers in it.</summary>
    internal IEnumerable<KerasLayer> All() => _inner.SelectMany(layer => layer.All()).Prepend(this);

    /// <summary>Gives the weights of this layer and of those in it their memory, and makes them known to torch.</summary>
    internal void Bind(WeightSource source)
    {
        _owner = source.Archive;
        Load(source.Archive);
        foreach (LayerWeight weight in _weights)
        {
            if (source.Find(weight) is not { } stored)
                continue;
            weight.Bind(stored);
            string name = weight.Name.Replace('.', '_');
            if (weight.Parameter is { } parameter)
                register_parameter(name, parameter);
            else
                register_buffer(name, weight.Tensor);
        }

        var names = new HashSet<string>();
        foreach (KerasLayer layer in _inner.Distinct())
        {
            layer.Bind(source);
            string name = layer.LayerName.Replace('.', '_');
            for (int number = 1; !names.Add(name); number++)
                name = $"{layer.LayerName.Replace('.', '_')}_{number}";
            register_module(name, layer);
        }
    }

    /// <summary>Reads what the layer keeps beside its weights.</summary>
    /// <exception cref="FormatException">It is not there.</exception>
    private protected virtual void Load(KerasArchive archive)
    {
    }

    LayerCall Converted(LayerCall call)
    {
        if (call is { Arguments: [Tensor only], Named.Count: 0 } && only.dtype == ComputeType)
            return call;
        if (call.Arguments.Concat(call.Named.Values).SelectMany(Values.Tensors)
            .All(tensor => tensor.dtype == ComputeType || !tensor.is_floating_point()))
            return call;
        return new LayerCall(call.Context, Values.Map(call.Arguments, Convert),
            call.Named.ToDictionary(item => item.Key, item => Values.Map(item.Value, Convert)));

        Tensor Convert(Tensor tensor)
        {
            if (tensor.dtype == ComputeType || !tensor.is_floating_point())
                return tensor;
            Tensor converted = tensor.to(ComputeType);
            call.Context.SetMask(converted, call.MaskOf(tensor));
            return converted;
        }
    }
}
