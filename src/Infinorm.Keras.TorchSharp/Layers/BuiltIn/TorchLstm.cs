using static TorchSharp.torch;

namespace Infinorm.Keras.Torch.Layers.BuiltIn;

/// <summary>
/// Torch's own LSTM over a whole sequence, with weights that are anybody's. TorchSharp has it only as a module with weights of its own,
/// so it is called by a script.
/// </summary>
static class TorchLstm
{
    const string Source = """
        def predict(x, h, c, w, r, b, z):
            return torch.lstm(x, [h, c], [w, r, b, z], True, 1, 0.0, False, False, True)
        def train(x, h, c, w, r, b, z):
            return torch.lstm(x, [h, c], [w, r, b, z], True, 1, 0.0, True, False, True)
        """;

    static readonly Lazy<jit.CompilationUnit> Script = new(() => jit.compile(Source + "\n"));

    /// <summary>All outputs (batch, time, units) and the last states (batch, units).</summary>
    /// <param name="x">(batch, time, inputs).</param>
    /// <param name="hidden">(batch, units).</param>
    /// <param name="carry">(batch, units).</param>
    /// <param name="kernel">(4·units, inputs), in the order i, f, c, o.</param>
    /// <param name="recurrent">(4·units, units).</param>
    /// <param name="bias">(4·units).</param>
    /// <param name="otherBias">Torch has two; this one is added to the other.</param>
    /// <param name="training">Whether there will be gradients.</param>
    public static (Tensor Outputs, Tensor Hidden, Tensor Carry) Run(
        Tensor x, Tensor hidden, Tensor carry, Tensor kernel, Tensor recurrent, Tensor bias, Tensor otherBias, bool training)
    {
        object[] results = Results(Script.Value.invoke(
            training ? "train" : "predict", x, hidden.unsqueeze(0), carry.unsqueeze(0), kernel, recurrent, bias, otherBias));
        return ((Tensor)results[0], ((Tensor)results[1]).squeeze(0), ((Tensor)results[2]).squeeze(0));
    }

    static object[] Results(object result) => result switch
    {
        object[] list => list,
        System.Runtime.CompilerServices.ITuple { Length: 3 } tuple => [tuple[0]!, tuple[1]!, tuple[2]!],
        _ => throw new InvalidOperationException($"torch.lstm gave a {result.GetType().Name}."),
    };
}
