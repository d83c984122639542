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
        Keras(() => new Adafactor());
        Keras(() => new Lamb());
        Keras(() => new Muon());
        Keras("SGD", () => new Sgd());
        Keras(() => new RMSprop());
        Keras(() => new Adam());
        Keras(() => new AdamW());
        Keras(() => new Adadelta());
        Keras(() => new Adagrad());
        Keras(() => new Nadam());
        Keras(() => new Ftrl());
        Keras(() => new Lion());
        Keras(() => new ScheduleFreeAdamW());
        Ours(() => new TorchAdamax());
        Ours(() => new TorchAdam());
        Ours(() => new TorchAdamW());
        Ours(() => new TorchSgd());
    }

    static void Keras<T>(Func<T> create)
        where T : RuleOptimizer => Keras(typeof(T).Name, create);

    static void Keras<T>(string name, Func<T> create)
        where T : RuleOptimizer => Optimizer.Classes.Add(name, Optimizer.KerasModule, RuleOptimizer.Reading(create));

    static void Ours<T>(Func<T> create)
        where T : RuleOptimizer => Optimizer.Classes.Add(null, RuleOptimizer.Reading(create));
}
