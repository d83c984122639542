using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Checkpoints;

/// <summary>
/// The differences that are allowed when a checkpoint is loaded, by name. Without options none are. Names are those of the file, as the error
/// messages list them. Except in <see cref="Rename"/>, a name also covers all names below it: <c>optimizer/average</c> covers all averages.
/// </summary>
public sealed class LoadOptions
{
    /// <summary>For variables in the file whose path differs: the path in the file, and the path here. The optimizer's slots follow.</summary>
    public IReadOnlyDictionary<string, string> Rename { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Tensors in the file that are not loaded. <c>variables</c> leaves all variables unchanged and loads only the optimizer's state.
    /// </summary>
    public IReadOnlyCollection<string> IgnoreExtra { get; init; } = [];

    /// <summary>Tensors that may have another type in the file. Each number is rounded once, as by <see cref="NdArray.Cast"/>.</summary>
    public IReadOnlyCollection<string> ConvertType { get; init; } = [];

    /// <summary>
    /// Settings that may differ in the file and keep their current values, such as <c>weight_decay</c>,
    /// <c>inner_optimizer/gradient_accumulation_steps</c>, <c>learning_rate</c> or <c>weight_decay_exclusions</c>. Only for
    /// <see cref="Optimizer.Restore(string, LoadOptions?)"/>, because Load takes all settings from the file.
    /// </summary>
    public IReadOnlyCollection<string> KeepSettings { get; init; } = [];

    /// <summary>
    /// The maximum length of a file's header in bytes, ≥ 0. The default is 100,000,000, enough for about a million tensors. A header needs up to
    /// four times its length of memory, so a smaller number limits the memory that an untrusted file can take.
    /// </summary>
    public int MaxHeaderLength
    {
        get;
        init => field = Check.AtLeast(0, value, nameof(MaxHeaderLength));
    } = SafetensorsHeader.MaxLength;

    /// <summary>Whether a list has the name, or a name that contains it.</summary>
    internal static bool Covers(IReadOnlyCollection<string> names, string name) => names.Any(above =>
        name.StartsWith(above, StringComparison.Ordinal) && (name.Length == above.Length || name[above.Length] == '/'));
}
