namespace Infinorm.Checkpoints;

/// <summary>What is wrong with a file, and not with the program that opens it. Nothing was loaded.</summary>
/// <param name="message">What was found and what was expected.</param>
/// <param name="inner">The cause; null for none.</param>
public abstract class InfinormException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The file, as the caller named it.</summary>
    public abstract string File { get; }
}
