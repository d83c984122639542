namespace Infinorm.Checkpoints;

/// <summary>
/// A file is not what it should be: malformed, cut off, made to do harm, or of a kind that is not supported. Every reader throws this
/// and nothing else for what stands in a file; the message begins with the file's name. Nothing was loaded.
/// </summary>
public sealed class InvalidFileException : InfinormException
{
    /// <param name="file">The file, as the caller named it.</param>
    /// <param name="problem">What was found and what was expected.</param>
    /// <param name="inner">The cause; null for none.</param>
    public InvalidFileException(string file, string problem, Exception? inner = null)
        : base($"{file}: {problem}", inner) => File = file;

    /// <inheritdoc/>
    public override string File { get; }
}
