using System.Text.Json.Nodes;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Infinorm.Keras.Torch.Layers;

/// <summary>Keras's activation functions by name.</summary>
static class Activations
{
    static readonly Dictionary<string, Func<Tensor, Tensor>> Functions = new(StringComparer.Ordinal)
    {
        ["linear"] = x => x,
        ["relu"] = x => x.relu(),
        ["relu6"] = x => x.relu6(),
        ["sigmoid"] = x => x.sigmoid(),
        ["tanh"] = x => x.tanh(),
        ["softmax"] = x => x.softmax(-1),
        ["log_softmax"] = x => x.log_softmax(-1),
        ["gelu"] = x => x.gelu(),
        ["silu"] = x => x.silu(),
        ["elu"] = x => x.elu(),
        ["selu"] = x => x.selu(),
        ["celu"] = x => x.celu(),
        ["leaky_relu"] = x => x.leaky_relu(0.2),
        ["mish"] = x => functional.mish(x),
        ["exponential"] = x => x.exp(),
        ["softplus"] = x => x.softplus(),
        ["softsign"] = x => x / (1 + x.abs()),
        ["hard_sigmoid"] = HardSigmoid,
        ["hard_silu"] = x => x * HardSigmoid(x),
        ["glu"] = x => x.chunk(2, -1) is [var value, var gate] ? value * gate.sigmoid() : throw new InvalidOperationException("glu needs an even last axis."),
        ["sparse_plus"] = x => where(x.le(-1), zeros_like(x), where(x.lt(1), (x + 1).square() / 4, x)),
        ["sparse_sigmoid"] = x => ((x + 1) * 0.5).clamp(0, 1),
        ["sparsemax"] = SparseMax,
        ["squareplus"] = x => (x + (x.square() + 4).sqrt()) / 2,
        ["hard_tanh"] = x => x.clamp(-1, 1),
        ["tanh_shrink"] = x => x - x.tanh(),
        ["soft_shrink"] = x => functional.softshrink(x, 0.5),
        ["hard_shrink"] = x => functional.hardshrink(x, 0.5),
        ["log_sigmoid"] = x => x.log_sigmoid(),
        ["threshold"] = x => functional.threshold(x, 0, 0),
    };

    /// <exception cref="FormatException">There is none of this name.</exception>
    public static Func<Tensor, Tensor> Get(string name) => Functions.GetValueOrDefault(name switch
    {
        "swish" => "silu",
        "hard_swish" => "hard_silu",
        _ => name,
    }) ?? throw new FormatException($"the activation '{name}' is not known");

    /// <summary>A function that Keras wrote as an object: one of Keras's, or the user's own, which is refused.</summary>
    public static Func<Tensor, Tensor> OfFunction(JsonObject serialized)
    {
        string name = serialized["config"]?.ToString() ?? "?";
        if (serialized["registered_name"]?.ToString() is { } registered && registered.Contains('>'))
            throw new FormatException($"the activation '{registered}' is a function of the model's author, and is not known. Make it a layer of its own in Python, and register that with KerasModel.Register");
        return Get(name);
    }

    static Tensor HardSigmoid(Tensor x) => (x + 3).relu6() / 6;

    // As Keras computes it: the threshold is made of the running sums, not of the values.
    static Tensor SparseMax(Tensor x)
    {
        Tensor sorted = x.sort(-1, descending: true).Values;
        Tensor sums = sorted.cumsum(-1);
        Tensor ranks = arange(1, x.shape[^1] + 1, dtype: x.dtype);
        Tensor isIn = (sorted - ((sums - 1) / ranks)).gt(0);
        Tensor count = isIn.to(x.dtype).sum([-1], keepdim: true);
        Tensor threshold = (where(isIn, sums, zeros_like(sums)).sum([-1], keepdim: true) - 1) / count;
        return (x - threshold).relu();
    }
}
