using System.Reflection;
using System.Text.RegularExpressions;

namespace Infinorm.Tests;

/// <summary>The rooms of a package, as docs/architecture.md has them: a folder is a namespace, and arrows point down only.</summary>
/// <param name="package">The package's assembly.</param>
/// <param name="folder">Its folder in <c>src</c>.</param>
/// <param name="root">The namespace of that folder.</param>
/// <param name="rooms">Each room, from the bottom up, and the rooms that it may know; the root's name is empty.</param>
public abstract class RoomTests(Assembly package, string folder, string root, (string Room, string[] Knows)[] rooms)
{
    [Fact]
    public void ARoomKnowsOnlyTheRoomsBelowIt()
    {
        foreach (var (room, knows) in rooms)
        {
            foreach (string other in rooms.Select(other => other.Room).Where(other => other != room && !knows.Contains(other)))
            {
                NetArchTest.Rules.TestResult result = NetArchTest.Rules.Types.InAssembly(package)
                    .That().ResideInNamespaceMatching($"^{Regex.Escape(Namespace(room))}$")
                    .ShouldNot().HaveDependencyOnAny([.. TypesOf(other)])
                    .GetResult();
                Assert.True(
                    result.IsSuccessful,
                    $"{Namespace(room)} must not know {Namespace(other)}, but "
                    + $"{string.Join(", ", result.FailingTypes?.Select(type => type.FullName) ?? [])} do.");
            }
        }
    }

    [Fact]
    public void NoRoomKnowsARoomAboveIt()
    {
        for (int i = 0; i < rooms.Length; i++)
            Assert.Empty(rooms[i].Knows.Except(rooms[..i].Select(room => room.Room)));
    }

    [Fact]
    public void EveryRoomIsListed() => Assert.Equal(
        rooms.Select(room => Namespace(room.Room)).Order(StringComparer.Ordinal),
        OwnTypes().Select(type => type.Namespace!).Distinct().Order(StringComparer.Ordinal));

    [Fact]
    public void FoldersAreNamespaces()
    {
        string source = Path.Combine(Repository.Root, "src", folder);
        foreach (string file in Directory.EnumerateFiles(source, "*.cs", SearchOption.AllDirectories))
        {
            string inside = Path.GetRelativePath(source, Path.GetDirectoryName(file)!);
            if (inside.Split(Path.DirectorySeparatorChar)[0] is "obj" or "bin")
                continue;
            string text = File.ReadAllText(file);
            if (text.Contains("\nnamespace ", StringComparison.Ordinal)) // a program's main file has none
                Assert.Contains($"\nnamespace {Namespace(inside == "." ? "" : inside.Replace(Path.DirectorySeparatorChar, '.'))};", text);
        }
    }

    // Types that only their own type sees are left out: each optimizer has its Rule.
    [Fact]
    public void NoTwoTypesHaveOneName() => Assert.Empty(
        OwnTypes().Where(type => !type.IsNestedPrivate).GroupBy(type => type.Name).Where(same => same.Count() > 1).Select(same => same.Key));

    string Namespace(string room) => room.Length == 0 ? root : $"{root}.{room}";

    IEnumerable<string> TypesOf(string room) => OwnTypes().Where(type => type.Namespace == Namespace(room)).Select(type => type.FullName!);

    // Without what the compiler adds.
    IEnumerable<Type> OwnTypes() => package.GetTypes().Where(type =>
        type.Namespace is { } space && (space == root || space.StartsWith($"{root}.", StringComparison.Ordinal))
        && !type.FullName!.Contains('<', StringComparison.Ordinal));
}
