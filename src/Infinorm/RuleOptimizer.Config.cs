using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Rules;
using Infinorm.Schedules;

namespace Infinorm;

public abstract partial class RuleOptimizer
{
    static readonly string[] Clips = ["clipnorm", "global_clipnorm", "clipvalue"];

    /// <summary>Makes optimizers of one class from their configs.</summary>
    /// <param name="create">Makes one with its defaults.</param>
    internal static Func<ConfigReader, T> Reading<T>(Func<T> create)
        where T : RuleOptimizer => config =>
    {
        T optimizer = create() ?? throw new InvalidOperationException($"{config.ClassName}: the function that makes it gave null.");
        if (optimizer.IsBuilt)
        {
            throw new InvalidOperationException(
                $"{config.ClassName}: the function that makes it gave {optimizer.Name}, which is built; it must make a new one each time.");
        }

        optimizer.Read(config);
        return optimizer;
    };

    /// <summary>Refuses settings that optimizers with a rule share, unless they are as nothing had been said, in a wrapper's config.</summary>
    /// <exception cref="ArgumentException">There is one.</exception>
    internal static void RefuseSettings(ConfigReader wrapper)
    {
        var usual = new SharedSettings();
        foreach (Hyperparameter setting in usual.Hyperparameters.All)
        {
            if (wrapper.HasOther(setting.Key, setting.ToConfig()))
            {
                throw new ArgumentException(
                    $"{wrapper.ClassName} does not support {setting.Name}; set it on the inner optimizer.", setting.Name);
            }
        }
    }

    // Has the settings that all share, and no others.
    sealed class SharedSettings() : RuleOptimizer(0)
    {
        protected override void DefineSlots(Slots slots) => throw new NotSupportedException();

        protected override void UpdateStep<L>(RuleContext<L> context) => throw new NotSupportedException();
    }

    private protected override void WriteConfig(JsonObject config) =>
        config["learning_rate"] = _learningRate.Value is null ? _learningRate.ToConfig() : HeldRate;

    /// <summary>Refuses settings that are each allowed by itself, but not for this class.</summary>
    /// <exception cref="ArgumentException">There is one.</exception>
    private protected virtual void CheckSettings()
    {
    }

    void Read(ConfigReader config)
    {
        ReadName(config);
        _learningRate = LearningRate.Read(config, _learningRate);
        SetInitialRate(_learningRate.Value ?? 0);
        if (Clips.Count(clip => config.OptionalNumber(clip) is not null) > 1) // Keras counts a zero, too
            throw new ArgumentException($"Only one of {string.Join(", ", Clips)} can be set.");
        Hyperparameters.Read(config);
        if (UseMasterWeights && UseStochasticRounding)
            throw new ArgumentException("Only one of use_master_weights and use_stochastic_rounding can be set.");
        config.MustBeNull("decay");
        CheckSettings();
    }
}
