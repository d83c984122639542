using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Infinorm.Optimizers;

/// <summary>The list of the optimizers of this folder. A new one is added here.</summary>
static class BuiltInOptimizers
{
    /// <summary>Lets configs name them. The contract, which reads configs, knows no optimizer.</summary>
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "So that the arrow points from the optimizers to the contract alone.")]
    public static void Register()
    {
        Keras(() => new Adamax());
        Ours(() => new TorchAdamax());
    }

    static void Keras<T>(Func<T> create)
        where T : RuleOptimizer => Optimizer.Classes.Add(Optimizer.KerasModule, RuleOptimizer.Reading(create));

    static void Ours<T>(Func<T> create)
        where T : RuleOptimizer => Optimizer.Classes.Add(null, RuleOptimizer.Reading(create));
}
