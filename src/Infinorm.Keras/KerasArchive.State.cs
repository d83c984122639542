using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Infinorm.Keras.Hdf5;
using Infinorm.Keras.Json;
using Infinorm.Types;
using Infinorm.Variables;

namespace Infinorm.Keras;

// Whether the state stored is this optimizer's, for these variables.
public sealed partial class KerasArchive
{
    const string NewOptimizer =
        $"To continue with another optimizer, keep the weights and start with new state: build one for {nameof(TrainableVariables)}, and set "
        + $"it as {nameof(Optimizer)}.";

    // The names that Keras gives its optimizers, without a number: their classes in lower case. One's own name says nothing.
    static readonly string[] KerasOptimizers =
    [
        "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lamb", "lion", "lossscaleoptimizer", "multioptimizer", "muon", "nadam",
        "rmsprop",
        "schedulefreeadamw", "sgd",
    ];

    /// <summary>
    /// Whether a group holds an optimizer's variables, which are no weights: a counter and a rate come first. A model with a loop of its
    /// own, such as a GAN, has optimizers by other names than <c>optimizer</c>.
    /// </summary>
    internal static bool IsOptimizer(Hdf5Group group) =>
        group.Groups.GetValueOrDefault("vars") is { } vars
        && vars.Datasets.GetValueOrDefault("0") is { Shape: [], Type.DType: DType.Int32 or DType.Int64 }
        && vars.Datasets.GetValueOrDefault("1") is { Shape: [], Type.DType: DType.Float32 or DType.Float64 };

