namespace Infinorm.Samples;

/// <summary>The file that a sample writes, checked before the sample does its work.</summary>
static class OutputPath
{
    /// <summary>The full path of a file of one type, in a folder that is there.</summary>
    /// <exception cref="IOException">The name has another extension, it is a folder, or its folder is not there.</exception>
    public static string Of(FileInfo file, string extension)
    {
        if (!file.Extension.Equals(extension, StringComparison.OrdinalIgnoreCase))
            throw new IOException($"the name of the file to write must end in {extension}; found {file.Name}");
        if (Directory.Exists(file.FullName))
            throw new IOException($"{file.FullName}: a folder, where a file is to be written");
        return file.Directory is { Exists: false }
            ? throw new DirectoryNotFoundException($"{file.DirectoryName}: no such folder")
            : file.FullName;
    }
}
