using Infinorm.Variables;

namespace Infinorm;

/// <summary>
/// A tensor of a checkpoint and where its values live. Its name is made of what it is and whose it is; the optimizer's name, which
/// depends on how many were made before in the process, is not in it.
/// </summary>
/// <param name="Kind">What it is: "variables", "optimizer/iteration", "optimizer/momentum".</param>
/// <param name="Path">The variable it is or belongs to; null for what the optimizer has once.</param>
/// <param name="Variable">The values.</param>
readonly record struct StateTensor(string Kind, string? Path, Variable Variable)
{
    /// <summary>Its name in files.</summary>
    public string Name => NameFor(Path);

    /// <summary>Its name if the variable had another path.</summary>
    public string NameFor(string? path) => path is null ? Kind : $"{Kind}/{path}";
}
