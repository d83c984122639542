namespace Infinorm.Torch.Training.Callbacks;

/// <summary>Files that a training will write after hours: what would go wrong then goes wrong before the first step.</summary>
static class OutputFile
{
    /// <summary>Makes the file's folder, and tries to write there.</summary>
    /// <exception cref="IOException">The path is a folder, or its folder cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">Nothing may be written there.</exception>
    public static void Prepare(string path)
    {
        if (Directory.Exists(path))
            throw new IOException($"{path} is a folder; give the path of a file.");
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        Directory.CreateDirectory(folder);
        using FileStream _ = new(
            Path.Combine(folder, $".{Guid.NewGuid():N}"), FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
    }
}
