using Infinorm.Tests;
using Infinorm.Tool.Terminal;

namespace Infinorm.Tool.Tests;

/// <summary>The rooms of the command.</summary>
public sealed class ArchitectureTests() : RoomTests(typeof(Session).Assembly, "Infinorm.Tool", "Infinorm.Tool",
[
    ("Terminal", []),
    ("Files", ["Terminal"]),
    ("Conversions", ["Files", "Terminal"]),
    ("", ["Conversions", "Files", "Terminal"]),
]);
