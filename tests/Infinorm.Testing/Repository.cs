namespace Infinorm.Tests;

/// <summary>The repository that the tests run in.</summary>
static class Repository
{
    /// <summary>Its folder.</summary>
    public static string Root { get; } = FindRoot();

    static string FindRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Infinorm.slnx")))
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests do not run inside the repository.");
        return folder;
    }
}