    void RequireState()
    {
        if (!HasOptimizerState)
        {
            string[] others = [.. _root.Groups.Where(group => group.Key != OptimizerGroup && IsOptimizer(group.Value)).Select(group => group.Key)];
            throw new InvalidOperationException($"{_file} has no optimizer state{(others.Length == 0 ? "" :
                $" of compile(). It has that of {string.Join(" and ", others)}, which the model's own code made: read it at {others[0]}/vars/0 and so on")}.");
        }
    }

    // State of the same shapes would be loaded without a word: Adam's second moment as Adamax's norm.
    void RefuseAnotherState(Optimizer optimizer)
    {
        string needed = ClassOf(optimizer.GetConfig())!;
        if (OptimizerConfig is { } config && ClassOf(config) is { } stored)
        {
            if (!stored.Equals(needed, StringComparison.OrdinalIgnoreCase))
                throw new ArgumentException($"{_file} has the state of {stored}, the optimizer given is {needed}. {NewOptimizer}", nameof(optimizer));
            RefuseOtherWrapping(optimizer);
            return;
        }

        // A weights file has names only: those that optimizers have unless one gives them others, and for what is in a list its class.
        foreach (Place place in PlacesOf(optimizer).Where(place => place.Name is not null))
        {
            string? name = _root.Find(place.Group)?.Attributes.GetValueOrDefault(NameAttribute);
            string plain = NumberAtEnd().Replace(name ?? "", "").Replace("_", "", StringComparison.Ordinal).ToLowerInvariant();
            string expected = ClassAt(optimizer, place.Group);
            if (Array.IndexOf(KerasOptimizers, plain) >= 0 && !plain.Equals(expected, StringComparison.OrdinalIgnoreCase))
            {
                throw new ArgumentException(
                    $"{_file} has the state of an optimizer called '{name}', the optimizer given is {expected}. {NewOptimizer}", nameof(optimizer));
            }
        }

        RefuseOtherWrapping(optimizer);
        foreach (var (path, multi) in MultisOf(optimizer))
        {
            string[] inFile = [.. (_root.Find($"{path}/{InnerGroups}")?.Groups ?? []).Keys], here = [.. NamesOf(multi)];
            if (!inFile.Order().SequenceEqual(here.Order()))
            {
                throw new ArgumentException(
                    $"{_file} has the state of {Listed(inFile)} in a MultiOptimizer, the one given has {Listed(here)}. {NewOptimizer}", nameof(optimizer));
            }
        }
    }

    // A LossScaleOptimizer has two variables more, which may fit by chance.
    void RefuseOtherWrapping(Optimizer optimizer)
    {
        bool isWrapped = optimizer is LossScaleOptimizer;
        if (isWrapped == _root.Find(InnerVarsGroup) is not null)
            return;
        throw new ArgumentException(
            isWrapped
                ? $"{_file} has the state of an optimizer that is in no LossScaleOptimizer, and {optimizer.Name} is one. Give the optimizer "
                    + $"inside of it. {NewOptimizer}"
                : $"{_file} has the state of an optimizer in a LossScaleOptimizer, and {optimizer.Name} is in none. Give a LossScaleOptimizer "
                    + $"around it. {NewOptimizer}",
            nameof(optimizer));
    }

    static string Listed(string[] names) => names.Length == 0 ? "no optimizers" : string.Join(", ", names);

    // The class of the optimizer whose variables are in a group.
    static string ClassAt(Optimizer optimizer, string group) =>
        PlacesOf(optimizer).Zip(All(optimizer)).First(pair => pair.First.Group == group).Second.GetType().Name;

    // In the order of PlacesOf.
    static IEnumerable<Optimizer> All(Optimizer optimizer) => optimizer switch
    {
        LossScaleOptimizer wrapper => [wrapper, .. All(wrapper.InnerOptimizer)],
        MultiOptimizer multi => [multi, .. multi.Optimizers],
        _ => [optimizer],
    };

    static IEnumerable<(string Path, MultiOptimizer Multi)> MultisOf(Optimizer optimizer) => optimizer switch
    {
        LossScaleOptimizer { InnerOptimizer: MultiOptimizer multi } => [($"{OptimizerGroup}/inner_optimizer", multi)],
        MultiOptimizer multi => [(OptimizerGroup, multi)],
        _ => [],
    };

    // The class of an optimizer's settings, and of those inside where it is a wrapper.
    static string? ClassOf(JsonObject config)
    {
        var settings = config["config"] as JsonObject;
        if (settings?["inner_optimizer"] is JsonObject inner)
            return ClassOf(inner);
        string? name = JsonText.Text(config["class_name"]);
        if ((settings?["optimizer_map"] as JsonObject)?["config"] is not JsonObject map)
            return name;
        IEnumerable<JsonNode?> optimizers = [.. (map["optimizer_map"] as JsonObject ?? []).Select(item => item.Value), map["default_optimizer"]];
        return $"{name} of {string.Join(", ", optimizers.OfType<JsonObject>().Select(ClassOf))}";
    }

    void RefuseOtherCount(Optimizer optimizer, int trained)
    {
        int stored = _root.Find(VarsGroup)!.Datasets.Count, needed = PlacesOf(optimizer)[0].Variables.Length;
        if (stored == needed)
            return;
        string counts = $"{VarsGroup} has {stored} variables; {optimizer.Name} has {needed}, for the {trained} variables that it trains. ";
        throw new ArgumentException(counts + Cause(optimizer, stored));
    }

    string Cause(Optimizer optimizer, int stored)
    {
        const int counterAndRate = 2;
        if (stored == counterAndRate)
        {
            return "The model was compiled, but never trained, so there is no state: make an optimizer with CreateOptimizer, build it for "
                + $"{nameof(TrainableVariables)}, and set it as {nameof(Optimizer)}.";
        }

        string[] changed = [.. ChangedLayers(ModelConfig)];
        if (changed.Length > 0)
        {
            return $"{changed[0]} has LoRA or is quantized, which was switched on after compile(): the state is of the variables before it. {NewOptimizer}";
        }

        Variable[] all = [.. Weights.Where(weight => weight.Variable.DType.IsFloating()).Select(weight => weight.Variable)];
        KerasWeight[] frozen =
        [
            .. Weights.Where(weight =>
                !weight.IsTrainable && all.Contains(weight.Variable) && !optimizer.TrainableVariables.Contains(weight.Variable)),
        ];
        if (frozen.Length > 0 && stored > optimizer.Variables.Count)
        {
            return "Keras keeps the state of layers that are frozen after compile(). "
                + $"Give {nameof(LoadOptimizer)} all variables that were trained, in the model's order; those not trained now are "
                + $"{string.Join(", ", frozen.Select(weight => weight.Variable.Path))}.";
        }

        return "It was saved with other settings (averages, accumulated gradients and the like have variables of their own), or for other variables.";
    }

    // The names of layers that have LoRA or are quantized.
    static IEnumerable<string> ChangedLayers(JsonNode? model)
    {
        foreach (JsonNode? layer in ((model as JsonObject)?["config"] as JsonObject)?["layers"] as JsonArray ?? [])
        {
            if ((layer as JsonObject)?["config"] is not JsonObject config)
                continue;
            bool isQuantized = JsonText.Text((config["dtype"] as JsonObject)?["class_name"])?.StartsWith("Quantized", StringComparison.Ordinal) == true;
            if (isQuantized || IsSet(config["lora_rank"]) || IsSet(config["quantization_config"]))
                yield return JsonText.Text(config["name"]) ?? "a layer";
            foreach (string inner in ChangedLayers(layer))
                yield return inner;
        }

        static bool IsSet(JsonNode? value) => value is not null && value.GetValueKind() is not JsonValueKind.Null;
    }

    [GeneratedRegex(@"_\d+$")]
    private static partial Regex NumberAtEnd();
}
