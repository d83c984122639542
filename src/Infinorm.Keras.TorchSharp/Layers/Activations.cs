using System.Text.Json.Nodes;
using Infinorm.Torch;
using static Infinorm.Torch.Numbers;
using static TorchSharp.torch;

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
        ["elu"] = x => Elu(x, 1),
        ["selu"] = x => x.selu(),
        ["celu"] = x => x.celu(Constant(1)),
        ["leaky_relu"] = x => x.leaky_relu(Constant(0.2)),
        ["mish"] = Mish,
        ["exponential"] = x => x.exp(),
        ["softplus"] = x => x.SoftPlus(),
        ["softsign"] = x => x / x.abs().Plus(1),
        ["hard_sigmoid"] = HardSigmoid,
        ["hard_silu"] = x => x * HardSigmoid(x),
        ["glu"] = x =>
            x.chunk(2, -1) is [var value, var gate]
                ? value * gate.sigmoid()
                : throw new InvalidOperationException("glu needs an even last axis."),
        ["sparse_plus"] = x => where(x.le(Constant(-1)), zeros_like(x), where(x.lt(Constant(1)), x.Plus(1).Squared().Over(4), x)),
        ["sparse_sigmoid"] = x => x.Plus(1).Times(0.5).clamp(Constant(0), Constant(1)),
        ["sparsemax"] = x => SparseMax(x, -1),
        ["squareplus"] = x => SquarePlus(x, 4),
        ["hard_tanh"] = x => x.clamp(Constant(-1), Constant(1)),
        ["tanh_shrink"] = x => x.Minus(x.tanh()),
        ["soft_shrink"] = x => SoftShrink(x, 0.5),
        ["hard_shrink"] = x => HardShrink(x, 0.5),
        ["log_sigmoid"] = x => x.log_sigmoid(),
        ["threshold"] = x => Threshold(x, 0, 0),
    };

    /// <exception cref="FormatException">There is no activation of this name.</exception>
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
            throw new FormatException($"the activation '{registered}' is a custom function, whose code is not in the file. Make it "
                + "a layer of its own in Python, and register that with KerasModel.Register");
        return Get(name);
    }

    static Tensor HardSigmoid(Tensor x) => x.Plus(3).relu6().Over(6);

    /// <summary>α(eˣ − 1) below 0.</summary>
    public static Tensor Elu(Tensor x, double alpha) => where(x.gt(Constant(0)), x, x.clamp_max(Constant(0)).expm1().Times(alpha));

    public static Tensor Mish(Tensor x) => x * x.SoftPlus().tanh();

    /// <summary>Nearer to 0 by the threshold, at most 0.</summary>
    public static Tensor SoftShrink(Tensor x, double threshold) => x.Minus(x.clamp(Constant(-threshold), Constant(threshold)));

    /// <summary>What is within the threshold of 0 becomes 0.</summary>
    public static Tensor HardShrink(Tensor x, double threshold) => x * x.abs().gt(Constant(threshold)).to(x.dtype);

    /// <summary>What is not above the threshold becomes a value.</summary>
    public static Tensor Threshold(Tensor x, double threshold, double value) =>
        where(x.gt(Constant(threshold)), x, full_like(x, Constant(value)));

    /// <summary>A smooth relu made of a root.</summary>
    public static Tensor SquarePlus(Tensor x, double b) => x.Plus(x.Squared().Plus(b).sqrt()).Over(2);

    /// <summary>As Keras computes it: the threshold is made of the running sums, not of the values.</summary>
    public static Tensor SparseMax(Tensor x, long axis)
    {
        x = x.movedim([axis], [-1]);
        Tensor sorted = x.sort(-1, descending: true).Values;
        Tensor sums = sorted.cumsum(-1);
        Tensor ranks = Range(1, x.shape[^1] + 1, x.dtype);
        Tensor isIn = sorted.Minus(sums.Minus(1) / ranks).gt(Constant(0));
        Tensor count = isIn.to(x.dtype).sum([-1], keepdim: true);
        Tensor threshold = where(isIn, sums, zeros_like(sums)).sum([-1], keepdim: true).Minus(1) / count;
        return x.Minus(threshold).relu().movedim([-1], [axis]);
    }
}
