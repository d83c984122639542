using System.Globalization;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>One step of a recurrent layer.</summary>
abstract class RecurrentCell(LayerConfig config) : KerasLayer(config)
{
    /// <summary>How many state tensors it has.</summary>
    public abstract int StateCount { get; }

    /// <summary>States of zeros for a batch.</summary>
    /// <param name="sequence">(batch, time, …).</param>
    public abstract Tensor[] InitialStates(Tensor sequence);

    /// <summary>What depends on the inputs alone, for all time steps at once: (batch, time, …) to the same.</summary>
    public virtual Tensor Prepare(Tensor sequence, bool training) => sequence;

    /// <summary>Called before the first step of a sequence.</summary>
    public virtual void Begin(Tensor[] states, bool training)
    {
    }

    /// <summary>One step.</summary>
    /// <param name="input">A time step of what <see cref="Prepare"/> made.</param>
    /// <param name="states">The states.</param>
    /// <param name="training">Whether the model is being trained.</param>
    public abstract (Tensor Output, Tensor[] States) Step(Tensor input, Tensor[] states, bool training);

    protected internal override object Call(LayerCall call) =>
        throw new NotSupportedException($"{Path}: a cell by itself in a graph is not supported; put it into a RNN layer.");
}

/// <summary>What the cells of dense matrices have in common.</summary>
abstract class DenseCell : RecurrentCell
{
    readonly int _units;
    readonly double _dropout, _recurrentDropout;
    Tensor? _recurrentMask;

    protected DenseCell(LayerConfig config, string activation = "tanh")
        : base(config)
    {
        _units = config.Integer("units");
        Kernel = AddWeight("kernel", regularizer: "kernel_regularizer");
        Recurrent = AddWeight("recurrent_kernel", regularizer: "recurrent_regularizer");
        config.Ignore("bias_regularizer");
        Bias = config.Boolean("use_bias", true) ? AddWeight("bias", regularizer: "bias_regularizer") : null;
        Activation = config.Activation("activation", activation);
        (_dropout, _recurrentDropout) = (config.Number("dropout", 0), config.Number("recurrent_dropout", 0));
        config.Ignore("implementation");
    }

    public override int StateCount => 1;

    protected int Units => _units;

    protected LayerWeight Kernel { get; }

    protected LayerWeight Recurrent { get; }

    protected LayerWeight? Bias { get; }

    protected Func<Tensor, Tensor> Activation { get; }

    public override Tensor[] InitialStates(Tensor sequence) =>
        [.. Enumerable.Range(0, StateCount).Select(_ => zeros([sequence.shape[0], _units], dtype: ComputeType, device: sequence.device))];

    public override Tensor Prepare(Tensor sequence, bool training)
    {
        if (training && _dropout > 0)
            sequence = NoiseLayer.Drop(sequence, _dropout, [sequence.shape[0], 1, sequence.shape[2]]);
        return Dense.Linear(sequence, Kernel.Value, InputBias);
    }

    public override void Begin(Tensor[] states, bool training) =>
        _recurrentMask = training && _recurrentDropout > 0 ? NoiseLayer.Drop(ones_like(states[0]), _recurrentDropout, states[0].shape) : null;

    /// <summary>The bias of the inputs.</summary>
    protected virtual Tensor? InputBias => Bias?.Value;

    /// <summary>The state as the recurrent kernel sees it.</summary>
    protected Tensor Dropped(Tensor state) => _recurrentMask is null ? state : state * _recurrentMask;
}

sealed class SimpleRNNCell(LayerConfig config) : DenseCell(config)
{
    public override (Tensor, Tensor[]) Step(Tensor input, Tensor[] states, bool training)
    {
        Tensor output = Activation(input + Dropped(states[0]).matmul(Recurrent.Value));
        return (output, [output]);
    }
}

sealed class LSTMCell : DenseCell
{
    readonly Func<Tensor, Tensor> _gate;

    public LSTMCell(LayerConfig config)
        : base(config)
    {
        config.Ignore("unit_forget_bias"); // How the bias begins.
        _gate = config.Activation("recurrent_activation", "sigmoid");
    }

    public override int StateCount => 2;

