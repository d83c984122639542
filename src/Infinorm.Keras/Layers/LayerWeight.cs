using System.Text.Json;
using System.Text.Json.Nodes;
using Infinorm.Keras.Json;

namespace Infinorm.Keras.Layers;

/// <summary>What is known about one of the weights of a layer of Keras's own.</summary>
/// <param name="Name">Its name.</param>
/// <param name="When">Whether a layer with these settings has it; null where each has.</param>
/// <param name="Constraint">The setting that holds its constraint; null where there is none.</param>
/// <param name="IsTrainable">Whether gradients train it.</param>
/// <param name="CopyOf">Where, from the layer's group, the same variable is saved once more; null where it is not.</param>
sealed record LayerWeight(
    string Name, Func<JsonObject?, bool>? When = null, string? Constraint = null, bool IsTrainable = true, string? CopyOf = null)
{
    static readonly LayerWeight[] KernelAndBias = [new("kernel", null, "kernel_constraint"), Bias];
    static readonly LayerWeight[] Depthwise = [new("kernel", null, "depthwise_constraint"), Bias];
    static readonly LayerWeight[] Separable =
    [
        new("depthwise_kernel", null, "depthwise_constraint"), new("pointwise_kernel", null, "pointwise_constraint"), Bias,
    ];

    static readonly LayerWeight[] Cell =
    [
        new("kernel", null, "kernel_constraint"), new("recurrent_kernel", null, "recurrent_constraint"), Bias,
    ];

    static readonly LayerWeight[] GammaAndBeta = [Gamma, Beta];

    static readonly LayerWeight[] IndexLookup = [new("idf_weights", config => JsonText.Text(config?["output_mode"]) is null or "tf_idf", IsTrainable: false)];

    // By the class's name in snake case, which is also what the layer's group is called.
    static readonly Dictionary<string, LayerWeight[]> Table = new(StringComparer.Ordinal)
    {
        ["dense"] = KernelAndBias,
        ["ternary_dense"] = KernelAndBias,
        ["einsum_dense"] = [KernelAndBias[0], Bias with { When = config => !IsFalse(config?["use_bias"]) && !IsNull(config, "bias_axes") }],
        ["conv1d"] = KernelAndBias,
        ["conv2d"] = KernelAndBias,
        ["conv3d"] = KernelAndBias,
        ["conv1d_transpose"] = KernelAndBias,
        ["conv2d_transpose"] = KernelAndBias,
        ["conv3d_transpose"] = KernelAndBias,
        ["depthwise_conv1d"] = Depthwise,
        ["depthwise_conv2d"] = Depthwise,
        ["separable_conv1d"] = Separable,
        ["separable_conv2d"] = Separable,
        ["embedding"] = [new("embeddings", null, "embeddings_constraint")],
        ["reversible_embedding"] =
        [
            new("embeddings", null, "embeddings_constraint"), new("reverse_embeddings", config => IsFalse(config?["tie_weights"])),
        ],
        ["simple_rnn_cell"] = Cell,
        ["gru_cell"] = Cell,
        ["lstm_cell"] = Cell,
        ["conv_lstm1d_cell"] = Cell,
        ["conv_lstm2d_cell"] = Cell,
        ["conv_lstm3d_cell"] = Cell,
        ["batch_normalization"] =
        [
            Gamma, Beta, new("moving_mean", IsTrainable: false), new("moving_variance", IsTrainable: false),
            new("moving_stddev", With("renorm"), IsTrainable: false), new("renorm_mean", With("renorm"), IsTrainable: false),
            new("renorm_stddev", With("renorm"), IsTrainable: false),
        ],
        ["layer_normalization"] =
        [
            Gamma with { When = config => !IsFalse(config?["scale"]) || IsTrue(config?["rms_scaling"]) },
            Beta with { When = config => !IsFalse(config?["center"]) && !IsTrue(config?["rms_scaling"]) },
        ],
        ["group_normalization"] = GammaAndBeta,
        ["rms_normalization"] = [new("scale")],
        ["attention"] =
        [
            new("scale", Unless("use_scale")), new("concat_score_weight", config => JsonText.Text(config?["score_mode"]) == "concat"),
        ],
        ["additive_attention"] = [new("scale", Unless("use_scale"))],
        ["spectral_normalization"] = [new("kernel", _ => true, CopyOf: "layer/vars/0"), new("vector_u", IsTrainable: false)],
        ["p_re_lu"] = [new("alpha", null, "alpha_constraint")],
        ["normalization"] =
        [
            new("mean", IsTrainable: false), new("variance", IsTrainable: false), new("count", IsTrainable: false),
        ],
        ["stft_spectrogram"] =
        [
            new("real_kernel", config => JsonText.Text(config?["mode"]) != "imag"), new("imag_kernel", config => JsonText.Text(config?["mode"]) != "real"),
        ],
        ["discretization"] = [new("summary", IsTrainable: false)], // only of early versions
        ["string_lookup"] = IndexLookup,
        ["integer_lookup"] = IndexLookup,
        ["index_lookup"] = IndexLookup,
        ["seed_generator"] = [new("seed_generator_state", IsTrainable: false)],
    };

    // Holding no weights themselves, they hand their settings to the layers in them, or have their layers' configs.
    static readonly HashSet<string> Containers = new(StringComparer.Ordinal)
    {
        "functional", "sequential", "simple_rnn", "gru", "lstm", "conv_lstm1d", "conv_lstm2d", "conv_lstm3d", "rnn", "stacked_rnn_cells",
        "bidirectional", "time_distributed", "wrapper", "multi_head_attention", "grouped_query_attention", "text_vectorization",
    };

    // Others that are given the policy of a quantized model are not quantized.
    static readonly HashSet<string> Quantizable = new(StringComparer.Ordinal) { "dense", "einsum_dense", "ternary_dense", "embedding", "reversible_embedding" };

    // Their weights are those of something that Keras does not know itself; neither names nor what is trained are in the file.
    static readonly HashSet<string> Foreign = new(StringComparer.Ordinal) { "jax_layer", "flax_layer", "tfsm_layer", "torch_module_wrapper" };

    static LayerWeight Bias => new("bias", Unless("use_bias"), "bias_constraint");

    static LayerWeight Gamma => new("gamma", Unless("scale"), "gamma_constraint");

    static LayerWeight Beta => new("beta", Unless("center"), "beta_constraint");

    /// <summary>Whether it is one of Keras's layers whose weights are known, or one that has other layers in it.</summary>
    public static bool IsKnown(string? layerClass) => layerClass is not null && (Table.ContainsKey(layerClass) || Containers.Contains(layerClass));

    /// <summary>Whether it is one of Keras's layers whose weights are known.</summary>
    public static bool HasKnownWeights(string? layerClass) => layerClass is not null && Table.ContainsKey(layerClass);

    /// <summary>Whether it is one of Keras's layers around something else, such as a module of PyTorch.</summary>
    public static bool IsForeign(string? layerClass) => layerClass is not null && Foreign.Contains(layerClass);

    /// <summary>The weights of a layer in the order in which it saves them, or null if that is not known.</summary>
    /// <param name="layerClass">The layer's class in snake case.</param>
    /// <param name="config">Its settings, if they are known.</param>
    /// <param name="count">How many weights it saved.</param>
    public static LayerWeight[]? Of(string? layerClass, JsonObject? config, int count)
    {
        if (layerClass is null || !Table.TryGetValue(layerClass, out LayerWeight[]? all))
            return null;
        LayerWeight[] present = [.. all.Where(weight => weight.When?.Invoke(config) ?? true)];
        if (Quantizable.Contains(layerClass) && IsQuantized(config))
            present = Quantized(present, config, count);
        else if (HasLora(config))
            present = [.. present.Select(weight => weight.Name is "bias" or "reverse_embeddings" ? weight : weight with { IsTrainable = false })];

        if (present.Length == count)
            return present;
        LayerWeight[] least = [.. all.Where(weight => weight.When is null)];
        return least.Length == count ? least : all.Length == count && config is null ? all : null;
    }

    // Only the bias is trained, of what the layer had. What GPTQ and AWQ make of the kernel is saved after the bias. The scale is always there;
    // the rest only if the weight is quantized in blocks.
    static LayerWeight[] Quantized(LayerWeight[] weights, JsonObject? config, int count)
    {
        LayerWeight[] biases = [.. weights.Where(weight => weight.Name == "bias")], quantized = [.. weights.Except(biases)];
        string[] parts = (Policy(config)![0], quantized.Length) switch
        {
            ('g', 1) => ["quantized_kernel", "kernel_scale", "kernel_zero", "g_idx"],
            ('a', 1) => ["quantized_kernel", "kernel_scale", "kernel_zero", "awq_scales", "g_idx"],
            (_, 1) when quantized[0].Name is var name => [name, $"{name}_scale", $"{name}_zero", "g_idx"],
            (_, 2) when quantized.Length + 2 == count => ["embeddings", "embeddings_scale", "reverse_embeddings", "reverse_embeddings_scale"],
            _ => ["embeddings", "embeddings_scale", "embeddings_zero", "g_idx", "reverse_embeddings", "reverse_embeddings_scale", "reverse_embeddings_zero"],
        };
        IEnumerable<LayerWeight> all = parts.Take(count - biases.Length).Select(name => new LayerWeight(name, IsTrainable: false));
        return [.. IsCalibrated(config) ? biases.Concat(all) : all.Take(1).Concat(biases).Concat(all.Skip(1))];
    }

    /// <summary>Whether the layer trains two matrices of LoRA, which it does not save.</summary>
    public static bool HasLora(JsonObject? config) => config?["lora_rank"] is not null;

    /// <summary>How the layer is quantized where its trained variables then are not known: "float8"; else null.</summary>
    public static string? UnknownQuantization(string? layerClass, JsonObject? config) =>
        layerClass is not null && Quantizable.Contains(layerClass) && Policy(config) is { } policy
            && policy.StartsWith("float8", StringComparison.Ordinal) ? "float8" : null;

    /// <summary>Whether a setting is there and false.</summary>
    public static bool IsFalse(JsonNode? setting) => setting?.GetValueKind() is JsonValueKind.False;

    static bool IsNull(JsonObject? config, string setting) => config?.TryGetPropertyValue(setting, out JsonNode? value) is true && value is null;

    static bool IsTrue(JsonNode? setting) => setting?.GetValueKind() is JsonValueKind.True;

    static Func<JsonObject?, bool> Unless(string setting) => config => !IsFalse(config?[setting]);

    static Func<JsonObject?, bool> With(string setting) => config => IsTrue(config?[setting]);

    static bool IsQuantized(JsonObject? config) =>
        IsCalibrated(config) || (Policy(config) is { } policy
            && (policy.StartsWith("int", StringComparison.Ordinal) || policy.StartsWith("ternary", StringComparison.Ordinal)));

    static bool IsCalibrated(JsonObject? config) => Policy(config) is { } policy
        && (policy.StartsWith("gptq", StringComparison.Ordinal) || policy.StartsWith("awq", StringComparison.Ordinal));

    // "int8_from_float32" of a quantized layer.
    static string? Policy(JsonObject? config) => config?["dtype"] switch
    {
        JsonObject policy when policy["config"] is JsonObject settings => JsonText.Text(settings["mode"]) ?? JsonText.Text(settings["name"]),
        JsonValue name => JsonText.Text(name),
        _ => null,
    };
}
