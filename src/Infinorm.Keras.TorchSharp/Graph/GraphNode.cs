using Infinorm.Keras.Torch.Layers;

namespace Infinorm.Keras.Torch.Graph;

/// <summary>One call in a graph: of a layer, or of an operation such as <c>x + y</c>.</summary>
/// <param name="Layer">The layer that is called; null for an operation.</param>
/// <param name="Operation">The operation; null for a layer.</param>
/// <param name="Arguments">By position; tensors of other nodes are <see cref="NodeOutput"/>.</param>
/// <param name="Named">By name.</param>
sealed record GraphNode(KerasLayer? Layer, Operation? Operation, IReadOnlyList<object?> Arguments, IReadOnlyDictionary<string, object?> Named);

/// <summary>An output of a node.</summary>
/// <param name="Node">The layer's or operation's name, and which of its calls it is.</param>
/// <param name="Index">Which of the outputs.</param>
readonly record struct NodeOutput((string Name, int Call) Node, int Index);
