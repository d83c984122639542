namespace Infinorm.Torch.Training;

/// <summary>What Fit shows of its own accord on the console. Keras: <c>verbose</c>.</summary>
public enum Verbosity
{
    /// <summary>In a terminal, a <see cref="ProgressBar"/>; nothing if the output is redirected.</summary>
    Auto,

    /// <summary>Nothing.</summary>
    Silent,

    /// <summary>A <see cref="ProgressBar"/>, which is lines alone if the output is redirected.</summary>
    Bar,

    /// <summary>A line after each epoch.</summary>
    Lines,
}
