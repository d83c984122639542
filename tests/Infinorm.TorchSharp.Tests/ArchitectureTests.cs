using Infinorm.Tests;

namespace Infinorm.Torch.Tests;

/// <summary>The rooms of the package for TorchSharp.</summary>
public sealed class ArchitectureTests() : RoomTests(typeof(TorchOptimizer).Assembly, "Infinorm.TorchSharp", "Infinorm.Torch",
[
    ("", []),
    ("Training", [""]),
    ("Training.Callbacks", ["Training", ""]),
]);
