using Infinorm.Tests;

namespace Infinorm.Keras.Tests;

/// <summary>The rooms of Keras's files.</summary>
public sealed class ArchitectureTests() : RoomTests(typeof(KerasArchive).Assembly, "Infinorm.Keras", "Infinorm.Keras",
[
    ("Json", []),
    ("Hdf5", []),
    ("Layers", ["Json"]),
    ("", ["Layers", "Hdf5", "Json"]),
]);
