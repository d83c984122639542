using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Checkpoints;

/// <summary>
/// What may differ when a checkpoint is loaded, by name. Without options nothing may. Names are those of the file, as the errors list
/// them; but for <see cref="Rename"/>, a name stands for itself and for all below it: <c>optimizer/average</c> for all averages.
/// </summary>
public sealed class LoadOptions
{
    /// <summary>Paths of variables in the file, each with the path of the variable it is here. The optimizer's slots follow.</summary>
    public IReadOnlyDictionary<string, string> Rename { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Tensors that may be in the file without being loaded. <c>variables</c> leaves all variables as they are and loads the optimizer's
    /// state only.
    /// </summary>
    public IReadOnlyCollection<string> IgnoreExtra { get; init; } = [];

    /// <summary>Tensors that may have another type in the file; each number is rounded once, as by <see cref="NdArray.Cast"/>.</summary>
    public IReadOnlyCollection<string> ConvertType { get; init; } = [];

    /// <summary>
    /// Settings that may be others in the file and stay as they are here, such as <c>weight_decay</c>,
    /// <c>inner_optimizer/gradient_accumulation_steps</c>, <c>learning_rate</c> or <c>weight_decay_exclusions</c>. For
    /// <see cref="Optimizer.Restore(string, LoadOptions?)"/>: Load takes all settings from the file.
    /// </summary>
    public IReadOnlyCollection<string> KeepSettings { get; init; } = [];

    /// <summary>
    /// The longest header of a file that is read, in bytes, ≥ 0; by default 100,000,000, some million tensors. A header takes up to four
    /// times its length of memory: a smaller number bounds what the file of a stranger may take.
    /// </summary>
    public int MaxHeaderLength
    {
        get;
        init => field = Check.AtLeast(0, value, nameof(MaxHeaderLength));
    } = SafetensorsHeader.MaxLength;

    /// <summary>Whether a list has the name or one that it lies below.</summary>
    internal static bool Covers(IReadOnlyCollection<string> names, string name) => names.Any(above =>
        name.StartsWith(above, StringComparison.Ordinal) && (name.Length == above.Length || name[above.Length] == '/'));
}
