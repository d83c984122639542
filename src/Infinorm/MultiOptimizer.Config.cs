using System.Text.Json.Nodes;
using Infinorm.Config;
using Infinorm.Types;

namespace Infinorm;

// The config: optimizers by pattern, in a map of their own.
public sealed partial class MultiOptimizer
{
    private protected override void WriteConfig(JsonObject config)
    {
        var map = new JsonObject();
        for (int i = 0; i < _patterns.Length; i++)
            map[_patterns[i]] = _inner[i].GetConfig();
        if (_optimizerOf is not null && !IsBuilt)
            throw new InvalidOperationException($"{Name}: a function divides the variables; its config is known once it is built.");
        config.Remove("name"); // in Keras's order
        config["optimizer_map"] = KerasObject.Wrap(
            KerasModule, MapClass, new JsonObject { ["default_optimizer"] = _inner[^1].GetConfig(), ["optimizer_map"] = map }, null);
        config["loss_scale_factor"] = null; // its place; the value is written with the hyperparameters
        config["name"] = Name;
    }

    internal static MultiOptimizer FromConfig(ConfigReader config)
    {
        JsonObject map = config.Object("optimizer_map")
            ?? throw new FormatException($"{config.ClassName}: config key 'optimizer_map' is missing.");
        MultiOptimizer optimizer = KerasObject.Read(MapClass, map).Create(reader => new MultiOptimizer(
            Inner(reader.Object("default_optimizer") ?? throw new FormatException($"{MapClass}: config key 'default_optimizer' is missing.")),
            (reader.Object("optimizer_map") ?? []).Select(item => KeyValuePair.Create(item.Key, Inner(item.Value as JsonObject)))));
        optimizer.ReadName(config);
        optimizer.Hyperparameters.Read(config);
        Array.ForEach(optimizer._inner, inner => inner.SetLossScaleFactor(optimizer.LossScaleFactor));
        return optimizer;

        RuleOptimizer Inner(JsonObject? json) => FromConfig(
                json ?? throw new FormatException($"{MapClass}: an optimizer is not an object."), DType.Float32) as RuleOptimizer
            ?? throw new FormatException($"{config.ClassName}: LossScaleOptimizer and MultiOptimizer cannot be inside of it.");
    }

    const string MapClass = "OptimizerMap";
}