    public override (Tensor, Tensor[]) Step(Tensor input, Tensor[] states, bool training)
    {
        Tensor[] gates = input.addmm(Dropped(states[0]), Recurrent.Value).chunk(4, -1);
        Tensor carry = (_gate(gates[1]) * states[1]) + (_gate(gates[0]) * Activation(gates[2]));
        Tensor output = _gate(gates[3]) * Activation(carry);
        return (output, [output, carry]);
    }
}

sealed class GRUCell : DenseCell
{
    readonly Func<Tensor, Tensor> _gate;
    readonly bool _resetsAfter;

    public GRUCell(LayerConfig config)
        : base(config)
    {
        _gate = config.Activation("recurrent_activation", "sigmoid");
        _resetsAfter = config.Boolean("reset_after", true);
    }

    // With reset_after there are two biases: for the inputs, and for the state.
    protected override Tensor? InputBias => _resetsAfter ? Bias?.Value.select(0, 0) : Bias?.Value;

    public override (Tensor, Tensor[]) Step(Tensor input, Tensor[] states, bool training)
    {
        Tensor state = states[0], dropped = Dropped(state), kernel = Recurrent.Value;
        Tensor[] x = input.chunk(3, -1);
        Tensor z, candidate;
        if (_resetsAfter)
        {
            Tensor inner = Bias is null ? dropped.matmul(kernel) : addmm(Bias.Value.select(0, 1), dropped, kernel, 1, 1);
            Tensor[] h = inner.chunk(3, -1);
            z = _gate(x[0] + h[0]);
            Tensor r = _gate(x[1] + h[1]);
            candidate = Activation(x[2] + (r * h[2]));
        }
        else
        {
            Tensor[] h = dropped.matmul(kernel.narrow(1, 0, 2 * Units)).chunk(2, -1);
            z = _gate(x[0] + h[0]);
            Tensor r = _gate(x[1] + h[1]);
            candidate = Activation(x[2] + (r * dropped).matmul(kernel.narrow(1, 2 * Units, Units)));
        }

        Tensor output = (z * state) + ((1 - z) * candidate);
        return (output, [output]);
    }
}

sealed class StackedRNNCells : RecurrentCell
{
    readonly RecurrentCell[] _cells;

    public StackedRNNCells(LayerConfig config)
        : base(config)
    {
        var serialized = config.Json("cells") as JsonArray ?? throw new FormatException("StackedRNNCells: config key 'cells' is missing");
        foreach (JsonNode? cell in serialized)
        {
            KerasLayer layer = config.Layer((JsonObject)cell!);
            int number = InnerLayers.Count(other => other.ClassName == layer.ClassName);
            string group = ModelWeights.GroupNameOf(layer.ClassName);
            AddLayer(layer, number == 0 ? $"cells/{group}" : string.Create(CultureInfo.InvariantCulture, $"cells/{group}_{number}"));
        }

        _cells = [.. InnerLayers.Select(RecurrentCells.Require)];
    }

    public override int StateCount => _cells.Sum(cell => cell.StateCount);

    public override Tensor[] InitialStates(Tensor sequence) => [.. _cells.SelectMany(cell => cell.InitialStates(sequence))];

    public override void Begin(Tensor[] states, bool training)
    {
        int first = 0;
        foreach (RecurrentCell cell in _cells)
        {
            cell.Begin(states[first..(first + cell.StateCount)], training);
            first += cell.StateCount;
        }
    }

    public override (Tensor, Tensor[]) Step(Tensor input, Tensor[] states, bool training)
    {
        var next = new List<Tensor>();
        foreach (RecurrentCell cell in _cells)
        {
            Tensor prepared = cell.Prepare(input.unsqueeze(1), training).squeeze(1);
            (input, Tensor[] own) = cell.Step(prepared, states[next.Count..(next.Count + cell.StateCount)], training);
            next.AddRange(own);
        }

        return (input, [.. next]);
    }
}

