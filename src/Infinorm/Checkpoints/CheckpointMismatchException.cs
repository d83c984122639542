namespace Infinorm.Checkpoints;

/// <summary>
/// A checkpoint is sound, but not what is to be loaded: tensors are missing, there are others, they have another shape or type, or the
/// settings differ. The message begins with the file's name and lists every difference. Nothing was loaded.
/// </summary>
public sealed class CheckpointMismatchException : InfinormException
{
    /// <param name="file">The file, as the caller named it.</param>
    /// <param name="differences">All differences, one line each.</param>
    public CheckpointMismatchException(string file, IReadOnlyList<string> differences)
        : base(string.Join("\n  ", (List<string>)[$"{file}: the file differs from what is to be loaded:", .. differences]))
    {
        File = file;
        Differences = differences;
    }

    /// <inheritdoc/>
    public override string File { get; }

    /// <summary>All differences, one line each; of more than 10,000 extra tensors the last line gives the number of those not listed.</summary>
    public IReadOnlyList<string> Differences { get; }
}
