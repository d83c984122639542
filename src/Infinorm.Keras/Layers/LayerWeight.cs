using System.Text.Json;
using System.Text.Json.Nodes;

namespace Infinorm.Keras.Layers;

/// <summary>What is known about one of the weights of a layer of Keras's own.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Switch">The setting of the layer that can leave the weight out when it is false; null where none does.</param>
/// <param name="Constraint">The setting that holds its constraint; null where there is none.</param>
/// <param name="IsTrainable">Whether gradients train it.</param>
sealed record LayerWeight(string Name, string? Switch = null, string? Constraint = null, bool IsTrainable = true)
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

    // By the class's name in snake case, which is also what the layer's group is called.
    static readonly Dictionary<string, LayerWeight[]> Table = new(StringComparer.Ordinal)
    {
        ["dense"] = KernelAndBias,
        ["einsum_dense"] = KernelAndBias,
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
        ["simple_rnn_cell"] = Cell,
        ["gru_cell"] = Cell,
        ["lstm_cell"] = Cell,
        ["conv_lstm1d_cell"] = Cell,
        ["conv_lstm2d_cell"] = Cell,
        ["conv_lstm3d_cell"] = Cell,
        ["batch_normalization"] =
        [
            Gamma, Beta, new("moving_mean", IsTrainable: false), new("moving_variance", IsTrainable: false),
        ],
        ["layer_normalization"] = GammaAndBeta,
        ["group_normalization"] = GammaAndBeta,
        ["rms_normalization"] = [new("scale")],
        ["attention"] = [new("scale", "use_scale")],
        ["additive_attention"] = [new("scale", "use_scale")],
        ["spectral_normalization"] = [new("vector_u", IsTrainable: false)],
        ["p_re_lu"] = [new("alpha", null, "alpha_constraint")],
        ["normalization"] =
        [
            new("mean", IsTrainable: false), new("variance", IsTrainable: false), new("count", IsTrainable: false),
        ],
        ["seed_generator"] = [new("seed_generator_state", IsTrainable: false)],
    };

    static LayerWeight Bias => new("bias", "use_bias", "bias_constraint");

    static LayerWeight Gamma => new("gamma", "scale", "gamma_constraint");

    static LayerWeight Beta => new("beta", "center", "beta_constraint");

    /// <summary>The weights of a layer in the order in which it saves them, or null if that is not known.</summary>
    /// <param name="layerClass">The layer's class in snake case.</param>
    /// <param name="config">Its settings, if they are known.</param>
    /// <param name="count">How many weights it saved.</param>
    public static LayerWeight[]? Of(string? layerClass, JsonObject? config, int count)
    {
        if (layerClass is null || !Table.TryGetValue(layerClass, out LayerWeight[]? all))
            return null;
        LayerWeight[] present = [.. all.Where(weight => weight.Switch is null || !IsFalse(config?[weight.Switch]))];
        if (present.Length == count)
            return present;
        LayerWeight[] least = [.. all.Where(weight => weight.Switch is null)];
        return least.Length == count ? least : null;
    }

    /// <summary>Whether a setting is there and false.</summary>
    public static bool IsFalse(JsonNode? setting) => setting?.GetValueKind() is JsonValueKind.False;
}
