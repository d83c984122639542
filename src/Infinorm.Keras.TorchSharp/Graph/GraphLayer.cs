using System.Globalization;
using System.Text.Json.Nodes;
using Infinorm.Keras.Torch.Layers;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>A model as a layer: the calls of its layers and operations in an order in which each finds its arguments.</summary>
sealed class GraphLayer : KerasLayer
{
    readonly GraphInput[] _inputs;
    readonly List<((string Name, int Call) Key, GraphNode Node)> _nodes;
    readonly Dictionary<(string Name, int Call), int> _places = [];
    readonly NodeOutput[] _outputs;

    GraphLayer(LayerConfig config, Func<GraphLayer, GraphReader> read)
        : base(config)
    {
        ConvertsInputs = false;
        GraphReader reader = read(this);
        (_inputs, _outputs, InputsByName, OutputsByName) = (reader.Inputs, reader.Outputs, reader.InputsByName, reader.OutputsByName);
        (ListsOutputs, Listed) = (reader.ListsOutputs, reader.Listed);
        _nodes = InOrder(reader.Nodes);
        for (int i = 0; i < _inputs.Length; i++)
            _places[_inputs[i].Key] = i;
        for (int i = 0; i < _nodes.Count; i++)
            _places[_nodes[i].Key] = _inputs.Length + i;
    }

    /// <summary>The models' inputs, in Keras's order.</summary>
    public IReadOnlyList<GraphInput> Inputs => _inputs;

    /// <summary>The names of what gives the outputs, in Keras's order.</summary>
    public IReadOnlyList<string> OutputNames => field ??= OutputsByName ?? [.. _outputs.Select(output => output.Node.Name)];

    /// <summary>The keys of the inputs where they are a dictionary, in the inputs' order.</summary>
    public IReadOnlyList<string>? InputsByName { get; }

    /// <summary>The keys of the outputs where they are a dictionary, in the outputs' order.</summary>
    public IReadOnlyList<string>? OutputsByName { get; }

    /// <summary>Inputs and layers, as a summary lists them.</summary>
    public IReadOnlyList<(GraphInput? Input, KerasLayer? Layer)> Listed { get; }

    bool ListsOutputs { get; }

    /// <summary>A model of the functional API.</summary>
    public static GraphLayer OfFunctional(LayerConfig config, ILayerFactory factory) =>
        new(config, graph => new FunctionalReader(config, factory, graph.Add));

    /// <summary>A model that is a list of layers.</summary>
    public static GraphLayer OfSequential(LayerConfig config, ILayerFactory factory, JsonObject serialized) =>
        new(config, graph => new SequentialReader(config, factory, graph.Add, serialized));

    private protected override bool TakesModeSecond => true;

    protected internal override object Call(LayerCall call)
    {
        Tensor[] given = Given(call.Arguments.Count > 0 ? call.Arguments[0] : null);
        Tensor?[] masks = call.Named.TryGetValue("mask", out object? mask)
            ? [.. (mask as IReadOnlyList<object?> ?? [mask]).Select(item => item as Tensor)] : [];
        var results = new object?[_places.Count];
        for (int i = 0; i < _inputs.Length; i++)
        {
            Tensor input = _inputs[i].Fit(given[i]);
            Tensor? own = i < masks.Length && masks[i] is { } explicitMask ? explicitMask : call.MaskOf(given[i]);
            if (own is not null)
                call.Context.SetMask(input, own);
            results[i] = input;
        }

        for (int i = 0; i < _nodes.Count; i++)
        {
            GraphNode node = _nodes[i].Node;
            object?[] arguments = [.. node.Arguments.Select(Resolve)];
            var named = node.Named.Count == 0 ? Values.NoNames : node.Named.ToDictionary(item => item.Key, item => Resolve(item.Value));
            results[_inputs.Length + i] = node.Layer is not null
                ? node.Layer.Invoke(new LayerCall(call.Context, arguments, named))
                : node.Operation!.Invoke(arguments, named);
        }

        object[] outputs = [.. _outputs.Select(output => (object)Output(output))];
        if (OutputsByName is not null)
            return OutputsByName.Select((name, i) => (name, outputs[i])).ToDictionary(item => item.name, item => (object?)item.Item2);
        return ListsOutputs ? outputs : outputs[0];

        object? Resolve(object? argument) => argument switch
        {
            NodeOutput output => Output(output),
            object?[] list => Array.ConvertAll(list, Resolve),
            IReadOnlyDictionary<string, object?> items => items.ToDictionary(item => item.Key, item => Resolve(item.Value)),
            _ => argument,
        };

        Tensor Output(NodeOutput output) => results[_places[output.Node]] switch
        {
            Tensor tensor => tensor,
            object other => Values.Tensors(other).ElementAt(output.Index),
            null => throw new InvalidOperationException($"{Path}: the output of {output.Node.Name} was asked for before it was computed."),
        };
    }

    // Layers are counted by their classes: layers/dense, layers/dense_1.
    KerasLayer Add(KerasLayer layer)
    {
        string group = ModelWeights.GroupNameOf(layer.ClassName);
        int number = InnerLayers.Count(other => other.ClassName == layer.ClassName);
        return AddLayer(layer, number == 0 ? $"layers/{group}" : string.Create(CultureInfo.InvariantCulture, $"layers/{group}_{number}"));
    }

    // Inputs as a tensor, a list, or a dictionary by the inputs' names.
    Tensor[] Given(object? value)
    {
        Tensor[] given = value is IReadOnlyDictionary<string, object?> named && _inputs.All(input => named.ContainsKey(input.Key.Name))
            ? [.. _inputs.Select(input => (Tensor)named[input.Key.Name]!)]
            : [.. Values.Tensors(value)];
        return given.Length == _inputs.Length
            ? given
            : throw new ArgumentException($"{LayerName} takes {_inputs.Length} inputs "
                + $"({string.Join(", ", _inputs.Select(input => input.Key.Name))}), and is given {given.Length}.");
    }

    // Each node after those whose outputs it takes.
    List<((string, int), GraphNode)> InOrder(Dictionary<(string, int), GraphNode> nodes)
    {
        var ordered = new List<((string, int), GraphNode)>();
        var known = _inputs.Select(input => input.Key).ToHashSet();
        var waiting = new LinkedList<KeyValuePair<(string, int), GraphNode>>(nodes.Where(node => !known.Contains(node.Key)));
        for (bool any = true; any && waiting.Count > 0;)
        {
            any = false;
            for (var item = waiting.First; item is not null;)
            {
                var next = item.Next;
                if (References(item.Value.Value).All(known.Contains))
                {
                    ordered.Add((item.Value.Key, item.Value.Value));
                    known.Add(item.Value.Key);
                    waiting.Remove(item);
                    any = true;
                }

                item = next;
            }
        }

        string[] missing = [.. waiting.SelectMany(node => References(node.Value)).Concat(_outputs.Select(output => output.Node))
            .Where(key => !known.Contains(key)).Select(key => key.Item1).Distinct()];
        if (missing.Length > 0)
            throw new FormatException($"the graph has no node, or a circle, at {string.Join(", ", missing)}");
        return ordered;

        static IEnumerable<(string, int)> References(GraphNode node) =>
            node.Arguments.Concat(node.Named.Values).SelectMany(Of).Select(output => output.Node);

        static IEnumerable<NodeOutput> Of(object? argument) => argument switch
        {
            NodeOutput output => [output],
            object?[] list => list.SelectMany(Of),
            IReadOnlyDictionary<string, object?> named => named.Values.SelectMany(Of),
            _ => [],
        };
    }
}
