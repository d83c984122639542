namespace Infinorm.Tool;

/// <summary>What the command returns to the shell.</summary>
static class ExitCode
{
    /// <summary>It did what it was asked; for diff: nothing differs.</summary>
    public const int Success = 0;

    /// <summary>diff: something differs.</summary>
    public const int Different = 1;

    /// <summary>It could not: one line on stderr says why.</summary>
    public const int Error = 2;

    /// <summary>It was stopped by Ctrl-C or SIGTERM, as shells have it.</summary>
    public const int Stopped = 130;
}
