using Infinorm.Tests;

namespace Infinorm.Mpi.Tests;

/// <summary>The package is one room.</summary>
public sealed class ArchitectureTests() : RoomTests(typeof(MpiWorld).Assembly, "Infinorm.Mpi", "Infinorm.Mpi", [("", [])]);