sealed class ConvLSTMCell : RecurrentCell
{
    readonly int _filters;
    readonly bool _isChannelsFirst;
    readonly long[] _strides, _dilation;
    readonly string _padding;
    readonly LayerWeight _kernel, _recurrent;
    readonly LayerWeight? _bias;
    readonly Func<Tensor, Tensor> _activation, _gate;
    readonly double _dropout, _recurrentDropout;
    Tensor? _recurrentMask;

    public ConvLSTMCell(LayerConfig config, int rank)
        : base(config)
    {
        _filters = config.Integer("filters");
        _isChannelsFirst = config.IsChannelsFirst();
        config.Sizes("kernel_size", rank);
        (_strides, _dilation) = (config.Sizes("strides", rank, 1), config.Sizes("dilation_rate", rank, 1));
        _padding = config.OneOf("padding", "valid", "valid", "same");
        _kernel = AddWeight("kernel", regularizer: "kernel_regularizer");
        _recurrent = AddWeight("recurrent_kernel", regularizer: "recurrent_regularizer");
        config.Ignore("bias_regularizer", "unit_forget_bias");
        _bias = config.Boolean("use_bias", true) ? AddWeight("bias", regularizer: "bias_regularizer") : null;
        (_activation, _gate) = (config.Activation("activation", "tanh"), config.Activation("recurrent_activation", "sigmoid"));
        (_dropout, _recurrentDropout) = (config.Number("dropout", 0), config.Number("recurrent_dropout", 0));
    }

    public override int StateCount => 2;

    // The space of the states is that of the convolved inputs.
    public override Tensor[] InitialStates(Tensor sequence)
    {
        using var noGrad = no_grad();
        Tensor first = Prepare(sequence.narrow(1, 0, 1), training: false).select(1, 0);
        long[] shape = first.shape;
        shape[1] = _filters;
        return [zeros(shape, dtype: ComputeType), zeros(shape, dtype: ComputeType)];
    }

    public override Tensor Prepare(Tensor sequence, bool training)
    {
        if (training && _dropout > 0)
            sequence = NoiseLayer.Drop(sequence, _dropout, [sequence.shape[0], 1, .. sequence.shape[2..]]);
        Tensor steps = sequence.flatten(0, 1);
        Tensor convolved = Kernels.Convolve(_isChannelsFirst ? steps : Axes.ToChannelsFirst(steps), Kernels.OutInSpace(_kernel.Value), _bias?.Value, _strides, _padding, _dilation, 1);
        return convolved.view([sequence.shape[0], sequence.shape[1], .. convolved.shape[1..]]);
    }

    public override void Begin(Tensor[] states, bool training) =>
        _recurrentMask = training && _recurrentDropout > 0 ? NoiseLayer.Drop(ones_like(states[0]), _recurrentDropout, states[0].shape) : null;

    public override (Tensor, Tensor[]) Step(Tensor input, Tensor[] states, bool training)
    {
        long[] ones = [.. _strides.Select(_ => 1L)];
        Tensor state = _recurrentMask is null ? states[0] : states[0] * _recurrentMask;
        Tensor[] gates = (input + Kernels.Convolve(state, Kernels.OutInSpace(_recurrent.Value), null, ones, "same", ones, 1)).chunk(4, 1);
        Tensor carry = (_gate(gates[1]) * states[1]) + (_gate(gates[0]) * _activation(gates[2]));
        Tensor output = _gate(gates[3]) * _activation(carry);
        return (output, [output, carry]);
    }

    /// <summary>Whether outputs and states, which are computed with channels first, are given so.</summary>
    public bool IsChannelsFirst => _isChannelsFirst;
}

static class RecurrentCells
{
    public static RecurrentCell Require(KerasLayer layer) => layer as RecurrentCell
        ?? throw new FormatException($"a {layer.ClassName} as the cell of a recurrent layer is not supported");

    public static RecurrentCell Of(string className, LayerConfig config) => className switch
    {
        "SimpleRNNCell" => new SimpleRNNCell(config),
        "LSTMCell" => new LSTMCell(config),
        "GRUCell" => new GRUCell(config),
        "ConvLSTM1DCell" => new ConvLSTMCell(config, rank: 1),
        "ConvLSTM2DCell" => new ConvLSTMCell(config, rank: 2),
        _ => new ConvLSTMCell(config, rank: 3),
    };
}
