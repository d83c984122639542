using System.Text.RegularExpressions;

namespace Infinorm.Tests;

/// <summary>The rooms of docs/architecture.md: a folder is a namespace, and arrows point down only.</summary>
public sealed class ArchitectureTests
{
    /// <summary>Each room of the core, and the rooms that it may know, from the bottom up.</summary>
    static readonly (string Room, string[] Knows)[] Rooms =
    [
        ("Infinorm.Types", []),
        ("Infinorm.Rules", ["Types"]),
        ("Infinorm.Kernels", ["Rules", "Types"]),
        ("Infinorm.Config", ["Types"]),
        ("Infinorm.Schedules", ["Config", "Types"]),
        ("Infinorm.Constraints", ["Types"]),
        ("Infinorm.Variables", ["Schedules", "Constraints", "Kernels", "Types"]),
        ("Infinorm.Checkpoints", ["Variables", "Config", "Types"]),
        ("Infinorm.Execution", ["Variables", "Constraints", "Kernels", "Rules", "Types"]),
        ("Infinorm.Execution.Memory", ["Execution", "Variables", "Constraints", "Kernels", "Rules", "Types"]),
        (
            "Infinorm",
            [
                "Execution", "Execution.Memory", "Checkpoints", "Variables", "Constraints", "Schedules", "Config", "Kernels", "Rules", "Types",
            ]),
        ("Infinorm.Optimizers", ["", "Variables", "Schedules", "Config", "Kernels", "Rules", "Types"]),
    ];

    public static TheoryData<string> Names() => [.. Rooms.Select(room => room.Room)];

    [Theory]
    [MemberData(nameof(Names))]
    public void ARoomKnowsOnlyTheRoomsBelowIt(string name)
    {
        string[] knows = [.. Rooms.First(room => room.Room == name).Knows.Select(room => $"Infinorm.{room}".TrimEnd('.'))];
        foreach (string other in Rooms.Select(room => room.Room).Where(other => other != name && !knows.Contains(other)))
        {
            NetArchTest.Rules.TestResult result = NetArchTest.Rules.Types.InAssembly(typeof(Optimizer).Assembly)
                .That().ResideInNamespaceMatching($"^{Regex.Escape(name)}$")
                .ShouldNot().HaveDependencyOnAny(
                    [.. typeof(Optimizer).Assembly.GetTypes().Where(type => type.Namespace == other).Select(type => type.FullName!)])
                .GetResult();
            Assert.True(
                result.IsSuccessful,
                $"{name} must not know {other}, but {string.Join(", ", result.FailingTypes?.Select(type => type.FullName) ?? [])} do.");
        }
    }

    [Fact]
    public void EveryRoomIsListed() => Assert.Equal(
        Rooms.Select(room => room.Room).Order(),
        typeof(Optimizer).Assembly.GetTypes().Select(type => type.Namespace ?? "")
            .Where(space => space.StartsWith("Infinorm", StringComparison.Ordinal)).Distinct().Order());

    [Fact]
    public void FoldersAreNamespaces()
    {
        string source = Path.Combine(ReadmeTests.Root, "src", "Infinorm");
        foreach (string file in Directory.EnumerateFiles(source, "*.cs", SearchOption.AllDirectories))
        {
            string folder = Path.GetRelativePath(source, Path.GetDirectoryName(file)!);
            if (folder.StartsWith("obj", StringComparison.Ordinal) || folder.StartsWith("bin", StringComparison.Ordinal))
                continue;
            string expected = folder == "." ? "Infinorm" : $"Infinorm.{folder.Replace(Path.DirectorySeparatorChar, '.')}";
            Assert.Contains($"\nnamespace {expected};", $"\n{File.ReadAllText(file)}");
        }
    }
}
