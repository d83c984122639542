namespace Infinorm.Tests;

/// <summary>The rooms of the core.</summary>
public sealed class ArchitectureTests() : RoomTests(typeof(Optimizer).Assembly, "Infinorm", "Infinorm",
[
    ("Types", []),
    ("Charts", []),
    ("Rules", ["Types"]),
    ("Kernels", ["Rules", "Types"]),
    ("Config", ["Types"]),
    ("Schedules", ["Config", "Types"]),
    ("Constraints", ["Types"]),
    ("Variables", ["Schedules", "Constraints", "Kernels", "Types"]),
    ("Checkpoints", ["Variables", "Config", "Types"]),
    ("Execution", ["Variables", "Constraints", "Kernels", "Rules", "Types"]),
    ("Execution.Memory", ["Execution", "Variables", "Constraints", "Kernels", "Rules", "Types"]),
    ("Execution.Sharded", ["Execution.Memory", "Execution", "Variables", "Constraints", "Kernels", "Rules", "Types"]),
    (
        "",
        [
            "Execution", "Execution.Memory", "Execution.Sharded", "Checkpoints", "Variables", "Constraints", "Schedules", "Config", "Kernels", "Rules", "Types",
        ]),
    ("Optimizers", ["", "Variables", "Schedules", "Config", "Kernels", "Rules", "Types"]),
]);
