using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Infinorm.Keras.Torch.Graph;
using Infinorm.Keras.Torch.Layers;
using Infinorm.Keras.Torch.Layers.BuiltIn;
using static TorchSharp.torch;

namespace Infinorm.Keras.Torch;

/// <summary>Makes layers from their configs and collects what is not known, so that all of it can be refused at once.</summary>
sealed class LayerFactory : ILayerFactory
{
    static readonly ConcurrentDictionary<string, Func<LayerConfig, nn.Module>> Registered = new(StringComparer.Ordinal);

    readonly List<string> _problems = [];

    /// <summary>What cannot be built, a sentence each.</summary>
    public IReadOnlyList<string> Problems => _problems;

    public static void Register(string name, Func<LayerConfig, nn.Module> create) => Registered[name] = create;

    /// <inheritdoc/>
    public void Report(string path, string className, string problem) => _problems.Add($"{(path.Length == 0 ? "the model" : path)} ({className}): {problem}");

    /// <inheritdoc/>
    public KerasLayer Create(JsonObject serialized, string? parentPath, string? name = null)
    {
        string className = serialized["class_name"]?.ToString() ?? "?";
        JsonObject settings = serialized["config"] as JsonObject ?? [];
        name ??= settings["name"]?.ToString();
        string path = LayerConfig.Join(parentPath, name ?? className);
        try
        {
            var config = new LayerConfig(className, settings, parentPath, this, name);
            KerasLayer layer = Builder(serialized, className)(config) switch
            {
                KerasLayer own => own,
                nn.Module<Tensor, Tensor> module => new ModuleLayer(config, module),
                var other => throw new FormatException($"the function registered for it made a {other?.GetType().Name ?? "null"}, which is no KerasLayer and no Module<Tensor, Tensor>"),
            };
            if (layer is not ModuleLayer)
                config.RequireAllRead();
            return layer;
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            Report(path, className, e.Message);
            return new UnknownLayer(new LayerConfig(className, new JsonObject { ["name"] = name ?? className }, parentPath, this));
        }
    }

    Func<LayerConfig, nn.Module> Builder(JsonObject serialized, string className)
    {
        string? registeredName = serialized["registered_name"]?.ToString();
        if (registeredName is not null && Registered.TryGetValue(registeredName, out Func<LayerConfig, nn.Module>? own))
            return own;
        if (Registered.TryGetValue(className, out own))
            return own;
        bool isKeras = (!serialized.TryGetPropertyValue("module", out JsonNode? module) || module?.ToString() is { } text && (text == "keras" || text.StartsWith("keras.", StringComparison.Ordinal)))
            && registeredName?.Contains('>') is not true;
        if (isKeras && className is "Functional" or "Model" && (serialized["config"] as JsonObject)?["layers"] is not null)
            return config => GraphLayer.OfFunctional(config, this);
        if (isKeras && className == "Sequential")
            return config => GraphLayer.OfSequential(config, this, serialized);
        if (isKeras && LayerTable.Layers.TryGetValue(className, out Func<LayerConfig, KerasLayer>? builtIn))
            return builtIn;
        if (className == "Lambda")
            throw new FormatException("a Lambda layer holds Python bytecode. Replace it by operations or a layer of your own in Python, or register \"Lambda\" with KerasModel.Register");
        string register = registeredName?.Contains('>') == true ? registeredName : className;
        throw new FormatException((serialized["config"] as JsonObject)?["layers"] is null && serialized.ContainsKey("compile_config")
            ? $"a subclassed model has no graph in the archive. Register \"{register}\" with KerasModel.Register and a KerasLayer that computes it"
            : $"the layer is not known. Register \"{register}\" with KerasModel.Register");
    }

    /// <summary>Stands in for a layer that is refused.</summary>
    sealed class UnknownLayer(LayerConfig config) : KerasLayer(config)
    {
        protected internal override object Call(LayerCall call) => throw new InvalidOperationException($"{Path} was refused.");
    }

    /// <summary>A module of the user's that has no weights of the archive.</summary>
    sealed class ModuleLayer : KerasLayer
    {
        readonly nn.Module<Tensor, Tensor> _module;

        public ModuleLayer(LayerConfig config, nn.Module<Tensor, Tensor> module)
            : base(config)
        {
            _module = module;
            if (module.parameters().Any())
                throw new FormatException("the module registered for it has parameters: derive it from KerasLayer and add them with AddWeight, so that they are the archive's");
            register_module("module", module);
        }

        protected override bool PassesMask => true;

        protected internal override object Call(LayerCall call) => _module.forward(call.Input);
    }
}
