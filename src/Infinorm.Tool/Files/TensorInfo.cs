using Infinorm.Types;

namespace Infinorm.Tool.Files;

/// <summary>One tensor of a file.</summary>
/// <param name="Name">Its name in a checkpoint, whatever the file's format: "optimizer/momentum/dense/kernel".</param>
/// <param name="DType">The type of its elements, as stored.</param>
/// <param name="Shape">The sizes of its axes, outermost first.</param>
sealed record TensorInfo(string Name, DType DType, nint[] Shape)
{
    /// <summary>The number of elements.</summary>
    public int Length { get; } = Shapes.Length(Shape);

    /// <summary>Type and shape: "float32[784, 10]".</summary>
    public string Kind => DType.KerasName() + Shapes.Format(Shape);
}
