namespace Infinorm;

/// <summary>
/// A file is not what it should be: malformed, cut off, made to do harm, or of a kind that is not supported. Every reader throws this
/// and nothing else for what stands in a file; the message begins with the file's name. Nothing was loaded.
/// </summary>
public sealed class InvalidFileException : FormatException
{
    internal InvalidFileException(string file, string problem, Exception? inner = null)
        : base($"{file}: {problem}", inner) => File = file;

    /// <summary>The file, as the caller named it.</summary>
    public string File { get; }
}
