using System.Text.Json.Nodes;
using Infinorm.Torch;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>A cell over the time steps of a sequence. The mask ends here.</summary>
sealed class Recurrent : KerasLayer
{
    static readonly string[] OwnSettings =
    [
        "return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask", "name", "trainable", "dtype",
            "time_major",
        "input_length", "batch_shape", "batch_input_shape", "activity_regularizer",
    ];

    readonly RecurrentCell _cell;
    readonly bool _isBackward, _isStateful;
    Tensor[]? _kept; // by a stateful layer, since its last batch

    /// <summary>A layer with a cell of its own kind, whose settings are the layer's.</summary>
    public Recurrent(LayerConfig config, string cellClass, string cellName)
        : this(config, layer => RecurrentCells.Of(cellClass, layer.Part(cellClass, cellName)))
    {
        config.IgnoreRest();
    }

    /// <summary>A layer with any cell.</summary>
    public Recurrent(LayerConfig config)
        : this(config, layer => RecurrentCells.Require(layer.Layer("cell")))
    {
    }

    Recurrent(LayerConfig config, Func<LayerConfig, RecurrentCell> cell)
        : base(config)
    {
        config.Ignore(OwnSettings);
        _isStateful = config.Boolean("stateful", false);
        ReturnsSequences = config.Boolean("return_sequences", false);
        ReturnsState = config.Boolean("return_state", false);
        _isBackward = config.Boolean("go_backwards", false);
        ZeroesMasked = config.Boolean("zero_output_for_mask", false);
        _cell = AddLayer(cell(config), "cell");
    }

    public bool ReturnsSequences { get; }

    public bool ReturnsState { get; }

    /// <summary>Whether the output of a masked step is 0; else it is that of the step before.</summary>
    public bool ZeroesMasked { get; set; }

    public int StateCount => _cell.StateCount;

    protected internal override object Call(LayerCall call)
    {
        // Further arguments are the states to begin with.
        Tensor sequence = call.Inputs[0];
        Tensor[] given = [.. call.Inputs.Skip(1), .. call.Arguments.Skip(1).SelectMany(Values.Tensors),
            .. Values.Tensors(call.Named.GetValueOrDefault("initial_state"))];
        Tensor? mask = call.Named.GetValueOrDefault("mask") switch
        {
            Tensor one => one,
            IReadOnlyList<object?> { Count: > 0 } list => list[0] as Tensor,
            _ => given.Length == 0 ? call.MaskOf(sequence) : null,
        };
        Tensor[]? initial = given.Length > 0 ? given : _isStateful && !call.Context.IsTrial ? Kept(sequence) : null;
        (Tensor output, Tensor[] states) = Run(sequence, initial, mask, call.Training);
        if (_isStateful && !call.Context.IsTrial)
            Keep(states);
        return ReturnsState ? (object?[])[output, .. states] : output;
    }

    /// <summary>Lets a stateful layer begin anew.</summary>
    public void ResetState()
    {
        foreach (Tensor state in _kept ?? [])
            state.Dispose();
        _kept = null;
    }

    Tensor[]? Kept(Tensor sequence) => _kept is null || _kept[0].shape[0] == sequence.shape[0]
        ? _kept
        : throw new ArgumentException(
            $"{Path} is stateful and has states of {_kept[0].shape[0]} examples; the batch has {sequence.shape[0]}. Call "
                + $"{nameof(KerasModel.ResetStates)} first.");

    void Keep(Tensor[] states)
    {
        Tensor[] kept = Array.ConvertAll(states, state => state.detach().clone().DetachFromDisposeScope());
        ResetState();
        _kept = kept;
    }

