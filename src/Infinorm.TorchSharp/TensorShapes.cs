using static TorchSharp.torch;

namespace Infinorm.Torch;

/// <summary>Shapes for messages.</summary>
static class TensorShapes
{
    public static string Shape(this Tensor tensor) => $"[{string.Join(", ", tensor.shape)}]";
}
