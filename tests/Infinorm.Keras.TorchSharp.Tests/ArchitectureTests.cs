using Infinorm.Tests;

namespace Infinorm.Keras.Torch.Tests;

/// <summary>The rooms of Keras's models.</summary>
public sealed class ArchitectureTests() : RoomTests(typeof(KerasModel).Assembly, "Infinorm.Keras.TorchSharp", "Infinorm.Keras.Torch",
[
    ("Layers", []),
    ("Layers.BuiltIn", ["Layers"]),
    ("Graph", ["Layers.BuiltIn", "Layers"]),
    ("Training", []),
    ("", ["Training", "Graph", "Layers.BuiltIn", "Layers"]),
]);
