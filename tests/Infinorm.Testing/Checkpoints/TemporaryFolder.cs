namespace Infinorm.Tests.Checkpoints;

/// <summary>A folder of its own for a test, gone with it.</summary>
sealed class TemporaryFolder : IDisposable
{
    readonly string _path = Directory.CreateTempSubdirectory("infinorm-").FullName;

    /// <summary>The names of the files in it, in ordinal order.</summary>
    public string[] Files => [.. Directory.GetFiles(_path).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    /// <summary>The path of what has this name in it.</summary>
    public static string operator /(TemporaryFolder folder, string name) => Path.Combine(folder._path, name);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