    (Tensor Output, Tensor[] States) Run(Tensor sequence, Tensor[]? initial, Tensor? mask, bool training)
    {
        long steps = sequence.shape[1];
        bool isLast = _cell is ConvLSTMCell { IsChannelsFirst: false };
        Tensor[] states = initial is null ? _cell.InitialStates(sequence)
            : [.. initial.Select(state => (isLast ? Axes.ToChannelsFirst(state) : state).to(ComputeType))];
        if (states.Length != _cell.StateCount)
            throw new ArgumentException($"{Path}: {states.Length} states are given, it has {_cell.StateCount}.");
        if (mask is null && _cell.Whole(_isBackward ? sequence.flip(1) : sequence, states, training) is var (all, last))
            return (ReturnsSequences ? all : last[0], last);
        _cell.Begin(states, training);
        Tensor[] inputs = _cell.Prepare(sequence, training).unbind(1);
        Tensor[]? kept = mask?.to(ScalarType.Bool).unbind(1);
        var outputs = new List<Tensor>((int)steps);
        Tensor? previous = null;
        for (int i = 0; i < steps; i++)
        {
            int step = (int)(_isBackward ? steps - 1 - i : i);
            (Tensor output, Tensor[] next) = _cell.Step(inputs[step], states, training);
            if (kept is not null)
            {
                Tensor keep = Axes.Extend(kept[step], output.dim());
                output = where(keep, output, previous is null || ZeroesMasked ? zeros_like(output) : previous);
                for (int s = 0; s < next.Length; s++)
                    next[s] = where(Axes.Extend(kept[step], next[s].dim()), next[s], states[s]);
            }

            previous = output;
            states = next;
            if (ReturnsSequences)
                outputs.Add(output);
        }

        Tensor result = ReturnsSequences
            ? stack(outputs, 1)
            : previous ?? throw new ArgumentException($"{Path}: the sequence has no time step.");
        if (isLast)
        {
            result = ReturnsSequences ? result.movedim([2], [-1]) : Axes.ToChannelsLast(result);
            states = Array.ConvertAll(states, Axes.ToChannelsLast);
        }

        return (result, states);
    }
}

sealed class Bidirectional : KerasLayer
{
    readonly Recurrent _forward, _backward;
    readonly string? _merge;

    public Bidirectional(LayerConfig config)
        : base(config)
    {
        _merge = config.Json("merge_mode") is null ? null : config.OneOf("merge_mode", "concat", "concat", "sum", "ave", "mul");
        _forward = Require(AddLayer(config.Layer("layer"), "forward_layer"));
        _backward = Require(AddLayer(config.Json("backward_layer") is not null
            ? config.Layer("backward_layer")
            : config.Layer(Reversed((JsonObject)config.Json("layer")!),
                $"backward_{_forward.LayerName.Replace("forward_", "", StringComparison.Ordinal)}"), "backward_layer"));
        _forward.ZeroesMasked = _backward.ZeroesMasked = _forward.ReturnsSequences; // whatever is set
    }

    protected internal override object Call(LayerCall call)
    {
        object?[] states = [.. call.Inputs.Skip(1), .. Values.Tensors(call.Argument("initial_state", 1))];
        Tensor? mask = call.Named.GetValueOrDefault("mask") as Tensor ?? (states.Length == 0 ? call.MaskOf(call.Inputs[0]) : null);
        (Tensor forward, Tensor[] left) = Run(_forward, states[..(states.Length / 2)]);
        (Tensor backward, Tensor[] right) = Run(_backward, states[(states.Length / 2)..]);
        if (_forward.ReturnsSequences)
            backward = backward.flip(1);
        object?[] outputs = _merge switch
        {
            "concat" => [cat([forward, backward], -1)],
            "sum" => [forward.Plus(backward)],
            "ave" => [forward.Plus(backward).Over(2)],
            "mul" => [forward * backward],
            _ => [forward, backward],
        };
        return outputs.Length == 1 && left.Length == 0 ? outputs[0]! : (object?[])[.. outputs, .. left, .. right];

        (Tensor, Tensor[]) Run(Recurrent layer, object?[] own)
        {
            var named = new Dictionary<string, object?> { ["mask"] = mask };
            if (own.Length > 0)
                named["initial_state"] = own;
            Tensor[] results = [.. Values.Tensors(layer.Invoke(new LayerCall(call.Context, [call.Inputs[0]], named)))];
            return (results[0], results[1..]);
        }
    }

    static Recurrent Require(KerasLayer layer) => layer as Recurrent
        ?? throw new FormatException($"a {layer.ClassName} in a Bidirectional layer is not supported");

    static JsonObject Reversed(JsonObject layer)
    {
        var reversed = (JsonObject)layer.DeepClone();
        reversed["config"]!["go_backwards"] = reversed["config"]!["go_backwards"]?.GetValue<bool>() != true;
        return reversed;
    }
}

/// <summary>Applies a layer to each time step by itself. The mask ends here.</summary>
sealed class TimeDistributed : KerasLayer
{
    readonly KerasLayer _layer;

    public TimeDistributed(LayerConfig config)
        : base(config) => _layer = AddLayer(config.Layer("layer"), "layer");

    private protected override bool TakesModeSecond => true;

    // Keras calls the layer's own function, not the layer: what is around it, such as the regularizer of its outputs, has no part.
    protected internal override object Call(LayerCall call)
    {
        Tensor[]? masks = call.Mask?.unbind(1);
        return stack([.. call.Input.unbind(1).Select(Step)], 1);

        Tensor Step(Tensor step, int number) => (Tensor)_layer.Call(new LayerCall(
            call.Context, [step], masks is null ? null : new Dictionary<string, object?> { ["mask"] = masks[number] }));
    }
}
